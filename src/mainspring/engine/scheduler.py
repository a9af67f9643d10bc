"""The scheduler: makes the runs of due slots. Any number may run at once, for a slot is one row.

It needs nobody's code: definition and input are read from the store, as the last worker that could load them announced them.
A slot's run, the slot's row and the next due time are one commit. What was missed while nobody scheduled is decided by the definition's
`misfire` (see domain/misfire.py); slots that are not run get a row that says so. `overlap` decides what a slot does while the last run
goes on.
"""

import asyncio
import logging
from collections.abc import Container
from datetime import timedelta
from typing import Any

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.definition import Definition
from mainspring.domain.duration import format_duration
from mainspring.domain.ids import derived_id
from mainspring.domain.misfire import LATE_MS, due_slots, runs_from
from mainspring.domain.schedule import Schedule, jitter_of
from mainspring.domain.sealing import Sealing
from mainspring.domain.slot_verdict import SlotVerdict
from mainspring.engine.off_loop import OffLoop
from mainspring.engine.starting import StartOptions, start_command
from mainspring.store.base import DueSchedule, EngineReads, Pause, Store, Unfinished
from mainspring.store.commands.automations import MakeSlot
from mainspring.store.commands.results import Refused
from mainspring.store.commands.runs import CancelRun, SlotLink, StartRun

_LOG = logging.getLogger("mainspring.scheduler")
MOST_AT_ONCE = 100
"""Slots of one schedule that are made or recorded in one pass; the rest follows in the next."""
_LONGEST_SLEEP_S = 60.0


class Seen(msgspec.Struct, frozen=True):
    """What stands beside a due schedule: runs that are not over, and pauses since its slot."""

    unfinished: list[Unfinished]
    pauses: list[Pause]

    def why_missed(self, slot_at: int) -> str:
        """Return the note of a slot that nobody made and nobody makes up for."""
        pause = next((one for one in self.pauses if one.covers(slot_at)), None)
        if pause is None:
            return "nobody scheduled when it was due"
        return f"paused by {pause.by}{f': {pause.reason}' if pause.reason else ''}"

    def lateness(self, slot_at: int, now: int) -> str | None:
        """Return the note of a slot that is run although it was missed."""
        if now - slot_at <= LATE_MS:
            return None
        return f"made up for {format_duration(timedelta(seconds=(now - slot_at) // 1000))} late: {self.why_missed(slot_at)}"


def line_of(schedule: str) -> str:
    """Return the partition in which runs of one schedule go one after the other."""
    return f"schedule:{schedule}"


class Scheduler:
    """Made and used in `loop`'s thread. `only` = the automations whose slots it makes; None = those of the whole store."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: Store,
        reads: EngineReads,
        clock: Clock,
        sealing: Sealing,
        off_loop: OffLoop,
        *,
        only: Container[str] | None = None,
    ) -> None:
        self._loop = loop
        self._store = store
        self._reads = reads
        self._clock = clock
        self._sealing = sealing
        self._off_loop = off_loop
        self._only = only
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
        """Look for due slots now."""
        if not self.closed and not self._looking:
            self._looking = True
            now, limit = self._clock.now(), MOST_AT_ONCE + len(self._passed)
            self._off_loop(lambda: self._read(now, limit), lambda found: self._serve(found, now))

    def _read(self, now: int, limit: int) -> tuple[list[tuple[DueSchedule, Seen]], int | None]:
        due = self._reads.due_schedules(now, limit)
        return [(one, self._see(one, now)) for one in due], self._reads.next_slot_at()

    def _see(self, due: DueSchedule, now: int) -> Seen:
        is_late = now - due.slot_at > LATE_MS
        pauses = self._reads.pauses(due.automation, due.slot_at) if is_late else []
        return Seen(self._reads.unfinished(due.automation), pauses)

    def _serve(self, found: Any, now: int) -> None:
        self._looking = False
        if self.closed:
            return
        if isinstance(found, Exception):
            _LOG.error("the schedules cannot be read: %s", found)
            self._sleep(now + 1_000)
            return
        due, next_at = found
        told, self._passed = self._passed, {}
        for schedule, seen in due:
            try:
                why = self._make(schedule, seen, now)
            except Exception as error:  # noqa: BLE001  one schedule must not stop the others
                why = f"{type(error).__name__}: {error}"
            if why is not None:
                self._passed[schedule.name] = why
                if why and told.get(schedule.name) != why:
                    _LOG.error("schedule %s: its slot cannot be made: %s", schedule.name, why)
        if not self._open:
            self._sleep(next_at if not due else now + 1_000)

    def _sleep(self, until_at: int | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay = _LONGEST_SLEEP_S if until_at is None else (until_at - self._clock.now()) / 1000
        self._timer = self._loop.call_later(min(max(delay, 0.001), _LONGEST_SLEEP_S), self.look)

    def _make(self, due: DueSchedule, seen: Seen, now: int) -> str | None:
        """Submit what a due schedule asks for; where that cannot be, return why ("" = it is not ours)."""
        if self._only is not None and due.automation not in self._only:
            return ""
        if due.definition is None or due.input is None:
            return "an older version announced it; a worker of this version has to load its automation once"
        definition = Definition.from_data(msgspec.json.decode(due.definition))
        schedule = Schedule.from_data(msgspec.json.decode(due.spec))
        runs_from_at = runs_from(schedule, due.slot_at, now, definition.option("misfire"))
        overlap = definition.option("overlap")
        going = [one.run for one in seen.unfinished if not one.is_in_line]
        for slot_at in due_slots(schedule, due.slot_at, now, MOST_AT_ONCE):
            verdict, note = SlotVerdict.RUN, seen.lateness(slot_at, now)
            if slot_at < runs_from_at:
                verdict, note = SlotVerdict.MISSED, seen.why_missed(slot_at)
            elif going and overlap == "skip":
                verdict, note = SlotVerdict.SKIPPED, f"run {going[0]} still goes on"
            elif going and overlap == "replace":
                for run in going:
                    self._submit(CancelRun(run, f"replaced:{due.name}:{slot_at}", "a newer slot replaces it"))
            start = self._start(definition, due, slot_at, seen) if verdict is SlotVerdict.RUN else None
            self._submit(MakeSlot(due.name, slot_at, schedule.next_after(slot_at), verdict.value, start, note))
            if start is not None:
                going = [start.id] if overlap == "replace" else going or [start.id]
        return None

    def _start(self, definition: Definition, due: DueSchedule, slot_at: int, seen: Seen) -> StartRun:
        """Return the start of a slot's run. Jitter puts off the run alone: the slot, its key and its id stay what they are."""
        put_off = jitter_of(due.name, slot_at, definition.span("jitter"))
        start = start_command(
            definition,
            self._sealing.open(due.input or b""),
            run=derived_id("r", slot_at, due.name, str(slot_at)),
            now_at=self._clock.now(),
            trigger=f"schedule {due.name}",
            options=StartOptions(key=f"{due.name}@{slot_at}", due_at=slot_at + put_off if put_off else None),
            slot=SlotLink(due.name, slot_at),
            sealing=self._sealing,
        )
        overlap = definition.option("overlap")
        has_line = any(one.is_in_line for one in seen.unfinished)
        if start.partition is None and (overlap in ("queue", "replace") or (overlap == "skip" and has_line)):
            start = msgspec.structs.replace(start, partition=line_of(due.name))
        return start

    def _submit(self, command: Any) -> None:
        self._open += 1
        self._store.submit(command, self._answered)

    def _answered(self, result: Any) -> None:
        self._open -= 1
        if isinstance(result, Exception):
            _LOG.error("a slot was not made: %s", result)
        self._was_refused |= isinstance(result, Exception | Refused)
        if self._open or self.closed:
            return
        if (
            self._was_refused
        ):  # another scheduler made it, or there is no room for its run: what is refused once is not asked for at once
            self._was_refused = False
            self._sleep(self._clock.now() + 1_000)
        else:
            self.look()
