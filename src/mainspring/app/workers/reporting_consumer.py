"""A desk, and the telling of how it stands: where messages come by the thousand, so may its changes."""

import asyncio
from collections.abc import Awaitable, Callable

from mainspring.store.commands.triggers import ReportConsumer
from mainspring.triggers.consumer import Consumer

_REPORT_INTERVAL_S = 1.0

SendReport = Callable[[ReportConsumer], None]


class ReportingConsumer:
    """Runs the desk that `make` returns, and gives `tell` the newest of what that reports, at most once a second."""

    def __init__(
        self,
        make: Callable[[SendReport], Consumer],
        tell: SendReport,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._tell = tell
        self._sleep = sleep
        self._newest: ReportConsumer | None = None
        self._changed = asyncio.Event()
        self._desk = make(self._report)

    async def run(self) -> None:
        """Fetch, for ever; raises what the desk raises."""
        telling = asyncio.create_task(self._keep_telling())
        try:
            await self._desk.run()
        finally:
            telling.cancel()

    def _report(self, state: ReportConsumer) -> None:
        self._newest = state
        self._changed.set()

    async def _keep_telling(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._newest is not None:
                self._tell(self._newest)
            await self._sleep(_REPORT_INTERVAL_S)
