"""The scheduler: makes the runs of due slots. Any number may run at once, for a slot is one row.

It needs nobody's code: definition and input are read from the store, as the last worker that could load them announced them.
A slot's run, the slot's row and the next due time are one commit. What was missed while nobody scheduled is decided by the definition's
`misfire` (see domain/time/misfire.py); slots that are not run get a row that says so. `overlap` decides what a slot does while the last run
goes on.
"""

import asyncio
import logging
from collections.abc import Container
from typing import Any

from mainspring.domain.clock import Clock
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.worker.blocking_calls import BlockingCaller
from mainspring.engine.worker.clock_regression import ClockRegression
from mainspring.engine.worker.slot_planner import MAX_SLOTS_PER_PASS, SlotPlan, SlotPlanner
from mainspring.store.base import EngineReads, Store
from mainspring.store.commands.automations import PullBackSchedule
from mainspring.store.commands.results import Refused

_LOG = logging.getLogger("mainspring.scheduler")
_MAX_SLEEP_S = 60.0


class Scheduler:
    """Made and used in `loop`'s thread. `only` = the automations whose slots it makes; None = those of the whole store."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: Store,
        reads: EngineReads,
        clock: Clock,
        sealing: Sealing,
        off_loop: BlockingCaller,
        *,
        only: Container[str] | None = None,
    ) -> None:
        self._loop = loop
        self._store = store
        self._reads = reads
        self._clock = clock
        self._off_loop = off_loop
        self._plans = SlotPlanner(reads, clock, sealing, only)
        self._clock_back = ClockRegression(reads, only)
        self._passed: dict[str, str] = {}
        """Due schedules that cannot be served, with the reason that was told; they must not keep later ones out of sight."""
        self._timer: asyncio.TimerHandle | None = None
        self._looking = False
        self._open = 0
        self._was_refused = False
        self.closed = False

    def start(self) -> None:
        """Begin to make slots."""
        self.look()

    def close(self) -> None:
        """Make no more."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()

    def look(self) -> None:
        """Look for due slots now, or once those are made that are on their way: until then they are still due in the store."""
        if not self.closed and not self._looking and not self._open:
            self._looking = True
            now, limit = self._clock.now(), MAX_SLOTS_PER_PASS + len(self._passed)
            self._off_loop(lambda: self._read(now, limit), lambda found: self._serve(found, now))

    def _read(self, now: int, limit: int) -> tuple[list[PullBackSchedule], list[SlotPlan], int | None]:
        back = self._clock_back.commands(now)
        return back, [] if back else self._plans.make(now, limit), self._reads.next_slot_at()

    def _serve(self, found: Any, now: int) -> None:
        self._looking = False
        if self.closed:
            return
        if isinstance(found, Exception):
            _LOG.error("the schedules cannot be read: %s", found)
            self._sleep(now + 1_000)
            return
        back, plans, next_at = found
        for pull_back in back:
            self._open += 1
            self._store.submit(pull_back, self._answered)
        told, self._passed = self._passed, {}
        for plan in plans:
            for command in plan.commands:
                self._open += 1
                self._store.submit(command, self._answered)
            if plan.why is not None:
                self._passed[plan.schedule] = plan.why
                if plan.why and told.get(plan.schedule) != plan.why:
                    _LOG.error("schedule %s: its slot cannot be made: %s", plan.schedule, plan.why)
        if not self._open:
            self._sleep(next_at if not plans else now + 1_000)

    def _sleep(self, until_at: int | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay = _MAX_SLEEP_S if until_at is None else (until_at - self._clock.now()) / 1000
        self._timer = self._loop.call_later(min(max(delay, 0.001), _MAX_SLEEP_S), self.look)

    def _answered(self, result: Any) -> None:
        self._open -= 1
        if isinstance(result, Exception):
            _LOG.error("a slot was not made: %s", result)
        self._was_refused |= isinstance(result, Exception | Refused)
        if self._open or self.closed:
            return
        if self._was_refused:
            # Another scheduler made it, or there is no room for its run: what is refused once is not asked for at once.
            self._was_refused = False
            self._sleep(self._clock.now() + 1_000)
        else:
            self.look()
