"""`mainspring incidents show`: what is wrong, what it was judged by, what became of it, and who was told."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from mainspring.cli.context import Invocation, pass_invocation
from mainspring.cli.incidents.incident_list import INCIDENT, find_incident, read_titles
from mainspring.cli.lazy_group import command
from mainspring.domain.incidents.incident import Incident
from mainspring.domain.notifications.rendering import describe_impact, describe_next_try
from mainspring.domain.states import IncidentState
from mainspring.insight.incidents.findings import list_figures
from mainspring.insight.text import formatting
from mainspring.insight.text.text_width import keep_end

if TYPE_CHECKING:
    from mainspring.app.alerting.runbooks import Runbook
    from mainspring.store.read.incidents import AlertView, MembersView, MemberView, MoveView

_MAX_MEMBERS_PRINTED = 20
_MAX_ITEM_LENGTH = 48
_MAX_LISTED = 10_000
_PRINTED_FACTS = frozenset({"last_good_at", "missed", "impact", "next_try_at"})


@command("show", "show an incident: what, since when, what was done, who was told")
@click.argument("incident", type=INCIDENT)
@pass_invocation
def show(invocation: Invocation, incident: str) -> None:
    """INCIDENT is an id, its beginning or its end, or @last."""
    import msgspec

    from mainspring.store.read.incidents import alerts, incidents, members, members_of, moves
    from mainspring.store.read.short_ids import IdKind

    reader = invocation.reader
    found = find_incident(reader, incident)
    became, told, failed = moves(reader, found.id), alerts(reader, found.id), members_of(reader, found.id)
    titles = read_titles(invocation, [one.run for one in failed])
    counted = members(reader, [found.id]).get(found.id)
    runbook = _find_runbook(invocation, found)
    held = [one for one in incidents(reader, wrong=False, limit=1_000) if one.parent == found.id]
    short = invocation.short_ids(IdKind.INCIDENT, (one.id for one in held[:_MAX_MEMBERS_PRINTED]))
    document: dict[str, Any] = {
        **msgspec.to_builtins(found),
        "moves": [msgspec.to_builtins(one) for one in became],
        "alerts": [msgspec.to_builtins(one) for one in told],
        "members": [{**msgspec.to_builtins(one), "title": titles.get(one.run)} for one in failed],
        "holds": [one.id for one in held],
        "runbook": None if runbook is None else msgspec.to_builtins(runbook),
    }
    now, zone = invocation.clock.now(), invocation.zone
    lines = [
        f"{found.id}  {found.state}  [{found.severity}]",
        formatting.escape_line(f"{formatting.incident_automation(found)}: {found.said}", 300),
        "",
        *_format_facts(found, now, zone),
        *_format_next_steps(found, runbook),
        *_format_members(
            failed, titles, invocation.short_ids(IdKind.RUN, (one.run for one in failed[:_MAX_MEMBERS_PRINTED])), now
        ),
        *_format_more_members(found, counted),
        *_format_history(became, now, zone),
        *_format_alerts(found, told, now),
        *(f"  holds   {short[one.id]}  {formatting.escape_line(one.text, 80)}" for one in held[:_MAX_MEMBERS_PRINTED]),
    ]
    invocation.output.document(document, "\n".join(lines))


def _format_facts(one: Incident, now: int, zone: str) -> list[str]:
    subject = one.subject
    rows = [
        ("kind", f"{subject.kind}" + (f" ({subject.fingerprint})" if subject.fingerprint else "")),
        ("since", formatting.format_moment(one.since_at, now, zone)),
        (
            "opened",
            f"{formatting.format_count(one.opened, 'time')}, last {formatting.format_moment(one.opened_at, now, zone)}",
        ),
    ]
    if one.number > 1:
        rows.append(("failures", str(one.number)))
    if one.by is not None:
        rows.append(("by", one.by + (f": {one.note}" if one.note else "")))
    if one.parent is not None:
        rows.append(("part of", one.parent))
    rows += _format_prospects(one, now, zone)
    said = _PRINTED_FACTS | {name for name, _ in rows}
    rows += list_figures({name: value for name, value in one.facts.items() if name not in said}, now, zone)
    return [f"  {formatting.escape_line(name, 20):<8} {formatting.escape_line(value, 200)}" for name, value in rows]


def _format_prospects(one: Incident, now: int, zone: str) -> list[tuple[str, str]]:
    """Return what messages say of it too, in the same words."""
    from mainspring.domain.time.cron import find_zone

    good_at, is_over = one.facts.get("last_good_at"), one.state is IncidentState.RESOLVED
    rows = [
        ("last good", formatting.format_moment(good_at, now, zone) if isinstance(good_at, int) else ""),
        ("impact", describe_impact(one.facts)),
        ("next try", "" if is_over else describe_next_try(one.facts, find_zone(zone), now)),
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


def _format_next_steps(one: Incident, runbook: "Runbook | None") -> list[str]:
    lines = ["", f"Do: {formatting.escape_line(one.hint, 300)}"] if one.hint else [""]
    if runbook is not None:
        lines.append(f"Runbook: {formatting.escape_line(runbook.where, 300)}")
        lines += [f"  {formatting.escape_text(line)}" for line in (runbook.text or "").splitlines()]
    if one.state is IncidentState.OPEN:
        lines.append(f"Take it: mainspring incidents ack {one.id}")
    return lines


def _format_members(
    failed: "Sequence[MemberView]", titles: dict[str, str], short: dict[str, str], now: int
) -> list[str]:
    """Return the failed runs that belong to it, the open ones first, each with what settled it, its title and its item.

    Of a long item the end is what tells.
    """
    if not failed:
        return []

    def line(one: "MemberView") -> str:
        title = f"  {formatting.escape_line(titles[one.run], _MAX_ITEM_LENGTH)}" if one.run in titles else ""
        item = f"  {keep_end(formatting.escape_line(one.own_item), _MAX_ITEM_LENGTH)}" if one.own_item else ""
        by = f" by {formatting.escape_line(one.by, 60)}" if one.by and one.by != one.run else ""
        settled = "open" if one.settled is None else f"{str(one.settled).replace('_', ' ')}{by}"
        return f"  {short[one.run]}  failed {formatting.format_distance(one.at, now)}, {settled}{title}{item}"

    return ["", "Failed runs:", *(line(one) for one in failed[:_MAX_MEMBERS_PRINTED])]


def _format_more_members(one: Incident, counted: "MembersView | None") -> list[str]:
    """Return how many failed runs are not shown, with the command that lists them while they are open."""
    if counted is None or counted.failed <= _MAX_MEMBERS_PRINTED:
        return []
    fingerprint = one.subject.fingerprint
    listed = f": mainspring failed list --error {fingerprint} --limit {min(counted.open, _MAX_LISTED)}"
    return [
        f"  and {counted.failed - _MAX_MEMBERS_PRINTED:,} more{listed if fingerprint and counted.open > _MAX_MEMBERS_PRINTED else ''}"
    ]


def _format_history(became: "Sequence[MoveView]", now: int, zone: str) -> list[str]:
    def line(move: "MoveView") -> str:
        who = f" by {move.by}" if move.by else ""
        said = f"{move.move}{who}" + (f": {move.note}" if move.note else "")
        return f"  {formatting.format_moment(move.at, now, zone)}  {formatting.escape_line(said, 200)}"

    return ["", "What became of it:", *(line(move) for move in became[-_MAX_MEMBERS_PRINTED:])]


def _format_alerts(one: Incident, told: "Sequence[AlertView]", now: int) -> list[str]:
    if not told and one.parent is not None:
        return ["", f"Told by what it is part of: mainspring incidents show {one.parent}"]
    if not told:
        return ["", "Nobody was told. See: mainspring notify routes"]

    def line(alert: "AlertView") -> str:
        said = f"{alert.channel}: {alert.about}, {alert.state} {formatting.format_distance(alert.ended_at or alert.due_at, now)}"
        return "  " + formatting.escape_line(said + (f": {alert.fault}" if alert.fault else ""), 200)

    return ["", "Told:", *(line(alert) for alert in reversed(told[:_MAX_MEMBERS_PRINTED]))]
