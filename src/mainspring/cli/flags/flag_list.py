"""The list of flags, and the history of one: `mainspring flags list|history`."""

from typing import TYPE_CHECKING

import click

from mainspring.cli import params, short_lists
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.insight.flags.flag_history import FlagHistoryEntry
    from mainspring.insight.flags.flag_views import FlagView
    from mainspring.store.base import StoreReader


def _read_names(reader: "StoreReader") -> list[str]:
    from mainspring.store.read.flags import list_flags

    return [flag.name for flag in list_flags(reader)]


FLAG = params.StoredNameType(_read_names, "flag")
STATE_COLOURS = {"killed": "red", "on": "green", "off": "white", "split": "cyan"}


@command("list", "list flags: rules, owners, expiry dates, and questions of the last 7 days")
@short_lists.add_list_options("killed", "on", "off", "split", default_limit=100)
@pass_invocation
def list_command(
    invocation: Invocation, states: tuple[str, ...], name: str | None, since: str | None, limit: int
) -> None:
    """States: killed, on or off for all keys, or split. --since compares the last change."""
    from mainspring.insight.flags.flag_views import list_flag_views

    now, zone = invocation.clock.now(), invocation.zone
    views = short_lists.filter_rows(
        invocation,
        invocation.rows_if_made(lambda reader: list_flag_views(reader, now)),
        name_of=lambda view: view.name,
        state=lambda view: view.state,
        at=lambda view: view.changed_at,
        states=states,
        name=name,
        since=since,
        limit=limit,
    )
    columns = [
        TableColumn("FLAG", lambda view: formatting.escape_line(view.name), cut=True),
        TableColumn("TYPE", lambda view: view.kind.value, spare=True),
        TableColumn("STATE", lambda view: view.state, lambda view: STATE_COLOURS[view.state]),
        TableColumn("ON FOR", lambda view: formatting.escape_line(view.rule), cut=True, most=60),
        TableColumn("KILLED", lambda view: _format_distance(view.killed_at, now), spare=True),
        TableColumn("OWNER", lambda view: formatting.escape_line(view.owner or ""), cut=True, most=24, spare=True),
        TableColumn("EXPIRES", lambda view: format_day(view.expires_at, zone), spare=True),
        TableColumn("QUESTIONS 7D", format_questions),
    ]
    invocation.output.rows(views, columns, empty="There is no flag. Create one: mainspring flags set NAME --share 5%")


@command("history", "list the changes of a flag: who, when, what and why, newest first")
@click.argument("name", type=FLAG)
@params.since_option
@params.limit_option
@pass_invocation
def history(invocation: Invocation, name: str, since: str | None, limit: int) -> None:
    """Also of a flag that was deleted. The changes are rows of the audit log with the subject flag:NAME."""
    from mainspring.insight.flags.flag_history import read_flag_history
    from mainspring.service.flag import require_flag

    since_at = params.read_instant(invocation, since)
    page = read_flag_history(invocation.reader, name, invocation.zone, limit=limit, since_at=since_at)
    if not page.entries and since_at is None:
        require_flag(invocation.reader, name)
    print_history(invocation, page.entries)
    if page.cursor is not None:
        invocation.output.hint(f"There are more than these {limit}: --limit {10 * limit}")


def print_history(invocation: Invocation, entries: "list[FlagHistoryEntry]") -> None:
    """Print operations on a flag as a table."""
    now = invocation.clock.now()
    columns = [
        TableColumn("WHEN", lambda entry: formatting.format_distance(entry.at, now)),
        TableColumn("ACTOR", lambda entry: formatting.escape_line(entry.actor), cut=True, most=24),
        TableColumn("OPERATION", lambda entry: entry.verb),
        TableColumn("CHANGE", describe_entry, cut=True, most=100),
        TableColumn("REASON", lambda entry: formatting.escape_line(entry.reason or "-"), cut=True, spare=True, most=60),
    ]
    invocation.output.rows(entries, columns, empty="No change is on record.")


def describe_entry(entry: "FlagHistoryEntry") -> str:
    """Return what an operation changed, in a line."""
    if entry.refused is not None:
        return f"refused: {formatting.escape_line(entry.refused)}"
    return "; ".join(map(str, entry.changes)) or "-"


def format_questions(view: "FlagView") -> str:
    """Return the questions of the last 7 days by side: "on 120, off 2,400"."""
    return ", ".join(f"{side} {number:,}" for side, number in reversed(view.questions.items())) or "-"


def format_day(at: int | None, zone: str) -> str:
    """Return a day in a zone; "" for none."""
    return "" if at is None else formatting.format_instant(at, zone)[:10]


def _format_distance(at: int | None, now: int) -> str:
    return "" if at is None else formatting.format_distance(at, now)
