"""A poller of the store's readiness: it reads each second, so that no probe makes the store work or waits for it."""

import asyncio
import time

import msgspec

from mainspring.app.processes.background_process import BackgroundProcess
from mainspring.app.processes.host_status import HostStatus, read_host_status
from mainspring.domain.errors import MainspringError

_EVERY_S = 1.0
STALE_S = 5.0
"""A snapshot older than this is ignored."""


class StoreSnapshot(msgspec.Struct, frozen=True):
    """The last answer of the store, and its instant (monotonic seconds)."""

    host: HostStatus
    at: float


class ReadinessPoller:
    """The poller; `keep()` runs in the loop's thread."""

    def __init__(self, process: BackgroundProcess) -> None:
        self._process = process
        self._last: StoreSnapshot | None = None
        self._error = "the store has not answered yet"

    async def keep(self) -> None:
        """Open the store as soon as it answers, then poll each second, without end."""
        await self._process.open()
        while True:
            try:
                host = await asyncio.to_thread(
                    read_host_status, self._process.store.reader, self._process.store.clock.now()
                )
            except MainspringError as error:
                self._error = error.message.splitlines()[0]
            else:
                self._last = StoreSnapshot(host, time.monotonic())
                self._error = ""
            await asyncio.sleep(_EVERY_S)

    @property
    def is_open(self) -> bool:
        """Whether the store is open."""
        return self._process.is_open

    def missing(self) -> list[str]:
        """Return sentences about what is missing; empty = ready."""
        last = self._last
        if last is None or time.monotonic() - last.at > STALE_S:
            return [self._error or "the store does not answer"]
        return ([self._error] if self._error else []) + last.host.missing
