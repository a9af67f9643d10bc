"""The slot planner: computes the commands for due schedules, in a thread, so that the event loop only submits them.

Invariants: it loads no user code; each slot is computed once a pass; one schedule that cannot be served does not block another.
"""

from collections.abc import Container
from datetime import timedelta

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.schedule_options import apply_schedule_options
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.duration import format_duration
from mainspring.domain.ids import derive_id
from mainspring.domain.time.misfire import MISFIRE_AFTER_MS, DueSlots, find_due_slots, first_slot_to_run
from mainspring.domain.time.schedule import Schedule, compute_jitter
from mainspring.domain.time.slot_verdict import SlotVerdict
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.definitions.run_start import build_start_command
from mainspring.store.base import DueSchedule, EngineReads, PauseRecord, UnfinishedRun
from mainspring.store.commands.automations import MakeSlot
from mainspring.store.commands.runs import CancelRun, SlotLink, StartRun

MAX_SLOTS_PER_PASS = 100
"""Most slots of one schedule that are made or recorded in one pass; the rest follows in the next."""


class SlotPlan(msgspec.Struct, frozen=True):
    """The commands for one due schedule, or the reason why there are none ("" = it is not served here)."""

    schedule: str
    commands: list[MakeSlot] = []
    reason: str | None = None


class ScheduleContext(msgspec.Struct, frozen=True):
    """The context of a due schedule: runs that have not ended, and pauses since its slot."""

    unfinished: list[UnfinishedRun]
    pauses: list[PauseRecord]

    def describe_miss(self, slot_at: int) -> str:
        """Return the note of a slot that was missed and is not made up for."""
        pause = next((pause for pause in self.pauses if pause.covers(slot_at)), None)
        if pause is None:
            return "no scheduler was running when it was due"
        return f"paused by {pause.by}{f': {pause.reason}' if pause.reason else ''}"

    def describe_lateness(self, slot_at: int, now: int) -> str | None:
        """Return the note of a slot that runs although it was missed; None if it is on time."""
        if now - slot_at <= MISFIRE_AFTER_MS:
            return None
        return (
            f"caught up {format_duration(timedelta(seconds=(now - slot_at) // 1000))} late: "
            f"{self.describe_miss(slot_at)}"
        )


def schedule_partition(schedule: str) -> str:
    """Return the partition in which runs of one schedule run one after the other."""
    return f"schedule:{schedule}"


class SlotPlanner:
    """Plans slots; used by one thread at a time. `only` = the automations to serve; None = those of the whole store."""

    def __init__(self, reads: EngineReads, clock: Clock, sealing: Sealing, only: Container[str] | None) -> None:
        self._reads = reads
        self._clock = clock
        self._sealing = sealing
        self._only = only
        self._behind: dict[str, tuple[bytes, str, int, int]] = {}
        """Schedules with more due slots than fit in one pass: spec, policy, first instant whose slot runs, and when that was computed."""

    def make(self, now: int, limit: int) -> list[SlotPlan]:
        """Return a plan for each due schedule, at most `limit`, earliest first."""
        due = self._reads.due_schedules(now, limit)
        if self._behind:
            names = {schedule.name for schedule in due}
            self._behind = {name: known for name, known in self._behind.items() if name in names}
        return [self._plan(schedule, now) for schedule in due]

    def _plan(self, due: DueSchedule, now: int) -> SlotPlan:
        if self._only is not None and due.automation not in self._only:
            return SlotPlan(due.name, reason="")
        if due.definition is None or due.input is None:
            reason = "an older version announced it; a worker of this version must load its automation once"
            return SlotPlan(due.name, reason=reason)
        try:
            return SlotPlan(due.name, self._commands(due, self._read_context(due, now), now))
        except Exception as error:  # noqa: BLE001  one schedule must not stop the others
            return SlotPlan(due.name, reason=f"{type(error).__name__}: {error}")

    def _read_context(self, due: DueSchedule, now: int) -> ScheduleContext:
        """Return the context. `overlap` of a created schedule is about its own runs: one automation may have many of them."""
        is_late = now - due.slot_at > MISFIRE_AFTER_MS
        pauses = self._reads.pauses(due.automation, due.slot_at) if is_late else []
        if due.options is None:
            return ScheduleContext(self._reads.unfinished(due.automation), pauses)
        if is_late:
            pauses = [*pauses, *self._reads.schedule_pauses(due.name, due.slot_at)]
        return ScheduleContext(self._reads.unfinished_of_schedule(due.automation, due.name), pauses)

    def _commands(self, due: DueSchedule, context: ScheduleContext, now: int) -> list[MakeSlot]:
        definition = _read_definition(due)
        schedule = Schedule.from_data(msgspec.json.decode(due.spec))
        found = find_due_slots(schedule, due.slot_at, now, MAX_SLOTS_PER_PASS)
        runs_from_at = self._first_run_at(due, schedule, found, now, definition.option("misfire"))
        overlap = definition.option("overlap")
        running = [run.run for run in context.unfinished if not run.is_in_line]
        commands: list[MakeSlot] = []
        for slot_at, next_at in zip(found.slots, [*found.slots[1:], found.following], strict=True):
            verdict, note = SlotVerdict.RUN, context.describe_lateness(slot_at, now)
            cancels: tuple[CancelRun, ...] = ()
            if slot_at < runs_from_at:
                verdict, note = SlotVerdict.MISSED, context.describe_miss(slot_at)
            elif running and overlap == "skip":
                verdict, note = SlotVerdict.SKIPPED, f"run {running[0]} has not ended"
            elif running and overlap == "replace":
                command = f"replaced:{due.name}:{slot_at}"
                cancels = tuple(CancelRun(run, command, "a newer slot replaces it") for run in running)
            start = self._start(definition, due, slot_at, context) if verdict is SlotVerdict.RUN else None
            commands.append(MakeSlot(due.name, slot_at, next_at, verdict.value, start, note, due.version, cancels))
            if start is not None:
                running = [start.id] if overlap == "replace" else running or [start.id]
        return commands

    def _first_run_at(self, due: DueSchedule, schedule: Schedule, found: DueSlots, now: int, policy: str) -> int:
        """Return the first instant whose slot runs. For a schedule that is far behind this is a search, made once a minute."""
        if found.is_whole:
            self._behind.pop(due.name, None)
            return first_slot_to_run(schedule, found, now, policy)
        spec, known_policy, at, since = self._behind.get(due.name, (b"", "", 0, 0))
        if (spec, known_policy) == (due.spec, policy) and now - since < MISFIRE_AFTER_MS:
            return at
        at = first_slot_to_run(schedule, found, now, policy)
        self._behind[due.name] = (due.spec, policy, at, now)
        return at

    def _start(self, definition: Definition, due: DueSchedule, slot_at: int, context: ScheduleContext) -> StartRun:
        """Return the start of a slot's run. Jitter delays only the run: the slot, its key and its id do not change."""
        jitter_ms = compute_jitter(due.name, slot_at, definition.span("jitter"))
        start = build_start_command(
            definition,
            self._sealing.open(due.input or b""),
            run=derive_id("r", slot_at, due.name, str(slot_at)),
            now_at=self._clock.now(),
            trigger=f"schedule {due.name}",
            options=StartOptions(
                key=f"{due.name}@{slot_at}",
                due_at=slot_at + jitter_ms if jitter_ms else None,
                item=None if due.options is None else due.name,
            ),
            slot=SlotLink(due.name, slot_at),
            sealing=self._sealing,
        )
        overlap = definition.option("overlap")
        has_queued_run = any(run.is_in_line for run in context.unfinished)
        if start.partition is None and (overlap in ("queue", "replace") or (overlap == "skip" and has_queued_run)):
            start = msgspec.structs.replace(start, partition=schedule_partition(due.name))
        return start


def _read_definition(due: DueSchedule) -> Definition:
    """Return the definition for the runs of a schedule: a created one has options of its own."""
    definition = Definition.from_data(msgspec.json.decode(due.definition or b""))
    return definition if due.options is None else apply_schedule_options(definition, msgspec.json.decode(due.options))
