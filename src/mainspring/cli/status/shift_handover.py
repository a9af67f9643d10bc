"""What a shift hands over, as lines of text: `mainspring status --since 8h`."""

from collections.abc import Iterator, Sequence

from mainspring.domain.incidents.incident import Incident
from mainspring.insight.status.handover import IncidentChange, PersonOperation, ShiftHandover
from mainspring.insight.text import formatting


def format_handover(found: ShiftHandover, now: int, zone: str) -> Iterator[str]:
    """Yield the handover, part by part; what is empty is left out."""
    yield ""
    yield f"From {formatting.format_moment(found.since_at, now, zone)} to {formatting.format_moment(found.until_at, now, zone)}:"
    if found.is_quiet:
        yield "  Nothing happened, and nothing waits."
    left = found.left
    yield from _format_part("Still wrong", [_format_open_incident(one, now) for one in found.incidents], left.incidents)
    yield from _format_part(
        "Waits for a person",
        [*_format_questions(found, now), *_format_stopped_runs(found)],
        left.questions + left.halted,
    )
    yield from _format_part("Paused", _format_pauses(found, now), left.paused)
    yield from _format_part(
        "Opened", [_format_incident_change(one, now, one.incident.opened_at) for one in found.opened], left.opened
    )
    yield from _format_part(
        "Closed", [_format_incident_change(one, now, one.moved_at) for one in found.closed], left.closed
    )
    yield from _format_part("Done by people", [_format_operation(one, now) for one in found.acts], left.acts)
    if found.more:
        yield ""
        yield "There is more than stands here. See: mainspring audit-log list, mainspring incidents list --all"


def _format_part(title: str, lines: Sequence[str], left: int) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from (f"  {line}" for line in lines)
    if left:
        yield f"  at least {left:,} more"


def _format_open_incident(one: Incident, now: int) -> str:
    by = f", {one.state} by {formatting.escape_line(one.by, 60)}" if one.by else ", nobody looks after it"
    said = formatting.escape_line(f"{formatting.incident_automation(one)}: {one.said}", 200)
    return f"[{one.severity}] {said}, since {formatting.format_distance(one.since_at, now)}{by}. See: mainspring incidents show {one.id}"


def _format_questions(found: ShiftHandover, now: int) -> Iterator[str]:
    for one in found.questions:
        until = f", until {formatting.format_distance(one.until_at, now)}" if one.until_at else ""
        yield f"{formatting.escape_line(one.automation, 60)}: {formatting.escape_line(one.text, 200)}{until}. Answer it: {one.command}"


def _format_stopped_runs(found: ShiftHandover) -> Iterator[str]:
    for run in found.halted:
        automation = formatting.escape_line(run.automation, 60)
        yield f"{automation}: {formatting.format_state(run.state)} ({run.reason}). See: mainspring runs show {run.id}"


def _format_pauses(found: ShiftHandover, now: int) -> list[str]:
    return [
        f"{formatting.escape_line(one.automation, 60)} by {formatting.escape_line(one.by or 'somebody', 60)},"
        f" {formatting.format_distance(one.paused_at, now)}"
        + (f": {formatting.escape_line(one.reason, 200)}" if one.reason else "")
        for one in found.paused
    ]


def _format_incident_change(one: IncidentChange, now: int, at: int) -> str:
    said = formatting.escape_line(f"{formatting.incident_automation(one.incident)}: {one.incident.said}", 200)
    note = f": {formatting.escape_line(one.note, 200)}" if one.note else ""
    by = f" by {formatting.escape_line(one.by, 60)}{note}" if one.by else ""
    return f"{formatting.format_distance(at, now)}  [{one.incident.severity}] {said}, {one.incident.state}{by}"


def _format_operation(one: PersonOperation, now: int) -> str:
    what = (
        f"{one.verb} {one.number} at once"
        if one.number > 1
        else f"{one.verb} {formatting.escape_line(one.subject, 80)}"
    )
    of = (
        f" of {formatting.escape_line(one.automation, 60)}"
        if one.automation and not one.subject.endswith(f":{one.automation}")
        else ""
    )
    why = f": {formatting.escape_line(one.reason, 200)}" if one.reason else ""
    return f"{formatting.format_distance(one.done_at, now)}  {formatting.escape_line(one.by, 60)}  {what}{of}{why}"
