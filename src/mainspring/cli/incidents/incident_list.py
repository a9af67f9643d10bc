"""The incident list, `mainspring incidents list|ack|snooze|resolve`. An incident is named by its id, its start or its end, or @last."""

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

    return [incident.id for incident in incidents(reader, limit=50)]


INCIDENT = params.StoredNameType(_read_incident_ids, "incident")


def find_incident(reader: "StoreReader", word: str) -> Incident:
    """Return the incident that a person names.

    Raises:
        NotFoundError: no id starts or ends with the word.
        ConflictError: several do. The error lists some.
    """
    from mainspring.domain.ids import matches_short_id
    from mainspring.store.read.incidents import incident, incidents
    from mainspring.store.read.short_ids import IdKind, ambiguous

    exact = incident(reader, word)
    if exact is not None:
        return exact
    if word == "@last":
        matching = incidents(reader, unresolved=False, apart=True, limit=1)
    else:
        all_incidents = incidents(reader, unresolved=False, limit=_MAX_INCIDENTS)
        matching = [
            incident
            for incident in all_incidents
            if incident.id.startswith((word, f"i_{word}")) or matches_short_id(word, incident.id)
        ]
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise ambiguous(IdKind.INCIDENT, word, [incident.id for incident in matching])
    raise NotFoundError(
        f"there is no incident {word!r}", hint="List them: mainspring incidents list; add --all for resolved ones"
    )


@command("list", "list open incidents")
@short_lists.add_list_options(*(state.value for state in IncidentState))
@click.option("--all", "ended", is_flag=True, help="also list resolved and grouped incidents")
@pass_invocation
def list_command(
    invocation: Invocation, *, states: tuple[str, ...], name: str | None, since: str | None, limit: int, ended: bool
) -> None:
    """Most severe first, then oldest. --all adds resolved and grouped incidents, and sorts by the last change.

    --name compares the automation and the kind; --since the last change.
    """
    from mainspring.store.read.incidents import incidents, members, open_incidents
    from mainspring.store.read.short_ids import IdKind

    is_open_only = not ended and IncidentState.RESOLVED not in states
    stored: list[Incident] = invocation.read(
        lambda reader: (
            open_incidents(reader, _MAX_INCIDENTS)
            if is_open_only
            else incidents(reader, unresolved=False, apart=not ended, limit=_MAX_INCIDENTS)
        )
    )
    rows = short_lists.filter_rows(
        invocation,
        stored,
        name_of=lambda incident: f"{formatting.incident_automation(incident)} {incident.subject.kind}",
        state=lambda incident: incident.state,
        at=lambda incident: incident.changed_at,
        states=states,
        name=name,
        since=since,
        limit=limit,
    )
    now, items = invocation.clock.now(), _read_items(invocation, rows)
    counted = members(invocation.reader, (incident.id for incident in rows))
    numbers = {incident.id: counted[incident.id].open if incident.id in counted else 0 for incident in rows}
    short_ids = invocation.short_ids(IdKind.INCIDENT, (incident.id for incident in rows))
    item = TableColumn(
        "ITEM", lambda row: _format_items(items[row.id], numbers[row.id]), cut=True, most=40, fit=keep_end
    )
    columns = [
        TableColumn("INCIDENT", lambda row: short_ids[row.id]),
        TableColumn("STATE", lambda row: row.state, lambda row: STATE_COLOURS[row.state]),
        TableColumn("SEVERITY", lambda row: row.severity, lambda row: _SEVERITY_COLOURS[row.severity]),
        TableColumn(
            "AUTOMATION", lambda row: formatting.escape_line(formatting.incident_automation(row)), cut=True, most=30
        ),
        *([item] if any(items.values()) else []),
        TableColumn("KIND", lambda row: row.subject.kind, cut=True, spare=True),
        TableColumn("SINCE", lambda row: formatting.format_distance(row.since_at, now)),
        TableColumn("WHAT", lambda row: formatting.escape_line(row.summary), cut=True, most=60),
    ]
    if invocation.output.is_json:
        invocation.output.json([{**msgspec.to_builtins(incident), "items": items[incident.id]} for incident in rows])
    else:
        invocation.output.rows(rows, columns, empty="" if rows else _explain_empty_list(invocation))


def _read_items(invocation: Invocation, rows: list[Incident]) -> dict[str, list[str]]:
    """Return the subjects of the open failed runs of each incident, the newest first: the title of a run, else its item."""
    from mainspring.store.read.incidents import members_of

    members = {
        incident.id: [member for member in members_of(invocation.reader, incident.id) if member.settled is None]
        for incident in rows
    }
    titles = read_titles(invocation, [member.run for member in chain.from_iterable(members.values())])
    texts = {
        id: [titles.get(member.run) or member.own_item for member in open_members]
        for id, open_members in members.items()
    }
    return {id: [text for text in titles_or_items if text] for id, titles_or_items in texts.items()}


def _format_items(items: list[str], number: int) -> str:
    """Return the newest item and the number of the others. `number` counts the open failed runs; `items` has the newest of them."""
    more_text = f" (and {number - 1:,} more)" if len(items) > 1 else ""
    return formatting.escape_line(items[0]) + more_text if items else "-"


def read_titles(invocation: Invocation, run_ids: list[str]) -> dict[str, str]:
    """Return the titles of those of these stopped runs that have one."""
    from mainspring.store.read.runs.unresolved_runs import unresolved_among

    if not run_ids:
        return {}
    rows = unresolved_among(invocation.reader, run_ids).values()
    unsealed = invocation.unseal(lambda unsealer: [unsealer.row(row) for row in rows])
    return {row.id: row.title for row in unsealed if row.title}


def _explain_empty_list(invocation: Invocation) -> str:
    """Return that nothing is wrong only if `status` agrees: a watcher may not have run yet, and some problems have no incident."""
    from mainspring.cli.status.status_command import read_project_status

    problems = read_project_status(invocation).problems
    return (
        f"No incident to list, but status reports: {formatting.escape_text(problems[0])}"
        if problems
        else "No open incident."
    )


@command("ack", "acknowledge an incident")
@click.argument("incident", type=INCIDENT)
@click.option(
    "--for",
    "span",
    metavar="TIME",
    help="acknowledge for this long, or until this time; then it is open again: 2h, 2026-01-05T08:00; at most 30 days",
)
@pass_invocation
def ack(invocation: Invocation, incident: str, span: str | None) -> None:
    """Reminders and escalation stop. The incident resolves by itself when the problem ends. Add a note with --reason."""
    from mainspring.service.incident import acknowledge

    now = invocation.clock.now()
    until_at = None if span is None else parse_instant(span, now, invocation.zone, back=False)
    found_incident = find_incident(invocation.reader, incident)
    acknowledge(invocation.store, found_incident.id, act=invocation.act, until_at=until_at, now=now)
    until = "" if until_at is None else f" until {formatting.format_moment(until_at, now, invocation.zone)}"
    invocation.output.document(
        {"id": found_incident.id, "state": IncidentState.ACKNOWLEDGED.value, "until_at": until_at},
        f"Acknowledged {found_incident.id}{until}: {_format_headline(found_incident)}",
    )


@command("snooze", "snooze an incident")
@click.argument("incident", type=INCIDENT)
@click.option(
    "--for",
    "span",
    metavar="TIME",
    required=True,
    help="snooze for this long, or until this time: 4h, 2026-01-05T08:00; at most 30 days",
)
@pass_invocation
def snooze(invocation: Invocation, incident: str, span: str) -> None:
    """Notifications about it stop for that time, except that it was resolved."""
    from mainspring.service.incident import snooze as snooze_incident

    now = invocation.clock.now()
    until_at = parse_instant(span, now, invocation.zone, back=False)
    found_incident = find_incident(invocation.reader, incident)
    snooze_incident(invocation.store, found_incident.id, until_at, now=now, act=invocation.act)
    until = formatting.format_moment(until_at, now, invocation.zone)
    invocation.output.document(
        {"id": found_incident.id, "state": IncidentState.SNOOZED.value, "until_at": until_at},
        f"Snoozed {found_incident.id} until {until}.",
    )


@command("resolve", "resolve an incident")
@click.argument("incident", type=INCIDENT)
@pass_invocation
def resolve(invocation: Invocation, incident: str) -> None:
    """Its failed runs of this moment count as decided. A later failure, or a new finding of a watcher, reopens it."""
    from mainspring.service.incident import resolve as resolve_incident

    found_incident = find_incident(invocation.reader, incident)
    resolve_incident(invocation.store, found_incident.id, act=invocation.act)
    invocation.output.document(
        {"id": found_incident.id, "state": IncidentState.RESOLVED.value},
        f"Resolved {found_incident.id}: {_format_headline(found_incident)}",
    )


def _format_headline(incident: Incident) -> str:
    return formatting.escape_line(f"{formatting.incident_automation(incident)}: {incident.summary}", 200)
