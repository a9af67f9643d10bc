"""What the web process knows of the store: looked up by itself each second, so that no request makes it ask, nor waits for it."""

import asyncio
import time

import msgspec

from mainspring.app.processes.background_process import BackgroundProcess
from mainspring.app.processes.host_status import HostStatus, read_host_status
from mainspring.domain.errors import MainspringError

_EVERY_S = 1.0
STALE_S = 5.0
"""A look that is older than this tells nothing any more."""


class StoreSnapshot(msgspec.Struct, frozen=True):
    """The last look that was answered, and when it was (monotonic seconds)."""

    here: HostStatus
    at: float


class ReadinessPoller:
    """Kept up by `keep()` in the loop's thread."""

    def __init__(self, process: BackgroundProcess) -> None:
        self._process = process
        self._seen: StoreSnapshot | None = None
        self._trouble = "the store has not answered yet"

    async def keep(self) -> None:
        """Open the store as soon as it answers, then look each second, for ever."""
        await self._process.open()
        while True:
            try:
                here = await asyncio.to_thread(
                    read_host_status, self._process.store.reader, self._process.store.clock.now()
                )
            except MainspringError as error:
                self._trouble = error.message.splitlines()[0]
            else:
                self._seen = StoreSnapshot(here, time.monotonic())
                self._trouble = ""
            await asyncio.sleep(_EVERY_S)

    @property
    def is_open(self) -> bool:
        """Whether the store can be asked."""
        return self._process.is_open

    def missing(self) -> list[str]:
        """Return sentences of what is not as it should be; empty = ready."""
        seen = self._seen
        if seen is None or time.monotonic() - seen.at > STALE_S:
            return [self._trouble or "the store does not answer"]
        return ([self._trouble] if self._trouble else []) + seen.here.missing
