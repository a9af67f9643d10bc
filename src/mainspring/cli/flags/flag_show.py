"""One flag, `mainspring flags show`: its rules and values, its answers of the last week, the runs that hold it on."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
import msgspec

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.flags.flag_list import FLAG, STATE_COLOURS, describe_entry, format_day
from mainspring.cli.lazy_group import command
from mainspring.insight.flags.flag_words import describe_attributes
from mainspring.insight.text import formatting

if TYPE_CHECKING:
    from mainspring.insight.flags.flag_history import FlagHistoryEntry
    from mainspring.insight.flags.flag_views import FlagDetail
    from mainspring.store.read.flags import RunOfFlag

_MOST_CHANGES = 5
_LONGEST_VALUE = 500


@command("show", "show a flag: values, rules, answers of the last 7 days, runs that hold it on")
@click.argument("name", type=FLAG)
@pass_invocation
def show(invocation: Invocation, name: str) -> None:
    """A run keeps its answers until it ends. All changes: mainspring flags history NAME."""
    from mainspring.insight.flags.flag_history import read_flag_history

    detail = read_detail(invocation, name)
    changes = read_flag_history(invocation.reader, name, invocation.zone, limit=_MOST_CHANGES).entries
    document = {**msgspec.structs.asdict(detail), "changes": changes}
    invocation.output.document(document, lambda: _print(invocation, detail, changes))


def read_detail(invocation: Invocation, name: str) -> "FlagDetail":
    """Return all facts of a flag. Raises UnknownNameError with the nearest name."""
    from mainspring.domain.errors import UnknownNameError
    from mainspring.insight.flags.flag_views import read_flag_detail
    from mainspring.service.flag import require_flag

    require_flag(invocation.reader, name)
    detail = read_flag_detail(invocation.reader, name, invocation.clock.now())
    if detail is None:  # it was deleted after the check
        raise UnknownNameError("flag", name)
    return detail


def print_runs(invocation: Invocation, runs: "list[RunOfFlag]", number: int) -> None:
    """Print the unfinished runs that hold the side on, and how many there are."""
    output = invocation.output
    if not number:
        output.line("No unfinished run holds the side on.")
        return
    output.line(
        f"{formatting.format_count(f'{number:,}', 'unfinished run holds', 'unfinished runs hold')} the side on:"
    )
    for row in runs:
        output.line(f"  {row.run}  {formatting.escape_line(row.automation)}")
    if number > len(runs):
        output.line(f"  and {number - len(runs):,} more")


def _print(invocation: Invocation, detail: "FlagDetail", changes: "list[FlagHistoryEntry]") -> None:
    output, flag, now = invocation.output, detail.flag, invocation.clock.now()
    state = output.paint(flag.state, STATE_COLOURS[flag.state], bold=True)
    output.line(f"{output.paint(formatting.escape_line(flag.name), None, bold=True)}  {state}")
    for name, value in _format_fields(invocation, detail):
        output.line(f"  {name:<10} {value}")
    output.line("Questions of the last 7 days:" if detail.answers else "Code asked no question in the last 7 days.")
    for use in detail.answers:
        user = formatting.escape_line(use.automation) or "programs"
        last = formatting.format_distance(use.last_at, now)
        output.line(f"  {user}: {use.number:,} x {use.side} ({use.reason.replace('_', ' ')}), the last {last}")
    print_runs(invocation, detail.runs, detail.runs_on)
    if detail.runs_off:
        output.line(f"{formatting.format_count(f'{detail.runs_off:,}', 'run holds', 'runs hold')} the side off.")
    output.line("Last changes:")
    for entry in changes:
        reason = f" ({formatting.escape_line(entry.reason)})" if entry.reason else ""
        when, who = formatting.format_distance(entry.at, now), formatting.escape_line(entry.actor)
        output.line(f"  {when} by {who}: {entry.verb}: {describe_entry(entry)}{reason}")


def _format_fields(invocation: Invocation, detail: "FlagDetail") -> Iterator[tuple[str, str]]:
    flag, now, zone = detail.flag, invocation.clock.now(), invocation.zone
    yield "type", flag.kind
    yield "value", _format_value(flag.value)
    yield "otherwise", "the default of the code" if flag.otherwise is None else _format_value(flag.otherwise)
    yield "on for", formatting.escape_line(flag.rule)
    if flag.allow:
        yield "allow", formatting.escape_line(", ".join(flag.allow))
    if flag.deny:
        yield "deny", formatting.escape_line(", ".join(flag.deny))
    if flag.when:
        yield "when", describe_attributes(flag.when)
    if flag.killed_at is not None:
        yield "killed", formatting.format_moment(flag.killed_at, now, zone)
    yield "owner", formatting.escape_line(flag.owner or "-")
    if flag.about is not None:
        yield "about", formatting.escape_line(flag.about)
    if flag.expires_at is not None:
        at = formatting.format_distance(flag.expires_at, now)
        yield "expires", f"{format_day(flag.expires_at, zone)} ({at})"
    yield "created", formatting.format_moment(flag.created_at, now, zone)
    yield "changed", formatting.format_moment(flag.changed_at, now, zone)


def _format_value(value: object) -> str:
    return formatting.escape_line(msgspec.json.encode(value).decode(), _LONGEST_VALUE)
