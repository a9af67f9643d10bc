"""Findings on triggers and deliveries, as sentences with the fix; `status` shows the urgent ones, `doctor` all."""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from mainspring.alerting.inputs.lost_deliveries import read_lost_deliveries
from mainspring.domain.derived_states import TriggerState
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.monitors.inputs import UndecidedDeliveries
from mainspring.domain.processes.process_finding import ProcessFindingKind
from mainspring.domain.states import DeliveryState, SessionState
from mainspring.insight.automations.dependencies import Graph
from mainspring.insight.text.formatting import escape_line, format_count, format_span
from mainspring.insight.triggers.trigger_list import TriggerLine, list_trigger_lines
from mainspring.store.base import StoreReader
from mainspring.store.read import triggers
from mainspring.store.read.automations.monitor_reads import monitored_triggers
from mainspring.store.read.status import status
from mainspring.store.session_views import SessionView
from mainspring.store.trigger_views import GatheringView

_MAX_LISTED = 5
_MOST_SESSIONS = 1_000
_LONG_UNREACHABLE_MS = 60_000
"""A broker that restarts is back within seconds; a folder that is missing stays so."""
_STUCK_MS = 300_000


class TriggerFinding(msgspec.Struct, frozen=True):
    """One finding; `subject` = triggers or deliveries. An urgent one is lost or stuck work and needs a person now.

    `trigger` = its trigger, `kind` = the kind of its incident.
    """

    subject: Literal["triggers", "deliveries"]
    text: str
    fix: str
    is_urgent: bool = True
    trigger: str | None = None
    kind: IncidentKind | None = None


def list_trigger_findings(
    reader: StoreReader, now: int, sessions: Sequence[SessionView] | None = None
) -> list[TriggerFinding]:
    """Return the findings at the instant `now` (ms); `sessions` = the live ones, if they were read already."""
    lines = list_trigger_lines(reader, now, "", with_last=False, sessions=sessions)
    lost = read_lost_deliveries(reader, monitored_triggers(reader))
    return [
        *_state_findings(lines, now),
        *_secret_findings(status.sessions(reader, limit=_MOST_SESSIONS) if sessions is None else sessions),
        *_lost_findings(lost),
        *_sender_findings(lines),
        *_late_findings(reader, now),
        *_undecided_findings(reader, now),
    ]


def list_undeclared(graph: Graph) -> Iterator[TriggerFinding]:
    """Report automations that others wait for and that no code declares."""
    for node in graph.nodes.values():
        if node.is_known:
            continue
        waiting = ", ".join(edge.downstream for edge in graph.below(node.name))
        yield TriggerFinding(
            "triggers",
            f"{waiting} waits for runs of {escape_line(node.name)!r}, but no automation has this name",
            "Check the name: mainspring auto graph",
            is_urgent=False,
        )


def _state_findings(lines: list[TriggerLine], now: int) -> Iterator[TriggerFinding]:
    for line in lines:
        if line.state is TriggerState.PROBLEM:
            yield TriggerFinding(
                "triggers",
                f"{line.name} does not listen: {escape_line(line.why, 300)}",
                f"See: mainspring triggers show {line.name}",
            )
        elif line.state is TriggerState.UNREACHABLE:
            since = "" if line.since_at is None else f" for {format_span(now - line.since_at)}"
            grace_ms = 0 if line.kind == "files" else _LONG_UNREACHABLE_MS
            urgent = line.kind == "webhook" if line.since_at is None else now - line.since_at > grace_ms
            yield TriggerFinding(
                "triggers",
                f"{line.name} ({line.listens_to}) receives nothing{since}: {escape_line(line.why, 300)}",
                f"It continues by itself after that. See: mainspring triggers show {line.name}",
                urgent,
                trigger=line.name,
                kind=IncidentKind.SOURCE_UNREACHABLE,
            )
        elif line.state is TriggerState.LISTENING and line.why is not None:
            yield TriggerFinding(
                "triggers",
                f"{line.name} works, but: {escape_line(line.why, 300)}",
                f"See: mainspring triggers show {line.name}",
                is_urgent=False,
            )


def _secret_findings(sessions: Sequence[SessionView]) -> Iterator[TriggerFinding]:
    """Report webhooks that cannot verify their senders, from the first report of a process: an incident opens later."""
    found = [
        (finding.name, session.hostname, finding.why)
        for session in sessions
        if session.state == SessionState.ALIVE
        for finding in session.findings
        if finding.kind is ProcessFindingKind.SECRET
    ]
    for trigger, host, reason in dict.fromkeys(found):
        yield TriggerFinding(
            "triggers",
            f"{trigger} accepts nothing on {escape_line(host, 60)}: {escape_line(reason, 300)}",
            f"Set the secret for the web process, then restart it. The variable: mainspring triggers show {trigger}",
            trigger=trigger,
            kind=IncidentKind.SECRET_MISSING,
        )


def _lost_findings(lost: list[UndecidedDeliveries]) -> Iterator[TriggerFinding]:
    for delivery in lost:
        replay = "; then: mainspring triggers replay DELIVERY" if delivery.is_stored else ""
        fix = f"See why: mainspring triggers show {delivery.trigger}{replay}"
        yield TriggerFinding("deliveries", delivery.text, fix, trigger=delivery.trigger, kind=delivery.kind)


def _sender_findings(lines: list[TriggerLine]) -> Iterator[TriggerFinding]:
    for line in lines:
        refused = line.arrived.get(DeliveryState.REFUSED, 0)
        fix = f"See why: mainspring triggers show {line.name}"
        if line.at_the_door and line.kind != "queue":
            # Everyone can send to a public address: a known sender opens an incident, `doctor` shows all others.
            has_none = sum(line.arrived.values()) == refused
            text = f"{line.name} rejected at least {format_count(line.at_the_door, 'request')} within a day"
            if has_none:
                text += ", and none was accepted: is it set up for its sender?"
            yield TriggerFinding("deliveries", text, fix, is_urgent=False)


def _late_findings(reader: StoreReader, now: int) -> Iterator[TriggerFinding]:
    late: dict[str, list[GatheringView]] = {}
    for gathering in triggers.open_gatherings(reader, limit=1_000):
        if gathering.deadline_at < now:
            late.setdefault(gathering.trigger, []).append(gathering)
    for trigger, found in list(late.items())[:_MAX_LISTED]:
        first = found[0]
        names = ", ".join(end.automation for end in first.gathered if end.counts)
        here = f"only {names} arrived" if names else "none of them arrived"
        ended = "".join(f", {end.automation} {end.state}" for end in first.gathered if not end.counts)
        starts = "" if len(found) == 1 else f" for {len(found)} starts, the first"
        yield TriggerFinding(
            "deliveries",
            f"{trigger} waits for runs that are late{starts} by {format_span(now - first.deadline_at)}: {here}{ended}",
            f"See what is missing: mainspring triggers show {trigger}",
        )
    if len(late) > _MAX_LISTED:
        yield TriggerFinding(
            "deliveries",
            f"{len(late) - _MAX_LISTED} more triggers wait for runs that are late",
            "See: mainspring auto graph",
        )


def _undecided_findings(reader: StoreReader, now: int) -> Iterator[TriggerFinding]:
    """Report undecided deliveries: no router runs, or no worker has the filter."""
    for filtered, cause, fix in (
        (False, "no scheduler process decides on them", "mainspring up"),
        (True, "no running worker has loaded their filter", "See: mainspring doctor"),
    ):
        waiting = triggers.undecided_since(reader, filtered=filtered)
        late = {name: now - at for name, at in waiting.items() if now - at > _STUCK_MS}
        if late:
            names = ", ".join(list(late)[:_MAX_LISTED])
            longest = format_span(max(late.values()))
            yield TriggerFinding(
                "deliveries", f"deliveries of {names} have waited {longest} for a decision: {cause}", fix
            )
