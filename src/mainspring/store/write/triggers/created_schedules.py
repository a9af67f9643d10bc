"""Created schedules: each operation is a new version. A slot that was planned for an earlier version is refused and planned again.

Invariants: a new schedule has no slot at or before its creation. After a change, slots that were due before it are those of the earlier
form, and later ones those of the new form: none is lost, and none made twice.
"""

import json

import msgspec

from mainspring.domain.definitions.schedule_options import describe_options, make_schedule, merge_options
from mainspring.domain.errors import MainspringError
from mainspring.domain.time.schedule import Schedule
from mainspring.store.commands.results import Refused, ScheduleChanged
from mainspring.store.commands.schedules import (
    ChangeSchedule,
    CreateSchedule,
    DeleteSchedule,
    PauseSchedule,
    ResumeSchedule,
)
from mainspring.store.schema.triggers.schedules import (
    CREATED_SCHEDULE,
    NEW_CREATED_SCHEDULE,
    CreatedSchedule,
    NewCreatedSchedule,
    decode_schedule,
)
from mainspring.store.transaction import Transaction

_MOST_UNSERVED = 10
"""Most changes of a schedule whose earlier slots no scheduler has served yet."""


def create_schedule(tx: Transaction, command: CreateSchedule) -> ScheduleChanged | Refused:
    """Create a schedule, also in place of a deleted one."""
    c = command
    tx.hold("schedule", c.name)
    deleted = _find(tx, c.name)
    if deleted is not None and deleted.deleted_at is None:
        return Refused("taken", f"there is a schedule {c.name!r} already")
    has_declared = deleted is None and tx.first("read_schedule", (c.name,)) is not None
    if has_declared or tx.first("has_automation", (c.name,)) is not None:
        return Refused("taken", f"{c.name!r} is the name of an automation: the schedule in its code has that name")
    refused = _check_automation(tx, c.name, c.automation)
    if refused is not None:
        return refused
    try:
        options = merge_options({}, c.options, c.zone)
        schedule = make_schedule(c.name, options, c.calendar)
    except MainspringError as error:
        return Refused("wrong_schedule", error.message)
    next_slot_at = schedule.next_after(tx.now)
    if next_slot_at is None:
        return Refused("wrong_schedule", f"schedule {c.name!r} never comes: {schedule.describe()}")
    row = NewCreatedSchedule(
        *(c.name, c.automation, _encode(schedule), tx.now, c.input, tx.now, next_slot_at),
        *(json.dumps(options), 1 if deleted is None else deleted.version + 1, tx.now),
    )
    tx.change("write_created_schedule", NEW_CREATED_SCHEDULE.values(row))
    tx.triggers = True
    return ScheduleChanged(c.name, row.version, describe_options(schedule, options), None, next_slot_at)


def change_schedule(tx: Transaction, command: ChangeSchedule) -> ScheduleChanged | Refused:
    """Change a schedule from now on."""
    c = command
    before = _require(tx, c.name, c.expected)
    if isinstance(before, Refused):
        return before
    refused = _check_automation(tx, c.name, before.automation)
    if refused is not None:
        return refused
    old = decode_schedule(before.spec)
    try:
        options = merge_options(before.options, c.options, c.zone)
        calendars = {calendar.name: calendar for calendar in (old.calendar, c.calendar) if calendar is not None}
        named = options.get("calendar")
        if named is not None and named not in calendars:  # another change, which the sender did not read, named it
            return Refused("version_conflict", f"schedule {c.name!r} has got calendar {named!r} since it was read")
        schedule = make_schedule(c.name, options, None if named is None else calendars[named])
    except MainspringError as error:
        return Refused("wrong_schedule", error.message)
    values = _plan_change(tx, before, old, schedule)
    if isinstance(values, Refused):
        return values
    sealed = before.input if c.input is None else c.input
    tx.change("change_created_schedule", {**values, "name": c.name, "input": sealed, "options": json.dumps(options)})
    tx.triggers = True
    return ScheduleChanged(
        *(c.name, before.version + 1, describe_options(schedule, options), describe_options(old, before.options)),
        *(_read_next_slot(tx, c.name), c.input is not None and c.input != before.input),
    )


def _plan_change(
    tx: Transaction, before: CreatedSchedule, old: Schedule, new: Schedule
) -> dict[str, bytes | int | None] | Refused:
    """Return the columns that the new form changes: slots that are due now stay those of the earlier form."""
    due_at = before.next_slot_at
    unchanged = {"spec_at": tx.now, "low_water_at": before.low_water_at, "next_slot_at": due_at}
    if msgspec.structs.replace(new, earlier=old.earlier, from_at=old.from_at) == old:
        return {**unchanged, "spec": before.spec}
    next_slot_at = new.next_after(tx.now)
    if next_slot_at is None:
        return Refused("wrong_schedule", f"schedule {before.name!r} never comes: {new.describe()}")
    if due_at is not None and due_at <= tx.now:
        new = new.replacing(old, due_at, tx.now)
        if new.depth > _MOST_UNSERVED:
            text = f"schedule {before.name!r} was changed {_MOST_UNSERVED} times since a scheduler served its slot"
            return Refused("unserved_changes", text)
        return {**unchanged, "spec": _encode(new)}
    return {**unchanged, "spec": _encode(new), "low_water_at": tx.now, "next_slot_at": next_slot_at}


def pause_schedule(tx: Transaction, command: PauseSchedule) -> ScheduleChanged | Refused:
    """Pause a schedule. A repeated pause replaces the reason."""
    before = _require(tx, command.name, command.expected)
    if isinstance(before, Refused):
        return before
    paused_at = before.paused_at or tx.now
    tx.change("pause_schedule", (paused_at, command.name))
    tx.change("insert_schedule_pause", (command.name, paused_at, command.by, command.reason))
    tx.triggers = True
    return _answer(tx, before)


def resume_schedule(tx: Transaction, command: ResumeSchedule) -> ScheduleChanged | Refused:
    """End a pause."""
    before = _require(tx, command.name, command.expected)
    if isinstance(before, Refused):
        return before
    if before.paused_at is None:
        return Refused("not_paused", f"schedule {command.name!r} is not paused")
    tx.change("resume_schedule", (command.name,))
    tx.change("end_schedule_pauses", (tx.now, command.name))
    tx.triggers = True
    return _answer(tx, before)


def delete_schedule(tx: Transaction, command: DeleteSchedule) -> ScheduleChanged | Refused:
    """Delete a schedule; its slots and its number of versions stay on record."""
    before = _require(tx, command.name, command.expected)
    if isinstance(before, Refused):
        return before
    tx.change("delete_schedule", (tx.now, command.name))
    tx.change("end_schedule_pauses", (tx.now, command.name))
    tx.triggers = True
    return _answer(tx, before)


def _find(tx: Transaction, name: str) -> CreatedSchedule | None:
    return CREATED_SCHEDULE.read_first(tx.all("find_created_schedule", (name,)))


def _require(tx: Transaction, name: str, expected: int | None) -> CreatedSchedule | Refused:
    """Return a schedule that is not deleted, locked for this commit."""
    tx.hold("schedule", name)
    schedule = _find(tx, name)
    if schedule is None and (automation := tx.value("find_automation_of_schedule", (name,), str)) is not None:
        return Refused("declared", f"schedule {name!r} is declared in the code of automation {automation!r}")
    if schedule is None or schedule.deleted_at is not None:
        return Refused("no_schedule", f"there is no schedule {name!r}")
    if expected is not None and expected != schedule.version:
        text = f"schedule {name!r} has version {schedule.version} (expected {expected}): another operation was faster"
        return Refused("version_conflict", text)
    return schedule


def _check_automation(tx: Transaction, name: str, automation: str) -> Refused | None:
    known = tx.first("read_exec_automation", (automation,))
    if known is None:
        return Refused(
            "no_automation", f"schedule {name!r} names automation {automation!r}, which no worker has announced"
        )
    _, _, retired_at = known
    if retired_at is not None:
        return Refused("retired", f"schedule {name!r} names automation {automation!r}, which is retired")
    return None


def _answer(tx: Transaction, before: CreatedSchedule) -> ScheduleChanged:
    """Return the answer to an operation that leaves the options as they are."""
    text = describe_options(decode_schedule(before.spec), before.options)
    return ScheduleChanged(before.name, before.version + 1, text, text, _read_next_slot(tx, before.name))


def _read_next_slot(tx: Transaction, name: str) -> int | None:
    return tx.value("find_slot_ahead", (name,), int)


def _encode(schedule: Schedule) -> bytes:
    return msgspec.json.encode(schedule.to_data(), order="deterministic")
