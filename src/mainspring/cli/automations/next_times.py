"""`mainspring auto next`: the next due times, or all times of a range with --from and --to, with calendars, jitter and clock changes."""

from typing import TYPE_CHECKING, Any

import click

from mainspring.cli import params
from mainspring.cli.automations.automation_list import (
    KnownAutomation,
    find_automation,
    find_automations,
    modules_option,
    schedule_state,
    schedules_active_from,
)
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.insight.text import formatting
from mainspring.insight.text.typed_instants import parse_instant

if TYPE_CHECKING:
    from mainspring.domain.time.schedule import Schedule
    from mainspring.domain.time.schedule_preview import PreviewSlot
    from mainspring.insight.automations.due_times import NamedSchedule

_MAX_TIMES = 1_000


@command("next", "show the next due times, or those between two times")
@click.argument("name", type=params.AUTOMATION, required=False)
@click.option("--all", "everything", is_flag=True, help="list all automations")
@click.option(
    "-n", "count", type=click.IntRange(1, _MAX_TIMES), help="list N due times (default 5; at most 1000 of a range)"
)
@click.option(
    "--from", "first", metavar="TIME", help="list what would start from this time on: now, 2026-03-01, 7d (ago)"
)
@click.option("--to", "end", metavar="TIME", help="end of the range, not included: now (the default), 2026-04-01, +7d")
@modules_option
@pass_invocation
def next_command(
    invocation: Invocation,
    name: str | None,
    *,
    everything: bool,
    count: int | None,
    first: str | None,
    end: str | None,
    modules: tuple[str, ...],
) -> None:
    """Computed from the schedules, each in its own time zone. A range also lists the recorded slots, times on closed days, and days when
    the clocks change.
    """
    if (name is None) != everything:
        raise click.UsageError("name one automation, or add --all", ctx=click.get_current_context())
    if end is not None and first is None:
        raise click.UsageError("--to needs --from", ctx=click.get_current_context())
    known = find_automations(invocation, modules) if name is None else [find_automation(invocation, name, modules)]
    if first is None:
        _print_next(invocation, known, count or 5)
    else:
        _print_range(invocation, known, first, end, count or _MAX_TIMES)


def named_schedules(known: KnownAutomation) -> "list[NamedSchedule]":
    """Return the schedules of an automation with their stored names."""
    from mainspring.insight.automations.due_times import list_schedules

    return list_schedules(known.definition, known.created)


def _print_next(invocation: Invocation, known: list[KnownAutomation], count: int) -> None:
    from mainspring.domain.time.schedule import compute_jitter
    from mainspring.insight.automations.due_times import FAR_MS

    now = invocation.clock.now()
    rows: list[dict[str, Any]] = []
    for automation in known:
        start = schedules_active_from(automation, now)
        for named in named_schedules(automation) if start is not None else []:
            rows += [
                _make_row(automation, named.schedule, slot)
                | {"starts_at": slot + compute_jitter(named.name, slot, named.jitter)}
                for slot in named.schedule.slots_between(start or 0, (start or 0) + FAR_MS, limit=count)
            ]
    rows = sorted(rows, key=lambda row: int(row["slot_at"]))[:count]
    columns = [
        *(
            [TableColumn("AUTOMATION", lambda row: formatting.escape_line(row["name"]), cut=True)]
            if len(known) != 1
            else []
        ),
        TableColumn("DUE", lambda row: row["local"]),
        TableColumn("IN", lambda row: formatting.format_distance(row["slot_at"], now)),
        TableColumn("SCHEDULE", lambda row: formatting.escape_line(row["schedule"] or "-"), cut=True, most=40),
    ]
    invocation.output.rows(rows, columns, empty=_explain_no_time(known, now))


def _explain_no_time(known: list[KnownAutomation], now: int) -> str:
    """Return why nothing is due."""
    if len(known) != 1:
        return "No automation has a schedule that starts runs."
    (entry,) = known
    if not named_schedules(entry):
        return f"{entry.name} has no schedule. Start it: mainspring run {entry.name}"
    if schedules_active_from(entry, now) is None:
        return (
            f"{entry.name} is {schedule_state(entry, now)}: its schedule starts nothing. See: mainspring auto "
            f"show {entry.name}"
        )
    return f"{entry.name} has no due time any more."


def _make_row(known: KnownAutomation, schedule: "Schedule", at: int) -> dict[str, Any]:
    return {
        "name": known.name,
        "slot_at": at,
        "local": schedule.local(at).strftime("%Y-%m-%d %H:%M:%S %Z"),
        "schedule": schedule.describe(),
    }


def _print_range(invocation: Invocation, known: list[KnownAutomation], first: str, end: str | None, count: int) -> None:
    from mainspring.domain.time.schedule_preview import preview_schedule

    now = invocation.clock.now()
    first_at, end_at = _read_instant(invocation, first, now), _read_instant(invocation, end or "now", now)
    rows: list[dict[str, Any]] = []
    for automation in known:
        for named in named_schedules(automation):
            record = _read_slot_records(invocation, named.name, first_at, end_at)
            preview = preview_schedule(named.schedule, named.name, first_at, end_at, jitter=named.jitter, limit=count)
            rows += [_make_simulated_row(automation, named.schedule, slot, record.get(slot.due_at)) for slot in preview]
    rows = sorted(rows, key=lambda row: int(row["due_at"]))[:count]
    columns = [
        *([TableColumn("AUTOMATION", lambda row: formatting.escape_line(row["name"]))] if len(known) != 1 else []),
        TableColumn("DUE", lambda row: row["local"]),
        TableColumn("STARTS", lambda row: row["starts"]),
        TableColumn("DAY", lambda row: row["day"], lambda row: "yellow" if row["day"] else None, cut=True),
        TableColumn("RECORD", lambda row: formatting.escape_line(row["record"] or "-"), cut=True, most=60),
    ]
    invocation.output.rows(rows, columns, empty="No run would start between these times.")


def _read_instant(invocation: Invocation, text: str, now: int) -> int:
    """Return the instant for "now", a span back ("7d") or ahead ("+7d"), or a date and time."""
    if text == "now":
        return now
    return parse_instant(text.removeprefix("+"), now, invocation.zone, back=not text.startswith("+"))


def _read_slot_records(invocation: Invocation, name: str, first_at: int, end_at: int) -> dict[int, str]:
    """Return the records of a schedule's slots."""
    from mainspring.store.read.status.status import slots_between

    records = invocation.rows_if_made(lambda reader: slots_between(reader, name, first_at, end_at, 10 * _MAX_TIMES))
    return {record.slot_at: record.run or f"{record.verdict}: {record.note}" for record in records}


def _make_simulated_row(
    known: KnownAutomation, schedule: "Schedule", slot: "PreviewSlot", record: str | None
) -> dict[str, Any]:
    if slot.slot_at is None:
        starts = f"moves to {slot.moved_to}" if slot.moved_to else "closed"
    else:
        shift = schedule.local(slot.starts_at or 0)
        starts = "on time" if slot.starts_at == slot.slot_at else f"{shift:%H:%M:%S}"
    return _make_row(known, schedule, slot.due_at) | {
        "slot_at": slot.slot_at,
        "due_at": slot.due_at,
        "starts_at": slot.starts_at,
        "starts": starts,
        "day": slot.change.value,
        "record": record,
    }
