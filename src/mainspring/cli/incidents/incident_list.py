"""`mainspring incidents list|ack|snooze|resolve`: incidents are named by their id, its beginning or its end, or @last."""

from itertools import chain
from typing import TYPE_CHECKING

import click
import msgspec

from mainspring.cli import params, short_lists
from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.lazy_group import command
from mainspring.cli.table import TableColumn
from mainspring.domain.errors import NotFoundError
from mainspring.domain.incidents.incident import Incident, Severity
from mainspring.domain.states import IncidentState
from mainspring.insight.text import formatting
from mainspring.insight.text.text_width import keep_end
from mainspring.insight.text.typed_instants import parse_instant

if TYPE_CHECKING:
    from mainspring.store.base import StoreReader

STATE_COLOURS = {
    IncidentState.OPEN: "red",
    IncidentState.ACKNOWLEDGED: "yellow",
    IncidentState.SNOOZED: "blue",
    IncidentState.RESOLVED: "green",
}
_SEVERITY_COLOURS = {Severity.PAGE: "red", Severity.NOTIFY: "yellow", Severity.DIGEST: None}
_MAX_INCIDENTS = 10_000


def _read_incident_ids(reader: "StoreReader") -> list[str]:
    from mainspring.store.read.incidents import incidents

    return [one.id for one in incidents(reader, limit=50)]


INCIDENT = params.StoredNameType(_read_incident_ids, "incident")


def find_incident(reader: "StoreReader", word: str) -> Incident:
    """Return the incident that a person means.

    Raises:
        NotFoundError: none has an id that begins so, or ends so.
        ConflictError: several have; some are listed.
    """
    from mainspring.domain.ids import matches_short_id
    from mainspring.store.read.incidents import incident, incidents
    from mainspring.store.read.short_ids import IdKind, ambiguous

    exact = incident(reader, word)
    if exact is not None:
        return exact
    if word == "@last":
        found = incidents(reader, wrong=False, apart=True, limit=1)
    else:
        every = incidents(reader, wrong=False, limit=_MAX_INCIDENTS)
        found = [one for one in every if one.id.startswith((word, f"i_{word}")) or matches_short_id(word, one.id)]
    if len(found) == 1:
        return found[0]
    if found:
        raise ambiguous(IdKind.INCIDENT, word, [one.id for one in found])
    raise NotFoundError(
        f"there is no incident {word!r}", hint="See them: mainspring incidents list, or with --all those that are over"
    )


@command("list", "list what is wrong now")
@short_lists.add_list_options(*(state.value for state in IncidentState))
@click.option("--all", "ended", is_flag=True, help="what is resolved too")
@pass_invocation
def list_command(
    invocation: Invocation, *, states: tuple[str, ...], name: str | None, since: str | None, limit: int, ended: bool
) -> None:
    """The loudest and oldest first; with --all what is folded into another one too, the newest change first.

    --name looks at the automation and the kind, --since at the last change.
    """
    from mainspring.store.read.incidents import incidents, members, open_incidents
    from mainspring.store.read.short_ids import IdKind

    wrong = not ended and IncidentState.RESOLVED not in states
    found: list[Incident] = invocation.read(
        lambda reader: (
            open_incidents(reader, _MAX_INCIDENTS)
            if wrong
            else incidents(reader, wrong=False, apart=not ended, limit=_MAX_INCIDENTS)
        )
    )
    rows = short_lists.filter_rows(
        invocation,
        found,
        named=lambda one: f"{formatting.incident_automation(one)} {one.subject.kind}",
        state=lambda one: one.state,
        at=lambda one: one.changed_at,
        states=states,
        name=name,
        since=since,
        limit=limit,
    )
    now, items = invocation.clock.now(), _read_items(invocation, rows)
    counted = members(invocation.reader, (one.id for one in rows))
    numbers = {one.id: counted[one.id].open if one.id in counted else 0 for one in rows}
    short = invocation.short_ids(IdKind.INCIDENT, (one.id for one in rows))
    item = TableColumn(
        "ITEM", lambda one: _format_items(items[one.id], numbers[one.id]), cut=True, most=40, fit=keep_end
    )
    columns = [
        TableColumn("INCIDENT", lambda one: short[one.id]),
        TableColumn("STATE", lambda one: one.state, lambda one: STATE_COLOURS[one.state]),
        TableColumn("SEVERITY", lambda one: one.severity, lambda one: _SEVERITY_COLOURS[one.severity]),
        TableColumn(
            "AUTOMATION", lambda one: formatting.escape_line(formatting.incident_automation(one)), cut=True, most=30
        ),
        *([item] if any(items.values()) else []),
        TableColumn("KIND", lambda one: one.subject.kind, cut=True, spare=True),
        TableColumn("SINCE", lambda one: formatting.format_distance(one.since_at, now)),
        TableColumn("WHAT", lambda one: formatting.escape_line(one.said), cut=True, most=60),
    ]
    if invocation.output.is_json:
        invocation.output.json([{**msgspec.to_builtins(one), "items": items[one.id]} for one in rows])
    else:
        invocation.output.rows(rows, columns, empty="" if rows else _explain_empty_list(invocation))


def _read_items(invocation: Invocation, rows: list[Incident]) -> dict[str, list[str]]:
    """Return what the open failed runs of each incident are about, the newest first: the title of a run, else its item."""
    from mainspring.store.read.incidents import members_of

    members = {one.id: [each for each in members_of(invocation.reader, one.id) if each.settled is None] for one in rows}
    titles = read_titles(invocation, [each.run for each in chain.from_iterable(members.values())])
    named = {id: [titles.get(each.run) or each.own_item for each in found] for id, found in members.items()}
    return {id: [text for text in found if text] for id, found in named.items()}


def _format_items(items: list[str], number: int) -> str:
    """Return the newest item and how many more there are; `number` = of the open failed runs, of which `items` has the newest."""
    more = f" (and {number - 1:,} more)" if len(items) > 1 else ""
    return formatting.escape_line(items[0]) + more if items else "-"


def read_titles(invocation: Invocation, runs: list[str]) -> dict[str, str]:
    """Return the titles of those of these runs that stand still and have one."""
    from mainspring.store.read.runs.unresolved_runs import unresolved_among

    if not runs:
        return {}
    rows = unresolved_among(invocation.reader, runs).values()
    opened = invocation.opened(lambda opening: [opening.row(row) for row in rows])
    return {row.id: row.title for row in opened if row.title}


def _explain_empty_list(invocation: Invocation) -> str:
    """Say that nothing is wrong only where `status` says it too: a watcher may not have looked yet, and not all has an incident."""
    from mainspring.cli.status.status_command import read_project_status

    problems = read_project_status(invocation).problems
    return (
        f"No incident to list, but status reports: {formatting.escape_text(problems[0])}"
        if problems
        else "Nothing is wrong."
    )


@command("ack", "say that you look after it")
@click.argument("incident", type=INCIDENT)
@click.option(
    "--for",
    "span",
    metavar="TIME",
    help="so long, or until then; then it is open again: 2h, 2026-01-05T08:00; 30 days at most",
)
@pass_invocation
def ack(invocation: Invocation, incident: str, span: str | None) -> None:
    """It is repeated and escalated no more, and resolves by itself when all is well again. Say more with --reason."""
    from mainspring.service.incident import acknowledge

    now = invocation.clock.now()
    until_at = None if span is None else parse_instant(span, now, invocation.zone, back=False)
    found = find_incident(invocation.reader, incident)
    acknowledge(invocation.store, found.id, act=invocation.act, until_at=until_at, now=now)
    until = "" if until_at is None else f" until {formatting.format_moment(until_at, now, invocation.zone)}"
    invocation.output.document(
        {"id": found.id, "state": IncidentState.ACKNOWLEDGED.value, "until_at": until_at},
        f"You look after {found.id}{until}: {_format_headline(found)}",
    )


@command("snooze", "say no more of it for a while")
@click.argument("incident", type=INCIDENT)
@click.option(
    "--for", "span", metavar="TIME", required=True, help="so long, or until then: 4h, 2026-01-05T08:00; 30 days at most"
)
@pass_invocation
def snooze(invocation: Invocation, incident: str, span: str) -> None:
    """That it is resolved is told all the same."""
    from mainspring.service.incident import snooze as act

    now = invocation.clock.now()
    until_at = parse_instant(span, now, invocation.zone, back=False)
    found = find_incident(invocation.reader, incident)
    act(invocation.store, found.id, until_at, now=now, act=invocation.act)
    until = formatting.format_moment(until_at, now, invocation.zone)
    invocation.output.document(
        {"id": found.id, "state": IncidentState.SNOOZED.value, "until_at": until_at},
        f"Nothing more is said of {found.id} until {until}.",
    )


@command("resolve", "say that it is over")
@click.argument("incident", type=INCIDENT)
@pass_invocation
def resolve(invocation: Invocation, incident: str) -> None:
    """Its failed runs of this moment count as decided. A later failure, or a watcher that finds it again, opens it anew."""
    from mainspring.service.incident import resolve as act

    found = find_incident(invocation.reader, incident)
    act(invocation.store, found.id, act=invocation.act)
    invocation.output.document(
        {"id": found.id, "state": IncidentState.RESOLVED.value}, f"{found.id} is over: {_format_headline(found)}"
    )


def _format_headline(incident: Incident) -> str:
    return formatting.escape_line(f"{formatting.incident_automation(incident)}: {incident.said}", 200)
