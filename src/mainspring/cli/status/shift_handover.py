"""Shift handover as lines of text: `mainspring status --since 8h`."""

from collections.abc import Iterator, Sequence

from mainspring.domain.incidents.incident import Incident
from mainspring.insight.status.handover import IncidentChange, PersonOperation, ShiftHandover
from mainspring.insight.text import formatting


def format_handover(handover: ShiftHandover, now: int, zone: str) -> Iterator[str]:
    """Yield the handover, part by part, without empty parts."""
    yield ""
    yield f"From {formatting.format_moment(handover.since_at, now, zone)} to {formatting.format_moment(handover.until_at, now, zone)}:"
    if handover.is_quiet:
        yield "  Nothing happened, and nothing waits."
    remaining = handover.left
    yield from _format_part(
        "Open incidents", [_format_open_incident(incident, now) for incident in handover.incidents], remaining.incidents
    )
    yield from _format_part(
        "Waiting for an answer",
        [*_format_questions(handover, now), *_format_stopped_runs(handover)],
        remaining.questions + remaining.halted,
    )
    yield from _format_part("Paused", _format_pauses(handover, now), remaining.paused)
    yield from _format_part(
        "Opened",
        [_format_incident_change(change, now, change.incident.opened_at) for change in handover.opened],
        remaining.opened,
    )
    yield from _format_part(
        "Closed",
        [_format_incident_change(change, now, change.moved_at) for change in handover.closed],
        remaining.closed,
    )
    yield from _format_part(
        "Operations of people", [_format_operation(operation, now) for operation in handover.acts], remaining.acts
    )
    if handover.more:
        yield ""
        yield "There is more. See: mainspring audit-log list, mainspring incidents list --all"


def _format_part(title: str, lines: Sequence[str], left: int) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from (f"  {line}" for line in lines)
    if left:
        yield f"  at least {left:,} more"


def _format_open_incident(incident: Incident, now: int) -> str:
    owner_text = (
        f", {incident.state} by {formatting.escape_line(incident.by, 60)}" if incident.by else ", not acknowledged"
    )
    summary = formatting.escape_line(f"{formatting.incident_automation(incident)}: {incident.summary}", 200)
    since = formatting.format_distance(incident.since_at, now)
    return f"[{incident.severity}] {summary}, since {since}{owner_text}. See: mainspring incidents show {incident.id}"


def _format_questions(handover: ShiftHandover, now: int) -> Iterator[str]:
    for question in handover.questions:
        until = f", until {formatting.format_distance(question.until_at, now)}" if question.until_at else ""
        automation, text = formatting.escape_line(question.automation, 60), formatting.escape_line(question.text, 200)
        yield f"{automation}: {text}{until}. Answer: {question.command}"


def _format_stopped_runs(handover: ShiftHandover) -> Iterator[str]:
    for run in handover.halted:
        automation = formatting.escape_line(run.automation, 60)
        yield f"{automation}: {formatting.format_state(run.state)} ({run.reason}). See: mainspring runs show {run.id}"


def _format_pauses(handover: ShiftHandover, now: int) -> list[str]:
    return [
        f"{formatting.escape_line(pause.automation, 60)} by "
        f"{formatting.escape_line(pause.by or 'unknown', 60)}, "
        f"{formatting.format_distance(pause.paused_at, now)}"
        + (f": {formatting.escape_line(pause.reason, 200)}" if pause.reason else "")
        for pause in handover.paused
    ]


def _format_incident_change(change: IncidentChange, now: int, at: int) -> str:
    summary = formatting.escape_line(
        f"{formatting.incident_automation(change.incident)}: {change.incident.summary}", 200
    )
    note = f": {formatting.escape_line(change.note, 200)}" if change.note else ""
    actor_text = f" by {formatting.escape_line(change.by, 60)}{note}" if change.by else ""
    return f"{formatting.format_distance(at, now)}  [{change.incident.severity}] {summary}, {change.incident.state}{actor_text}"


def _format_operation(operation: PersonOperation, now: int) -> str:
    operation_text = (
        f"{operation.verb} {operation.number} at once"
        if operation.number > 1
        else f"{operation.verb} {formatting.escape_line(operation.subject, 80)}"
    )
    automation_text = (
        f" of {formatting.escape_line(operation.automation, 60)}"
        if operation.automation and not operation.subject.endswith(f":{operation.automation}")
        else ""
    )
    reason_text = f": {formatting.escape_line(operation.reason, 200)}" if operation.reason else ""
    done, actor = formatting.format_distance(operation.done_at, now), formatting.escape_line(operation.by, 60)
    return f"{done}  {actor}  {operation_text}{automation_text}{reason_text}"
