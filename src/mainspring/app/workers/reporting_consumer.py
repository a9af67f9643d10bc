"""A consumer whose state is reported at a limited rate: with thousands of messages it may change as often."""

import asyncio
from collections.abc import Awaitable, Callable

from mainspring.store.commands.triggers import ReportConsumer
from mainspring.triggers.consumer import Consumer

_REPORT_INTERVAL_S = 1.0

SendReport = Callable[[ReportConsumer], None]


class ReportingConsumer:
    """Runs the consumer that `make` returns, and passes its newest state to `send`, at most once a second."""

    def __init__(
        self,
        make: Callable[[SendReport], Consumer],
        send: SendReport,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._send = send
        self._sleep = sleep
        self._newest: ReportConsumer | None = None
        self._changed = asyncio.Event()
        self._consumer = make(self._report)

    async def run(self) -> None:
        """Fetch without end. Raises what the consumer raises."""
        reporting = asyncio.create_task(self._keep_reporting())
        try:
            await self._consumer.run()
        finally:
            reporting.cancel()

    def _report(self, state: ReportConsumer) -> None:
        self._newest = state
        self._changed.set()

    async def _keep_reporting(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._newest is not None:
                self._send(self._newest)
            await self._sleep(_REPORT_INTERVAL_S)
