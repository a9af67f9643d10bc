"""Show an incident, `mainspring incidents show`: the problem, its figures, its history, and who was notified."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.incidents.incident_list import INCIDENT, find_incident, read_titles
from mainspring.cli.lazy_group import command
from mainspring.domain.incidents.incident import Incident
from mainspring.domain.notifications.rendering import describe_impact, describe_next_try
from mainspring.domain.states import IncidentState
from mainspring.insight.incidents.findings import list_metrics
from mainspring.insight.text import formatting
from mainspring.insight.text.text_width import keep_end

if TYPE_CHECKING:
    from mainspring.app.alerting.runbooks import Runbook
    from mainspring.store.read.incidents import AlertView, MembersView, MemberView, MoveView

_MAX_MEMBERS_PRINTED = 20
_MAX_ITEM_LENGTH = 48
_MAX_LISTED = 10_000
_PRINTED_FACTS = frozenset({"last_good_at", "missed", "impact", "next_try_at"})


@command("show", "show an incident: cause, history, notifications")
@click.argument("incident", type=INCIDENT)
@pass_invocation
def show(invocation: Invocation, incident: str) -> None:
    """INCIDENT is an id, its beginning or its end, or @last."""
    import msgspec

    from mainspring.store.read.incidents import alerts, incidents, members, members_of, moves
    from mainspring.store.read.short_ids import IdKind

    reader = invocation.reader
    found_incident = find_incident(reader, incident)
    incident_moves, sent_alerts, failed_members = (
        moves(reader, found_incident.id),
        alerts(reader, found_incident.id),
        members_of(reader, found_incident.id),
    )
    titles = read_titles(invocation, [member.run for member in failed_members])
    counted = members(reader, [found_incident.id]).get(found_incident.id)
    runbook = _find_runbook(invocation, found_incident)
    held_incidents = [
        other for other in incidents(reader, unresolved=False, limit=1_000) if other.parent == found_incident.id
    ]
    short_ids = invocation.short_ids(IdKind.INCIDENT, (held.id for held in held_incidents[:_MAX_MEMBERS_PRINTED]))
    document: dict[str, Any] = {
        **msgspec.to_builtins(found_incident),
        "moves": [msgspec.to_builtins(move) for move in incident_moves],
        "alerts": [msgspec.to_builtins(alert) for alert in sent_alerts],
        "members": [{**msgspec.to_builtins(member), "title": titles.get(member.run)} for member in failed_members],
        "holds": [held.id for held in held_incidents],
        "runbook": None if runbook is None else msgspec.to_builtins(runbook),
    }
    now, zone = invocation.clock.now(), invocation.zone
    lines = [
        f"{found_incident.id}  {found_incident.state}  [{found_incident.severity}]",
        formatting.escape_line(f"{formatting.incident_automation(found_incident)}: {found_incident.summary}", 300),
        "",
        *_format_facts(found_incident, now, zone),
        *_format_next_steps(found_incident, runbook),
        *_format_members(
            failed_members,
            titles,
            invocation.short_ids(IdKind.RUN, (member.run for member in failed_members[:_MAX_MEMBERS_PRINTED])),
            now,
        ),
        *_format_more_members(found_incident, counted),
        *_format_history(incident_moves, now, zone),
        *_format_alerts(found_incident, sent_alerts, now),
        *(
            f"  holds   {short_ids[held.id]}  {formatting.escape_line(held.text, 80)}"
            for held in held_incidents[:_MAX_MEMBERS_PRINTED]
        ),
    ]
    invocation.output.document(document, "\n".join(lines))


def _format_facts(incident: Incident, now: int, zone: str) -> list[str]:
    subject = incident.subject
    rows = [
        ("kind", f"{subject.kind}" + (f" ({subject.fingerprint})" if subject.fingerprint else "")),
        ("since", formatting.format_moment(incident.since_at, now, zone)),
        (
            "opened",
            f"{formatting.format_count(incident.opened, 'time')}, last {formatting.format_moment(incident.opened_at, now, zone)}",
        ),
    ]
    if incident.number > 1:
        rows.append(("failures", str(incident.number)))
    if incident.by is not None:
        rows.append(("by", incident.by + (f": {incident.note}" if incident.note else "")))
    if incident.parent is not None:
        rows.append(("part of", incident.parent))
    rows += _format_prospects(incident, now, zone)
    printed = _PRINTED_FACTS | {name for name, _ in rows}
    rows += list_metrics({name: value for name, value in incident.facts.items() if name not in printed}, now, zone)
    return [f"  {formatting.escape_line(name, 20):<12} {formatting.escape_line(value, 200)}" for name, value in rows]


def _format_prospects(incident: Incident, now: int, zone: str) -> list[tuple[str, str]]:
    """Return the facts that notifications have too, in the same words."""
    from mainspring.domain.time.cron import find_zone

    good_at, is_over = incident.facts.get("last_good_at"), incident.state is IncidentState.RESOLVED
    rows = [
        ("last success", formatting.format_moment(good_at, now, zone) if isinstance(good_at, int) else ""),
        ("impact", describe_impact(incident.facts)),
        ("next attempt", "" if is_over else describe_next_try(incident.facts, find_zone(zone), now)),
    ]
    return [(name, text) for name, text in rows if text]


def _find_runbook(invocation: Invocation, incident: Incident) -> "Runbook | None":
    import msgspec

    from mainspring.app.alerting.runbooks import RunbookFinder
    from mainspring.domain.definitions.definition import Definition
    from mainspring.store.read.status.status import automations

    name = incident.subject.automation
    if not name:
        return None
    views = automations(invocation.reader, name)
    definition = (
        Definition.from_data(msgspec.json.decode(views[0].definition)) if views and views[0].definition else None
    )
    return RunbookFinder(invocation.settings).of(name, definition, incident)


def _format_next_steps(incident: Incident, runbook: "Runbook | None") -> list[str]:
    lines = ["", f"Do: {formatting.escape_line(incident.hint, 300)}"] if incident.hint else [""]
    if runbook is not None:
        lines.append(f"Runbook: {formatting.escape_line(runbook.where, 300)}")
        lines += [f"  {formatting.escape_text(line)}" for line in (runbook.text or "").splitlines()]
    if incident.state is IncidentState.OPEN:
        lines.append(f"Acknowledge: mainspring incidents ack {incident.id}")
    return lines


def _format_members(
    members: "Sequence[MemberView]", titles: dict[str, str], short_ids: dict[str, str], now: int
) -> list[str]:
    """Return the failed runs of an incident, the open ones first, each with what settled it, its title and its item.

    A long item is cut at its start.
    """
    if not members:
        return []

    def format_member(member: "MemberView") -> str:
        title = f"  {formatting.escape_line(titles[member.run], _MAX_ITEM_LENGTH)}" if member.run in titles else ""
        item = f"  {keep_end(formatting.escape_line(member.own_item), _MAX_ITEM_LENGTH)}" if member.own_item else ""
        by = f" by {formatting.escape_line(member.by, 60)}" if member.by and member.by != member.run else ""
        settled = "open" if member.settled is None else f"{str(member.settled).replace('_', ' ')}{by}"
        return f"  {short_ids[member.run]}  failed {formatting.format_distance(member.at, now)}, {settled}{title}{item}"

    return ["", "Failed runs:", *(format_member(member) for member in members[:_MAX_MEMBERS_PRINTED])]


def _format_more_members(incident: Incident, counted: "MembersView | None") -> list[str]:
    """Return the number of failed runs that are not listed, with the command that lists them while they are open."""
    if counted is None or counted.failed <= _MAX_MEMBERS_PRINTED:
        return []
    fingerprint = incident.subject.fingerprint
    listed = f": mainspring failed list --error {fingerprint} --limit {min(counted.open, _MAX_LISTED)}"
    return [
        f"  and {counted.failed - _MAX_MEMBERS_PRINTED:,} more{listed if fingerprint and counted.open > _MAX_MEMBERS_PRINTED else ''}"
    ]


def _format_history(incident_moves: "Sequence[MoveView]", now: int, zone: str) -> list[str]:
    def format_move(move: "MoveView") -> str:
        actor_text = f" by {move.by}" if move.by else ""
        move_text = f"{move.move}{actor_text}" + (f": {move.note}" if move.note else "")
        return f"  {formatting.format_moment(move.at, now, zone)}  {formatting.escape_line(move_text, 200)}"

    return ["", "History:", *(format_move(move) for move in incident_moves[-_MAX_MEMBERS_PRINTED:])]


def _format_alerts(incident: Incident, sent_alerts: "Sequence[AlertView]", now: int) -> list[str]:
    if not sent_alerts and incident.parent is not None:
        return [
            "",
            f"That incident sends the notifications: mainspring incidents show {incident.parent}",
        ]
    if not sent_alerts:
        return ["", "No one was notified. See: mainspring notify routes"]

    def format_alert(alert: "AlertView") -> str:
        alert_text = f"{alert.channel}: {alert.about}, {alert.state} {formatting.format_distance(alert.ended_at or alert.due_at, now)}"
        return "  " + formatting.escape_line(alert_text + (f": {alert.fault}" if alert.fault else ""), 200)

    return ["", "Notifications:", *(format_alert(alert) for alert in reversed(sent_alerts[:_MAX_MEMBERS_PRINTED]))]
