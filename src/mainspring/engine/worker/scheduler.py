"""The scheduler: starts the runs of due slots. Any number may run at once, because a slot is one row.

It loads no user code: it reads definition and input from the store, where the last worker that loaded them announced them.
The slot's run, its row and the next due time are one commit. The definition's `misfire` decides about slots that were missed while no
scheduler ran (see domain/time/misfire.py); slots that do not run get a row that says so. `overlap` decides about a slot whose previous
run has not ended.
"""

import asyncio
import logging
from collections.abc import Container
from typing import Any

import msgspec

from mainspring.domain.clock import MAX_CLOCK_LEAD_MS, Clock
from mainspring.domain.time.schedule import Schedule
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.driver.blocking_calls import BlockingCaller
from mainspring.engine.worker.scans import scan
from mainspring.engine.worker.slot_planner import MAX_SLOTS_PER_PASS, SlotPlan, SlotPlanner
from mainspring.store.base import EngineReads, ScheduleAhead, Store
from mainspring.store.commands.automations import PullBackSchedule
from mainspring.store.commands.results import CommandDone, Refused, StartAnswer

_LOG = logging.getLogger("mainspring.scheduler")
_MAX_SLEEP_S = 60.0

_CHECK_EVERY_MS = 60_000


class ClockRegressionRecovery:
    """Pulls schedules back; used by one thread at a time. `only` = the automations to serve; None = those of the whole store.

    Checked once a minute, and at once when this process notices that its clock was put back.
    """

    def __init__(self, reads: EngineReads, only: Container[str] | None) -> None:
        self._reads = reads
        self._only = only
        self._checked_at: int | None = None

    def commands(self, now: int) -> list[PullBackSchedule]:
        """Return one command for each schedule that is ahead."""
        if self._checked_at is not None and 0 <= now - self._checked_at < _CHECK_EVERY_MS:
            return []
        self._checked_at = now
        ahead = [
            schedule for schedule in self._reads.schedules_ahead(now + MAX_CLOCK_LEAD_MS) if self._is_served(schedule)
        ]
        commands = [command for schedule in ahead if (command := _pull_back(schedule, now)) is not None]
        if commands:
            _LOG.warning(
                "the clock was put back: %d schedules continue from now, and do not wait for the old time",
                len(commands),
            )
        return commands

    def _is_served(self, schedule: ScheduleAhead) -> bool:
        return self._only is None or schedule.automation in self._only


def _pull_back(schedule: ScheduleAhead, now: int) -> PullBackSchedule | None:
    try:
        return PullBackSchedule(schedule.name, Schedule.from_data(msgspec.json.decode(schedule.spec)).next_after(now))
    except Exception as error:  # noqa: BLE001 - one schedule must not stop the others
        _LOG.error("schedule %s cannot continue from now: %s: %s", schedule.name, type(error).__name__, error)
        return None


class Scheduler:
    """Created and used in the thread of `loop`. `only` = the automations to serve; None = those of the whole store."""

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
        self._clock_regression = ClockRegressionRecovery(reads, only)
        self._skipped: dict[str, str] = {}
        """Due schedules that cannot be served, with the logged reason; they must not hide later ones."""
        self._timer: asyncio.TimerHandle | None = None
        self._reading = False
        self._has_news = False
        """Whether the store changed while slots were read or submitted: the read may lack a new schedule, so it is repeated."""
        self._open_commands = 0
        self._was_refused = False
        self.closed = False

    def start(self) -> None:
        """Start to make slots."""
        self.poll()

    def close(self) -> None:
        """Stop making slots."""
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()

    def poll(self) -> None:
        """Read due slots now, or after the submitted slots are committed: until then they are still due in the store."""
        if self.closed:
            return
        if self._reading or self._open_commands:
            self._has_news = True
        else:
            self._reading, self._has_news = True, False
            now, limit = self._clock.now(), MAX_SLOTS_PER_PASS + len(self._skipped)
            self._off_loop(lambda: self._read(now, limit), lambda found: self._serve(found, now))

    def _read(self, now: int, limit: int) -> tuple[list[PullBackSchedule], list[SlotPlan], int | None]:
        pull_backs = self._clock_regression.commands(now)
        return pull_backs, [] if pull_backs else self._plans.make(now, limit), self._reads.next_slot_at()

    def _serve(self, found: Any, now: int) -> None:
        self._reading = False
        if self.closed:
            return
        if isinstance(found, Exception):
            _LOG.error("the schedules cannot be read: %s", found)
            self._sleep(now + 1_000)
            return
        pull_backs, plans, next_at = found
        for pull_back in pull_backs:
            self._open_commands += 1
            self._store.submit(pull_back, self._answered)
        logged, self._skipped = self._skipped, {}
        for plan in plans:
            for command in plan.commands:
                self._open_commands += 1
                self._store.submit(command, self._answered)
            if plan.reason is not None:
                self._skipped[plan.schedule] = plan.reason
                if plan.reason and logged.get(plan.schedule) != plan.reason:
                    _LOG.error("schedule %s: its slot cannot be created: %s", plan.schedule, plan.reason)
        if self._has_news:
            self.poll()
        elif not self._open_commands:
            self._sleep(next_at if not plans else now + 1_000)

    def _sleep(self, until_at: int | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay = _MAX_SLEEP_S if until_at is None else (until_at - self._clock.now()) / 1000
        poll = self.poll if delay < _MAX_SLEEP_S else self._scan
        self._timer = self._loop.call_later(min(max(delay, 0.001), _MAX_SLEEP_S), poll)

    @scan
    def _scan(self) -> None:
        self.poll()

    def _answered(self, result: StartAnswer | CommandDone | Refused | BaseException) -> None:
        self._open_commands -= 1
        if isinstance(result, Exception):
            _LOG.error("a slot was not created: %s", result)
        self._was_refused |= isinstance(result, Exception | Refused)
        if self._open_commands or self.closed:
            return
        if self._was_refused:
            # Another scheduler made the slot, or the queue is full: retry a refused slot later, not at once.
            self._was_refused = False
            self._sleep(self._clock.now() + 1_000)
        else:
            self.poll()
