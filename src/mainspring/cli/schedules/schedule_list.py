"""The list of schedules, one schedule, and the history of one: `mainspring schedules list|show|history`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
import msgspec

from mainspring.cli import params, short_lists
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.domain.derived_states import ScheduleState
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.insight.automations.schedule_list import ScheduleDetail, ScheduleHistoryEntry, ScheduleLine
    from mainspring.store.base import StoreReader


def _read_names(reader: "StoreReader") -> list[str]:
    from mainspring.store.read.schedules import list_created_schedules

    return [schedule.name for schedule in list_created_schedules(reader)]


SCHEDULE = params.StoredNameType(_read_names, "schedule")
STATE_COLOURS = {
    ScheduleState.ACTIVE: "green",
    ScheduleState.PAUSED: "yellow",
    ScheduleState.AUTOMATION_PAUSED: "yellow",
    ScheduleState.RETIRED: "white",
    ScheduleState.ENDED: "white",
}
_MOST_CHANGES = 5
_LONGEST_INPUT = 500


@command("list", "list schedules: those in code and those created here")
@short_lists.add_list_options(*(state.value for state in STATE_COLOURS), default_limit=100)
@pass_invocation
def list_command(
    invocation: Invocation, states: tuple[str, ...], name: str | None, since: str | None, limit: int
) -> None:
    """--since compares the last slot. ORIGIN is code, or created: by a command, a program or the API."""
    from mainspring.insight.automations.schedule_list import list_schedule_lines

    now = invocation.clock.now()
    lines = short_lists.filter_rows(
        invocation,
        invocation.rows_if_made(lambda reader: list_schedule_lines(reader, now)),
        name_of=lambda line: line.name,
        state=lambda line: line.state,
        at=lambda line: line.last_slot_at,
        states=states,
        name=name,
        since=since,
        limit=limit,
    )
    columns = [
        TableColumn("SCHEDULE", lambda line: formatting.escape_line(line.name), cut=True),
        TableColumn("AUTOMATION", lambda line: formatting.escape_line(line.automation), cut=True),
        TableColumn("ORIGIN", lambda line: line.origin),
        TableColumn("STATE", lambda line: line.state.replace("_", " "), lambda line: STATE_COLOURS[line.state]),
        TableColumn("WHEN", lambda line: formatting.escape_line(line.text), cut=True, most=60),
        TableColumn("NEXT", lambda line: _format_distance(line.next_slot_at, now)),
        TableColumn("LAST", lambda line: _format_distance(line.last_slot_at, now), spare=True),
        TableColumn("VERSION", lambda line: str(line.version or "-"), spare=True),
    ]
    empty = "There is no schedule. Create one: mainspring schedules create NAME AUTOMATION --cron '0 3 * * *'"
    invocation.output.rows(lines, columns, empty=empty)


@command("show", "show a schedule and its last changes")
@click.argument("name", type=SCHEDULE)
@pass_invocation
def show(invocation: Invocation, name: str) -> None:
    """All changes: mainspring schedules history NAME."""
    from mainspring.insight.automations.schedule_list import read_schedule_history

    detail = _read_detail(invocation, name)
    changes = read_schedule_history(invocation.reader, name, limit=_MOST_CHANGES).entries
    input = invocation.unseal(lambda unsealer: unsealer.value(detail.input))
    document = {
        **msgspec.structs.asdict(detail.line),
        **{field: getattr(detail, field) for field in ("created_at", "paused_at", "paused_by", "pause_reason")},
        "input": None if input is None else msgspec.Raw(input),
        "changes": changes,
    }
    invocation.output.document(document, lambda: _print(invocation, detail, input, changes))


@command("history", "list the changes of a schedule: who, when, what and why, newest first")
@click.argument("name", type=SCHEDULE)
@params.since_option
@params.limit_option
@pass_invocation
def history(invocation: Invocation, name: str, since: str | None, limit: int) -> None:
    """Also of a schedule that was deleted. The changes are rows of the audit log with the subject schedule:NAME."""
    from mainspring.insight.automations.schedule_list import read_schedule_history

    since_at = params.read_instant(invocation, since)
    page = read_schedule_history(invocation.reader, name, limit=limit, since_at=since_at)
    if not page.entries and since_at is None:
        _read_detail(invocation, name)
    now = invocation.clock.now()
    columns = [
        TableColumn("WHEN", lambda entry: formatting.format_distance(entry.at, now)),
        TableColumn("ACTOR", lambda entry: formatting.escape_line(entry.actor), cut=True, most=24),
        TableColumn("OPERATION", lambda entry: entry.verb),
        TableColumn("VERSION", lambda entry: str(entry.version or "-")),
        TableColumn("CHANGE", describe_entry, cut=True, most=100),
        TableColumn("REASON", lambda entry: formatting.escape_line(entry.reason or "-"), cut=True, spare=True, most=60),
    ]
    invocation.output.rows(page.entries, columns, empty="No change is on record.")
    if page.cursor is not None:
        invocation.output.hint(f"There are more than these {limit}: --limit {10 * limit}")


def describe_entry(entry: "ScheduleHistoryEntry") -> str:
    """Return what an operation changed, in a line: the text before and after it."""
    if entry.refused is not None:
        return f"refused: {formatting.escape_line(entry.refused)}"
    parts = [] if entry.before == entry.after else [text for text in (entry.before, entry.after) if text is not None]
    texts = [formatting.escape_line(" -> ".join(parts))] if parts else []
    return "; ".join([*texts, *(["another input"] if entry.is_input_changed else [])]) or "-"


def _read_detail(invocation: Invocation, name: str) -> "ScheduleDetail":
    """Return all facts of a schedule. Raises UnknownNameError with the nearest name."""
    from mainspring.domain.errors import UnknownNameError
    from mainspring.insight.automations.schedule_list import list_schedule_lines, read_schedule_detail
    from mainspring.store.read.schedules import find_automation_of_schedule

    now, reader = invocation.clock.now(), invocation.reader
    automation = find_automation_of_schedule(reader, name)
    detail = None if automation is None else read_schedule_detail(reader, name, automation, now)
    if detail is None:
        raise UnknownNameError("schedule", name, [line.name for line in list_schedule_lines(reader, now)])
    return detail


def _print(
    invocation: Invocation, detail: "ScheduleDetail", input: bytes | None, changes: "list[ScheduleHistoryEntry]"
) -> None:
    output, line, now = invocation.output, detail.line, invocation.clock.now()
    state = output.paint(line.state.replace("_", " "), STATE_COLOURS[line.state], bold=True)
    output.line(f"{output.paint(formatting.escape_line(line.name), None, bold=True)}  {state}")
    for label, value in _format_fields(invocation, detail, line, input):
        output.line(f"  {label:<10} {value}")
    if changes:
        output.line("Last changes:")
    for entry in changes:
        reason = f" ({formatting.escape_line(entry.reason)})" if entry.reason else ""
        when, who = formatting.format_distance(entry.at, now), formatting.escape_line(entry.actor)
        output.line(f"  {when} by {who}: {entry.verb}: {describe_entry(entry)}{reason}")


def _format_fields(
    invocation: Invocation, detail: "ScheduleDetail", line: "ScheduleLine", input: bytes | None
) -> Iterator[tuple[str, str]]:
    now, zone = invocation.clock.now(), invocation.zone
    yield "automation", formatting.escape_line(line.automation)
    yield "origin", line.origin
    yield "when", formatting.escape_line(line.text)
    yield "next", "-" if line.next_slot_at is None else formatting.format_moment(line.next_slot_at, now, zone)
    yield "last", "-" if line.last_slot_at is None else formatting.format_moment(line.last_slot_at, now, zone)
    if line.version is not None:
        yield "version", str(line.version)
    if input is not None:
        yield "input", formatting.escape_line(input.decode("utf-8", "replace"), _LONGEST_INPUT)
    if detail.created_at is not None:
        yield "created", formatting.format_moment(detail.created_at, now, zone)
    if detail.paused_at is not None:
        reason = f": {formatting.escape_line(detail.pause_reason)}" if detail.pause_reason else ""
        who = formatting.escape_line(detail.paused_by or "?")
        yield "paused", f"{formatting.format_moment(detail.paused_at, now, zone)} by {who}{reason}"


def _format_distance(at: int | None, now: int) -> str:
    return "-" if at is None else formatting.format_distance(at, now)
