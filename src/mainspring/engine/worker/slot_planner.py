"""What due schedules ask for, as commands: computed from what was announced, in a thread, so that the event loop only hands them on.

Invariants: it needs nobody's code; each slot is computed once a pass; one schedule that cannot be served keeps no other from its slots.
"""

from collections.abc import Container
from datetime import timedelta
from typing import Any

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.duration import format_duration
from mainspring.domain.ids import derive_id
from mainspring.domain.time.misfire import MISFIRE_AFTER_MS, DueSlots, find_due_slots, first_slot_to_run
from mainspring.domain.time.schedule import Schedule, compute_jitter
from mainspring.domain.time.slot_verdict import SlotVerdict
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.definitions.run_start import StartOptions, build_start_command
from mainspring.store.base import DueSchedule, EngineReads, PauseRecord, UnfinishedRun
from mainspring.store.commands.automations import MakeSlot
from mainspring.store.commands.runs import CancelRun, SlotLink, StartRun

MAX_SLOTS_PER_PASS = 100
"""Slots of one schedule that are made or recorded in one pass; the rest follows in the next."""


class SlotPlan(msgspec.Struct, frozen=True):
    """The commands that one due schedule asks for; or why there can be none ("" = it is not ours)."""

    schedule: str
    commands: list[Any] = []
    why: str | None = None


class ScheduleContext(msgspec.Struct, frozen=True):
    """What stands beside a due schedule: runs that are not over, and pauses since its slot."""

    unfinished: list[UnfinishedRun]
    pauses: list[PauseRecord]

    def why_missed(self, slot_at: int) -> str:
        """Return the note of a slot that nobody made and nobody makes up for."""
        pause = next((one for one in self.pauses if one.covers(slot_at)), None)
        if pause is None:
            return "nobody scheduled when it was due"
        return f"paused by {pause.by}{f': {pause.reason}' if pause.reason else ''}"

    def lateness(self, slot_at: int, now: int) -> str | None:
        """Return the note of a slot that is run although it was missed."""
        if now - slot_at <= MISFIRE_AFTER_MS:
            return None
        return f"made up for {format_duration(timedelta(seconds=(now - slot_at) // 1000))} late: {self.why_missed(slot_at)}"


def schedule_partition(schedule: str) -> str:
    """Return the partition in which runs of one schedule go one after the other."""
    return f"schedule:{schedule}"


class SlotPlanner:
    """Plans slots; used by one thread at a time. `only` = the automations whose slots are made; None = those of the whole store."""

    def __init__(self, reads: EngineReads, clock: Clock, sealing: Sealing, only: Container[str] | None) -> None:
        self._reads = reads
        self._clock = clock
        self._sealing = sealing
        self._only = only
        self._behind: dict[str, tuple[bytes, str, int, int]] = {}
        """Of schedules with more due slots than one pass takes: spec, policy, from when on they run, and when that was computed."""

    def make(self, now: int, limit: int) -> list[SlotPlan]:
        """Return a plan for each of the schedules that are due, at most `limit`, earliest first."""
        due = self._reads.due_schedules(now, limit)
        if self._behind:
            names = {one.name for one in due}
            self._behind = {name: known for name, known in self._behind.items() if name in names}
        return [self._plan(one, now) for one in due]

    def _plan(self, due: DueSchedule, now: int) -> SlotPlan:
        if self._only is not None and due.automation not in self._only:
            return SlotPlan(due.name, why="")
        if due.definition is None or due.input is None:
            why = "an older version announced it; a worker of this version has to load its automation once"
            return SlotPlan(due.name, why=why)
        try:
            return SlotPlan(due.name, self._commands(due, self._see(due, now), now))
        except Exception as error:  # noqa: BLE001  one schedule must not stop the others
            return SlotPlan(due.name, why=f"{type(error).__name__}: {error}")

    def _see(self, due: DueSchedule, now: int) -> ScheduleContext:
        is_late = now - due.slot_at > MISFIRE_AFTER_MS
        pauses = self._reads.pauses(due.automation, due.slot_at) if is_late else []
        return ScheduleContext(self._reads.unfinished(due.automation), pauses)

    def _commands(self, due: DueSchedule, seen: ScheduleContext, now: int) -> list[Any]:
        definition = Definition.from_data(msgspec.json.decode(due.definition or b""))
        schedule = Schedule.from_data(msgspec.json.decode(due.spec))
        found = find_due_slots(schedule, due.slot_at, now, MAX_SLOTS_PER_PASS)
        runs_from_at = self._runs_from(due, schedule, found, now, definition.option("misfire"))
        overlap = definition.option("overlap")
        going = [one.run for one in seen.unfinished if not one.is_in_line]
        commands: list[Any] = []
        for slot_at, next_at in zip(found.slots, [*found.slots[1:], found.following], strict=True):
            verdict, note = SlotVerdict.RUN, seen.lateness(slot_at, now)
            if slot_at < runs_from_at:
                verdict, note = SlotVerdict.MISSED, seen.why_missed(slot_at)
            elif going and overlap == "skip":
                verdict, note = SlotVerdict.SKIPPED, f"run {going[0]} still goes on"
            elif going and overlap == "replace":
                commands.extend(
                    CancelRun(run, f"replaced:{due.name}:{slot_at}", "a newer slot replaces it") for run in going
                )
            start = self._start(definition, due, slot_at, seen) if verdict is SlotVerdict.RUN else None
            commands.append(MakeSlot(due.name, slot_at, next_at, verdict.value, start, note))
            if start is not None:
                going = [start.id] if overlap == "replace" else going or [start.id]
        return commands

    def _runs_from(self, due: DueSchedule, schedule: Schedule, found: DueSlots, now: int, policy: str) -> int:
        """Return from when on slots run; where a schedule is far behind that means a search, made once a minute."""
        if found.is_whole:
            self._behind.pop(due.name, None)
            return first_slot_to_run(schedule, found, now, policy)
        spec, known_policy, at, since = self._behind.get(due.name, (b"", "", 0, 0))
        if (spec, known_policy) == (due.spec, policy) and now - since < MISFIRE_AFTER_MS:
            return at
        at = first_slot_to_run(schedule, found, now, policy)
        self._behind[due.name] = (due.spec, policy, at, now)
        return at

    def _start(self, definition: Definition, due: DueSchedule, slot_at: int, seen: ScheduleContext) -> StartRun:
        """Return the start of a slot's run. Jitter puts off the run alone: the slot, its key and its id stay what they are."""
        put_off = compute_jitter(due.name, slot_at, definition.span("jitter"))
        start = build_start_command(
            definition,
            self._sealing.open(due.input or b""),
            run=derive_id("r", slot_at, due.name, str(slot_at)),
            now_at=self._clock.now(),
            trigger=f"schedule {due.name}",
            options=StartOptions(key=f"{due.name}@{slot_at}", due_at=slot_at + put_off if put_off else None),
            slot=SlotLink(due.name, slot_at),
            sealing=self._sealing,
        )
        overlap = definition.option("overlap")
        has_line = any(one.is_in_line for one in seen.unfinished)
        if start.partition is None and (overlap in ("queue", "replace") or (overlap == "skip" and has_line)):
            start = msgspec.structs.replace(start, partition=schedule_partition(due.name))
        return start
