"""Backfill: make the runs of past slots, each once, as audited operations.

A schedule itself makes nothing below its low-water slot. Runs of a backfill have the lowest priority and run one after the other unless
runs may overlap. No due slot waits for a run of a backfill that has not started.
"""

from datetime import timedelta
from typing import Final

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.schedule_options import apply_schedule_options
from mainspring.domain.definitions.start_options import StartOptions
from mainspring.domain.duration import format_duration
from mainspring.domain.errors import ConflictError, NotFoundError, OptionError
from mainspring.domain.ids import make_id
from mainspring.domain.time.schedule import Schedule
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.engine.definitions.run_start import build_start_command
from mainspring.engine.worker.slot_planner import schedule_partition
from mainspring.service.actor import OperationContext
from mainspring.service.perform import build_audited
from mainspring.service.reads import ServiceReads
from mainspring.service.runs.bulk import BulkDueTimes, commit_in_order
from mainspring.store.base import Store
from mainspring.store.commands.automations import BACKFILL, AuditedCommand, BackfillSlot
from mainspring.store.commands.runs import SlotLink
from mainspring.store.views import SchedulePlan

MOST: Final = 10_000
"""Most slots of one backfill."""
_LOWEST_PRIORITY = -1_000
_ID_BITS = 80
_RUN = "run"


class PastSlot(msgspec.Struct, frozen=True):
    """A slot of the range. `verdict` = its record (run, missed, skipped; None = none). `is_to_come` = its schedule will make the run.

    `is_repeated` = it gets a new run although it has one.
    """

    schedule: str
    slot_at: int
    verdict: str | None
    run: str | None
    is_to_come: bool
    is_repeated: bool = False

    @property
    def needs_run(self) -> bool:
        """Whether a backfill makes a run of it."""
        return (self.verdict != _RUN or self.is_repeated) and not self.is_to_come

    @property
    def key(self) -> str:
        """Its name in lists, and the key of its run."""
        return f"{self.schedule}@{self.slot_at}"


class BackfillAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a backfill or of its dry run. `refused` = key of the slot -> reason."""

    slots: tuple[PastSlot, ...]
    dry_run: bool
    made: int = 0
    refused: dict[str, str] = {}


def list_past_slots(
    reads: ServiceReads, automation: str, first_at: int, end_at: int, now_at: int, *, again: bool = False
) -> list[PastSlot]:
    """Return the slots of an automation from `first_at` to before `end_at` (ms), oldest first, by its present schedules. `again` = those
    with a run get a new one.

    Raises:
        NotFoundError: it has no schedule that could have slots.
        OptionError: the range is empty, not over, or holds more than MOST slots.
    """
    if first_at >= end_at or end_at > now_at:
        raise OptionError(
            "a backfill needs a range in the past", hint="Give --from and --to; --to must not be later than now."
        )
    found: list[PastSlot] = []
    for plan in _read_plans(reads, automation):
        slots = _find_schedule(plan).slots_between(first_at - 1, end_at - 1, MOST + 1)
        if len(found) + len(slots) > MOST:
            raise OptionError(f"there are more than {MOST:,} slots in this range", hint="Choose a shorter range.")
        known = {slot.slot_at: slot for slot in reads.slots_between(plan.name, first_at, end_at, 2 * MOST)}
        for slot_at in slots:
            row = known.get(slot_at)
            is_upcoming = row is None and plan.next_slot_at is not None and slot_at >= plan.next_slot_at
            verdict, run = (None, None) if row is None else (row.verdict, row.run)
            is_repeated = again and verdict == _RUN
            found.append(PastSlot(plan.name, slot_at, verdict, run, is_upcoming, is_repeated))
    return sorted(found, key=lambda slot: (slot.slot_at, slot.schedule))


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
    """Make the runs that are missing, the oldest first: at once, or when each is `due`. The same command id again makes no more.

    Raises:
        NotFoundError: the automation has no schedule.
        OptionError: the last run would be due beyond all calendars.
        StoreError: the store failed. Repeat the operation under the same command id to do the rest.
    """
    defaults = {plan.name: _read_schedule_defaults(plan, sealing) for plan in _read_plans(reads, automation)}
    missing = {slot.key: slot for slot in slots if slot.needs_run and slot.schedule in defaults}
    if due is not None:
        due.check(len(missing))
    if dry_run:
        return BackfillAnswer(slots=tuple(slots), dry_run=True)
    commands: dict[str, AuditedCommand[object]] = {}
    refused: dict[str, str] = {}
    for position, (key, slot) in enumerate(missing.items()):
        due_at = None if due is None else due.at(position)
        try:
            command = _build_command(defaults[slot.schedule], slot, clock, act, sealing, due_at)
        except ConflictError as error:
            refused[key] = error.message
            continue
        detail = {"schedule": slot.schedule, "slot_at": slot.slot_at, "run": command.start.id}
        commands[key] = build_audited(act.part(key), "backfill", f"automation:{automation}", command, detail)
    refused |= commit_in_order(store, commands)
    return BackfillAnswer(slots=tuple(slots), dry_run=False, made=len(missing) - len(refused), refused=refused)


class _ScheduleDefaults(msgspec.Struct, frozen=True):
    """The definition and input of the runs of a schedule, read once for all of them."""

    schedule: str
    definition: Definition
    given: bytes | None
    is_created: bool = False


def _read_schedule_defaults(plan: SchedulePlan, sealing: Sealing) -> _ScheduleDefaults:
    definition = Definition.from_data(msgspec.json.decode(plan.definition))
    if plan.options is not None:
        definition = apply_schedule_options(definition, msgspec.json.decode(plan.options))
    given = None if plan.input is None else sealing.open(plan.input)
    return _ScheduleDefaults(plan.name, definition, given, plan.options is not None)


def _build_command(
    defaults: _ScheduleDefaults,
    slot: PastSlot,
    clock: Clock,
    act: OperationContext,
    sealing: Sealing,
    due_at: int | None,
) -> BackfillSlot:
    """Return the command that makes one run."""
    now = clock.now()
    if defaults.given is None:
        raise ConflictError(
            f"{defaults.schedule!r} was announced by an older version",
            hint="Let a worker of this version load it once.",
        )
    start = build_start_command(
        defaults.definition,
        defaults.given,
        run=make_id("r", now, clock.random_bits(_ID_BITS)),
        now_at=now,
        trigger=f"{BACKFILL}{defaults.schedule} by {act.actor}",
        options=StartOptions(
            key=slot.key,
            key_policy="one_live" if slot.is_repeated else "restart",
            due_at=due_at,
            priority=_LOWEST_PRIORITY,
            item=defaults.schedule if defaults.is_created else None,
        ),
        slot=SlotLink(defaults.schedule, slot.slot_at),
        sealing=sealing,
    )
    if start.partition is None and defaults.definition.option("overlap") != "allow":
        start = msgspec.structs.replace(start, partition=schedule_partition(defaults.schedule))
    late = format_duration(timedelta(seconds=(now - slot.slot_at) // 1000))
    verb = "repeated" if slot.is_repeated else "backfilled"
    note = f"{verb} by {act.actor}, {late} late"
    return BackfillSlot(defaults.schedule, slot.slot_at, start, note, again=slot.is_repeated)


def _read_plans(reads: ServiceReads, automation: str) -> list[SchedulePlan]:
    plans = [plan for plan in reads.plans(automation) if not _is_expected_only(plan)]
    if not plans:
        raise NotFoundError(
            f"{automation!r} has no schedule, so it has no slots", hint=f"mainspring auto show {automation}"
        )
    return plans


def _is_expected_only(plan: SchedulePlan) -> bool:
    """Whether another program starts it (exec in a crontab)."""
    return bool(msgspec.json.decode(plan.spec).get("expected"))


def _find_schedule(plan: SchedulePlan) -> Schedule:
    return Schedule.from_data(msgspec.json.decode(plan.spec))
