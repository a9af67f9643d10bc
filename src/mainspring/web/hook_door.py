"""Where webhooks go in: the table of paths, the way into the store, and what is told of requests that were refused.

It goes on from the last table that could be read, whatever becomes of workers and store.
"""

import asyncio
import time
from collections.abc import Mapping

from mainspring.app.post_process import PostProcess
from mainspring.domain.arrival import Arrival
from mainspring.domain.errors import MainspringError
from mainspring.store.commands.results import Refused, TakenIn
from mainspring.triggers.intake import Intake
from mainspring.triggers.known import KnownTriggers
from mainspring.web.hook_counts import HookCounts
from mainspring.web.hook_ends import HookEnds
from mainspring.web.hook_table import HookTable

_EVERY_S = 1.0
_AT_MOST_EVERY_S = 0.1
_OPEN_EVERY_S = 0.05
_MOST_KEPT_AT_ONCE = 8


class HookDoor:
    """Kept up by `keep()` in the loop's thread; it is open once the store was."""

    def __init__(self, process: PostProcess) -> None:
        self._process = process
        self._sealing = process.project.sealing
        self.table = HookTable()
        self.counts = HookCounts()
        self._intake: Intake | None = None
        self._ends: HookEnds | None = None
        self._changed = asyncio.Event()
        self._keeping: set[asyncio.Task[None]] = set()
        self._told = ""
        self.trouble: str | None = None
        """Why no webhooks are taken in, for people."""

    async def keep(self) -> None:
        """Wait for the store, then read the table each second and whenever something may be new, for ever."""
        while not self._process.is_open:  # noqa: ASYNC110 - a process tells its opening to nobody
            await asyncio.sleep(_OPEN_EVERY_S)
        store = self._process.store
        known = KnownTriggers(store.reader)
        self._intake = Intake(store, known, store.clock, self._sealing)
        self._ends = HookEnds(store.reader, self._sealing)
        self._process.changed = self._changed.set
        while True:
            await self._look(known)
            try:
                async with asyncio.timeout(_EVERY_S):
                    await self._changed.wait()
            except TimeoutError:
                pass
            self._changed.clear()
            self._ends.hurry()
            await asyncio.sleep(_AT_MOST_EVERY_S)

    async def _look(self, known: KnownTriggers) -> None:
        try:
            await asyncio.to_thread(known.look)
            self.table.take(known)
        except MainspringError:
            return  # the last good one is gone on from; that the store is away is told elsewhere
        except Exception as error:
            if str(error) != self._told:
                self._told = str(error)
                self._process.log.exception("the webhooks in the store cannot be read; those that are known go on")
            return
        self.counts.forget_others({hook.trigger for hook in self.table})

    @property
    def ends(self) -> HookEnds:
        """Where ends of runs are waited for; there once something was taken in."""
        assert self._ends is not None
        return self._ends

    def now(self) -> int:
        """Return the instant by which timestamps are judged, in ms UTC."""
        return self._process.project.clock.now()

    async def take_in(self, trigger: str, arrival: Arrival, verified: str) -> TakenIn | Refused:
        """Store what arrived; see TakesIn."""
        if self._intake is None:
            return Refused("closed", "the store has not answered yet", retry_after_ms=5_000)
        return await self._intake.take_in(trigger, arrival, verified=verified)

    def keep_refused(self, trigger: str, why: str, note: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Write down what was refused, for people to see; a few a second, and never in the way of what is genuine."""
        intake = self._intake
        if intake is None or len(self._keeping) >= _MOST_KEPT_AT_ONCE:
            return
        if not self.counts.may_keep(trigger, time.monotonic()):
            return
        arrival = Arrival(key="-", body=body, headers=dict(headers))
        task = self._process.loop.create_task(self._write_down(intake, trigger, why, note, arrival))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def _write_down(self, intake: Intake, trigger: str, why: str, note: str, arrival: Arrival) -> None:
        try:
            await intake.refuse(trigger, why, note, arrival)
        except MainspringError as error:
            self._process.log.warning("what was refused for %s could not be written down: %s", trigger, error.message)
