"""Operations on schedules that a person or program creates: create, change, pause, resume, delete. Each is a new version.

Invariant: what can be checked is checked before the operation, so that the error names the option. The store checks it again in the commit.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.definitions.schedule_options import (
    check_schedule_name,
    make_schedule,
    merge_options,
    read_schedule_options,
    resolve_policies,
)
from mainspring.domain.errors import NotFoundError, OptionError, UnknownNameError
from mainspring.domain.time.calendar import Calendar
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.domain.values.stored_file import refuse_files
from mainspring.engine.definitions.calendars import CalendarFactories, find_calendar, use_calendars
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.service.runs.run_start import encode_arguments, find_startable_definition
from mainspring.store.base import Store, StoreReader
from mainspring.store.commands.results import ScheduleChanged
from mainspring.store.commands.schedules import (
    ChangeSchedule,
    CreateSchedule,
    DeleteSchedule,
    PauseSchedule,
    ResumeSchedule,
)
from mainspring.store.read.schedules import find_created_schedule, list_created_schedules
from mainspring.store.schema.triggers.schedules import CreatedSchedule

LARGEST_INPUT: Final = 256 * 1024
"""Bytes of the JSON of a schedule's input."""


class SchedulingContext(msgspec.Struct, frozen=True):
    """The parts of a project that operations on schedules need. `zone` = the time zone of a schedule that states none."""

    store: Store
    reader: StoreReader
    sealing: Sealing = PLAIN_SEALING
    calendars: CalendarFactories = {}
    zone: str = "UTC"


def create_schedule(
    context: SchedulingContext,
    name: str,
    automation: str,
    options: Mapping[str, object],
    arguments: Mapping[str, object],
    *,
    act: OperationContext,
) -> ScheduleChanged:
    """Create a schedule that starts runs of an automation with these arguments, from now on. `options` as they were stated.

    Raises:
        OptionError: the name or an option cannot be used.
        NotFoundError: no worker has announced the automation; names the nearest.
        UnknownNameError: there is no such option; names the nearest.
        ArgumentError, ValueRefusedError: the arguments do not match the parameters of the automation.
        AlreadyExistsError: the name is taken, in code or by another schedule.
        ConflictError: the automation is retired, or only its own caller starts it.
    """
    definition = _find_definition(context.reader, check_schedule_name(name), automation)
    stated = read_schedule_options(options, name)
    merged = merge_options({}, stated, context.zone)
    calendar = _find_calendar(context, merged, name)
    _check(name, merged, calendar, definition)
    input = _seal_input(context, definition, arguments)
    command = CreateSchedule(name, automation, stated, calendar, input, context.zone)
    detail = {"automation": automation, "options": stated}
    return perform(context.store, act, "create", f"schedule:{name}", command, detail)


def change_schedule(
    context: SchedulingContext,
    name: str,
    options: Mapping[str, object],
    arguments: Mapping[str, object] | None,
    *,
    act: OperationContext,
    expected: int | None = None,
) -> ScheduleChanged:
    """Change the stated options of a schedule; None clears one. `arguments` None = as they were. `expected` = the version that was read.

    Raises:
        NotFoundError: there is no such schedule, or it is declared in code.
        ConflictError: it has another version than `expected`.
        OptionError, UnknownNameError, ArgumentError, ValueRefusedError: as `create_schedule`; or nothing is stated.
    """
    known = require_created_schedule(context.reader, name)
    stated = read_schedule_options(options, name)
    if not stated and arguments is None:
        raise OptionError(
            f"schedule {name!r}: there is nothing to change", hint='State an option, for example cron="0 4 * * *".'
        )
    definition = _find_definition(context.reader, name, known.automation)
    merged = merge_options(known.options, stated, context.zone)
    calendar = _find_calendar(context, merged, name)
    _check(name, merged, calendar, definition)
    input = None if arguments is None else _seal_input(context, definition, arguments)
    command = ChangeSchedule(name, stated, calendar, input, context.zone, expected)
    return perform(context.store, act, "change", f"schedule:{name}", command, {"options": stated, "expected": expected})


def pause_schedule(
    context: SchedulingContext, name: str, *, act: OperationContext, expected: int | None = None
) -> ScheduleChanged:
    """Make no slots of a schedule until it is resumed. Runs that exist continue.

    Raises:
        NotFoundError: there is no such schedule.
        ConflictError: it is declared in code, or has another version than `expected`.
    """
    command = PauseSchedule(name, str(act.actor), act.reason, expected)
    return perform(context.store, act, "pause", f"schedule:{name}", command, {"expected": expected})


def resume_schedule(
    context: SchedulingContext, name: str, *, act: OperationContext, expected: int | None = None
) -> ScheduleChanged:
    """End the pause of a schedule: `misfire` decides on the slots that were due.

    Raises:
        NotFoundError: there is no such schedule.
        ConflictError: it is not paused, is declared in code, or has another version than `expected`.
    """
    command = ResumeSchedule(name, expected)
    return perform(context.store, act, "resume", f"schedule:{name}", command, {"expected": expected})


def delete_schedule(
    context: SchedulingContext, name: str, *, act: OperationContext, expected: int | None = None
) -> ScheduleChanged:
    """Delete a schedule: it makes no more slots, and is not watched. Runs that exist continue, and its history stays.

    Raises:
        NotFoundError: there is no such schedule.
        ConflictError: it is declared in code, or has another version than `expected`.
    """
    return perform(
        context.store, act, "delete", f"schedule:{name}", DeleteSchedule(name, expected), {"expected": expected}
    )


def require_created_schedule(reader: StoreReader, name: str) -> CreatedSchedule:
    """Return a created schedule. Raises NotFoundError with the nearest name."""
    schedule = find_created_schedule(reader, name)
    if schedule is None:
        known = [other.name for other in list_created_schedules(reader)]
        nearest = UnknownNameError("schedule", name, known).nearest
        hint = f"Did you mean {nearest!r}?" if nearest else "`mainspring schedules list` lists schedules."
        raise NotFoundError(f"there is no schedule {name!r} that a person or program created", hint=hint)
    return schedule


def _seal_input(context: SchedulingContext, definition: Definition, arguments: Mapping[str, object]) -> bytes:
    """Return the input of all runs of a schedule, inline: a schedule refers to no blob."""
    limit = min(context.sealing.limit, LARGEST_INPUT)
    data = encode_arguments(definition, arguments, limit)
    return context.sealing.seal_inline(refuse_files(data, f"the input of schedules of {definition.name}"))


def _find_definition(reader: StoreReader, name: str, automation: str) -> Definition:
    try:
        return find_startable_definition(reader, automation)
    except UnknownNameError as error:
        message = f"schedule {name!r}: {error.message}"
        raise NotFoundError(message, hint=error.hint or "Start a worker that has it: mainspring up") from None


def _find_calendar(context: SchedulingContext, options: Mapping[str, object], name: str) -> Calendar | None:
    try:
        with use_calendars(context.calendars):
            stated = options.get("calendar")
            return None if stated is None else find_calendar(str(stated))
    except UnknownNameError as error:
        raise OptionError(f"schedule {name!r}: {error.message}", hint=error.hint) from None


def _check(name: str, options: Mapping[str, object], calendar: Calendar | None, definition: Definition) -> None:
    """Refuse options that make no schedule, also together with the jitter of the automation."""
    policies = resolve_policies(options, definition.options)
    make_schedule(name, {**options, "jitter": policies["jitter"]}, calendar)
