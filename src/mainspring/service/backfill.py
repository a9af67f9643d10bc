"""Backfill: making the runs of slots of the past, each once, as acts that are on record.

A schedule makes nothing below its low-water slot by itself. What a backfill makes goes behind all other work (lowest priority), one after
the other unless runs may overlap, and no due slot waits for what has not begun.
"""

from datetime import timedelta
from typing import Final

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.duration import format_duration
from mainspring.domain.errors import ConflictError, NotFoundError, OptionError
from mainspring.domain.ids import make_id
from mainspring.domain.time.schedule import Schedule
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.engine.definitions.run_start import StartOptions, build_start_command
from mainspring.engine.worker.slot_planner import schedule_partition
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.service.reads import ServiceReads
from mainspring.service.runs.bulk import BulkDueTimes, apply_to_each
from mainspring.store.base import Store
from mainspring.store.commands.automations import BACKFILL, BackfillSlot
from mainspring.store.commands.runs import SlotLink
from mainspring.store.views import SchedulePlan

MOST: Final = 10_000
"""Slots of one backfill."""
_LOWEST_PRIORITY = -1_000
_ID_BITS = 80
_RUN = "run"


class PastSlot(msgspec.Struct, frozen=True):
    """A slot of the range. `verdict` = what is on record (run, missed, skipped; None = nothing); `is_to_come` = its schedule makes it."""

    schedule: str
    slot_at: int
    verdict: str | None
    run: str | None
    is_to_come: bool

    @property
    def wants_run(self) -> bool:
        """Whether a backfill makes a run of it."""
        return self.verdict != _RUN and not self.is_to_come

    @property
    def key(self) -> str:
        """What names it in lists, and its run's key."""
        return f"{self.schedule}@{self.slot_at}"


class BackfillAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a backfill did, or would do. `refused` = slot's key -> why."""

    slots: tuple[PastSlot, ...]
    dry_run: bool
    made: int = 0
    refused: dict[str, str] = {}


def list_past_slots(reads: ServiceReads, automation: str, first_at: int, end_at: int, now_at: int) -> list[PastSlot]:
    """Return the slots of an automation from `first_at` to before `end_at` (ms), oldest first, as its schedules stand now.

    Raises:
        NotFoundError: it has no schedule that could have slots.
        OptionError: the range is empty, not over, or holds more than MOST of them.
    """
    if first_at >= end_at or end_at > now_at:
        raise OptionError(
            "a backfill needs a range of the past", hint="Give --from and --to; --to must not be later than now."
        )
    found: list[PastSlot] = []
    for plan in _read_plans(reads, automation):
        slots = _find_schedule(plan).slots_between(first_at - 1, end_at - 1, MOST + 1)
        if len(found) + len(slots) > MOST:
            raise OptionError(f"there are more than {MOST:,} slots in this range", hint="Take a shorter one.")
        known = {one.slot_at: one for one in reads.slots_between(plan.name, first_at, end_at, 2 * MOST)}
        for at in slots:
            row = known.get(at)
            is_to_come = row is None and plan.next_slot_at is not None and at >= plan.next_slot_at
            found.append(PastSlot(plan.name, at, row.verdict if row else None, row.run if row else None, is_to_come))
    return sorted(found, key=lambda one: (one.slot_at, one.schedule))


def backfill(
    store: Store,
    reads: ServiceReads,
    clock: Clock,
    automation: str,
    slots: list[PastSlot],
    *,
    act: OperationContext,
    due: BulkDueTimes | None = None,
    sealing: Sealing = PLAIN_SEALING,
    dry_run: bool = False,
) -> BackfillAnswer:
    """Make the runs that are wanted: at once, or when each is `due`. Repeated under the same command id it makes no more.

    Raises:
        NotFoundError: the automation has no schedule.
        OptionError: the last would be due beyond all calendars.
        StoreError: the store failed; what was done is done, and repeating the act under the same command id does the rest.
    """
    lines = {plan.name: _read_schedule_defaults(plan, sealing) for plan in _read_plans(reads, automation)}
    wanted = {one.key: one for one in slots if one.wants_run and one.schedule in lines}
    places = {key: place for place, key in enumerate(wanted)}
    if due is not None:
        due.check(len(places))

    def make(key: str) -> None:
        slot = wanted[key]
        due_at = None if due is None else due.at(places[key])
        command = _build_command(lines[slot.schedule], slot, clock, act, sealing, due_at)
        detail = {"schedule": slot.schedule, "slot_at": slot.slot_at, "run": command.start.id}
        perform(store, act.part(key), "backfill", f"automation:{automation}", command, detail)

    answer = apply_to_each(list(wanted), make, dry_run=dry_run)
    return BackfillAnswer(slots=tuple(slots), dry_run=dry_run, made=answer.done, refused=answer.refused)


class _ScheduleDefaults(msgspec.Struct, frozen=True):
    """A schedule whose past is made up for: what its runs are and are given, read once for all of them."""

    schedule: str
    definition: Definition
    given: bytes | None


def _read_schedule_defaults(plan: SchedulePlan, sealing: Sealing) -> _ScheduleDefaults:
    definition = Definition.from_data(msgspec.json.decode(plan.definition))
    return _ScheduleDefaults(plan.name, definition, None if plan.input is None else sealing.open(plan.input))


def _build_command(
    line: _ScheduleDefaults, slot: PastSlot, clock: Clock, act: OperationContext, sealing: Sealing, due_at: int | None
) -> BackfillSlot:
    """Return the command that makes one run."""
    now = clock.now()
    if line.given is None:
        raise ConflictError(
            f"{line.schedule!r} was announced by an older version", hint="Let a worker of this version load it once."
        )
    start = build_start_command(
        line.definition,
        line.given,
        run=make_id("r", now, clock.random_bits(_ID_BITS)),
        now_at=now,
        trigger=f"{BACKFILL}{line.schedule} by {act.actor}",
        options=StartOptions(key=slot.key, key_policy="restart", due_at=due_at, priority=_LOWEST_PRIORITY),
        slot=SlotLink(line.schedule, slot.slot_at),
        sealing=sealing,
    )
    if start.partition is None and line.definition.option("overlap") != "allow":
        start = msgspec.structs.replace(start, partition=schedule_partition(line.schedule))
    late = format_duration(timedelta(seconds=(now - slot.slot_at) // 1000))
    return BackfillSlot(line.schedule, slot.slot_at, start, f"backfilled by {act.actor}, {late} late")


def _read_plans(reads: ServiceReads, automation: str) -> list[SchedulePlan]:
    plans = [plan for plan in reads.plans(automation) if not _is_expected_only(plan)]
    if not plans:
        raise NotFoundError(
            f"{automation!r} has no schedule, so it has no slots", hint=f"mainspring auto show {automation}"
        )
    return plans


def _is_expected_only(plan: SchedulePlan) -> bool:
    """Whether somebody else starts it (exec in a crontab)."""
    return bool(msgspec.json.decode(plan.spec).get("expected"))


def _find_schedule(plan: SchedulePlan) -> Schedule:
    return Schedule.from_data(msgspec.json.decode(plan.spec))
