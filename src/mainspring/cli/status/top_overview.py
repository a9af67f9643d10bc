"""What `mainspring top` shows at an instant, as data from a few capped reads and as lines."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from mainspring.domain.incidents.incident import Incident, Severity
from mainspring.domain.states import REOPENABLE_STATES, RunState, SessionState
from mainspring.insight.incidents.open_incidents import SHOWN, OpenIncidents
from mainspring.insight.status.project_status import ProjectStatus, status_icon
from mainspring.insight.text import formatting
from mainspring.service.view_unsealing import ViewUnsealer
from mainspring.store.base import StoreReader
from mainspring.store.read.short_ids import IdKind, short_ids
from mainspring.store.session_views import SessionView
from mainspring.store.views import QueueView, RunRow

_MAX_ROWS = 50
_SEVERITY_COLOURS = {Severity.PAGE: "red", Severity.NOTIFY: "yellow", Severity.DIGEST: ""}


class ScreenTarget(NamedTuple):
    """What can be looked at by itself: an automation ("" = Mainspring's own incidents), a run of it or one of its incidents."""

    automation: str
    run: str | None = None
    incident: str | None = None


class ScreenLine(NamedTuple):
    """A line of text, its style (a colour, "bold", or "" for none), and what it leads to."""

    text: str
    style: str = ""
    to: ScreenTarget | None = None


class UpcomingStart(msgspec.Struct, frozen=True):
    """When a schedule makes a run next (ms UTC)."""

    automation: str
    at: int


class Overview(msgspec.Struct, frozen=True):
    """One look: the verdict, open incidents (the loudest first), runs that failed or need a person, runs that run (newest first), queues,
    processes, next slots.
    """

    verdict: ProjectStatus
    incidents: list[Incident]
    failed: list[RunRow]
    runs: list[RunRow]
    queues: list[QueueView]
    workers: list[SessionView]
    slots: list[UpcomingStart]
    short: dict[str, str] = {}
    """The short form of each id in it."""

    def opened(self, opening: ViewUnsealer) -> "Overview":
        """Return it with the titles of runs as whoever has the codec reads them."""
        failed, runs = ([opening.row(row) for row in rows] for rows in (self.failed, self.runs))
        return msgspec.structs.replace(self, failed=failed, runs=runs)


def read_overview(reader: StoreReader, verdict: ProjectStatus) -> Overview:
    """Return what there is to see now, beside the verdict."""
    from mainspring.store.read import incidents as reads_incidents
    from mainspring.store.read.runs.run_views import list_runs
    from mainspring.store.read.status import status

    gone = {view.name for view in status.automations(reader) if view.retired_at is not None}
    slots = [
        UpcomingStart(one.automation, one.next_slot_at)
        for one in status.schedules(reader)
        if one.next_slot_at is not None and one.retired_at is None and one.automation not in gone
    ]
    incidents = OpenIncidents(reads_incidents.open_incidents(reader, _MAX_ROWS)).open
    failed = list_runs(reader, states=tuple(REOPENABLE_STATES), limit=_MAX_ROWS).runs
    runs = list_runs(reader, states=(RunState.RUNNING,), limit=_MAX_ROWS).runs
    return Overview(
        verdict=verdict,
        incidents=incidents,
        failed=failed,
        runs=runs,
        short=read_short_ids(reader, incidents, [*failed, *runs]),
        queues=status.queue_views(reader)[:_MAX_ROWS],
        workers=status.sessions(reader, limit=_MAX_ROWS),
        slots=sorted(slots, key=lambda one: (one.at, one.automation))[:_MAX_ROWS],
    )


def read_short_ids(reader: StoreReader, incidents: Iterable[Incident], runs: Iterable[RunRow]) -> dict[str, str]:
    """Return the short form of the ids of these incidents and runs."""
    return {
        **short_ids(reader, IdKind.INCIDENT, (incident.id for incident in incidents)),
        **short_ids(reader, IdKind.RUN, (run.id for run in runs)),
    }


def format_overview(frame: Overview, now: int, height: int | None = None) -> list[ScreenLine]:
    """Return the frame as lines, cut to `height` lines (None = all): the verdict is whole, the parts share what is left."""
    icon, colour = status_icon(frame.verdict)
    head = [ScreenLine(f"{icon} {frame.verdict.sentence}", colour), ScreenLine(f"store {frame.verdict.store}", "dim")]
    # What no incident says; those that are open have a part of their own.
    told = min(frame.verdict.incidents, SHOWN + 1)
    head += [ScreenLine(f"  {formatting.escape_line(problem)}") for problem in frame.verdict.problems[told:]]
    parts = [(title, list(found)) for title, found in _make_parts(frame, now)]
    parts = [(title, found) for title, found in parts if found]
    most = None
    if height is not None:
        most = _share_lines([len(found) for _, found in parts], height - len(head) - 2 * len(parts))
    lines = head
    for title, found in parts:
        shown = found if most is None else found[:most]
        more = f", {len(found) - len(shown)} more" if len(shown) < len(found) else ""
        lines += [ScreenLine(""), ScreenLine(f"{title} ({len(found)}{more})", "bold"), *shown]
    return lines if height is None else lines[:height]


def _share_lines(sizes: list[int], room: int) -> int:
    """Return how many lines each part may have, so that all of them have room and small ones leave theirs to the others."""
    most = max([1, *sizes])
    while most > 1 and sum(min(size, most) for size in sizes) > room:
        most -= 1
    return most


def _make_parts(frame: Overview, now: int) -> Iterator[tuple[str, Iterator[ScreenLine]]]:
    yield "Incidents", (format_incident(one, now, frame.short) for one in frame.incidents)
    yield "Failed", (format_failed_run(one, now, frame.short) for one in frame.failed)
    yield "Running", (_format_run(one, now, frame.short) for one in frame.runs)
    yield "Queues", (_format_queue(one, now) for one in frame.queues)
    yield "Processes", (_format_worker(one, now) for one in frame.workers)
    yield (
        "Next",
        (
            ScreenLine(
                f"  {formatting.format_distance(one.at, now) if one.at > now else 'due':<10} {formatting.escape_line(one.automation, 60)}",
                to=ScreenTarget(one.automation),
            )
            for one in frame.slots
        ),
    )


def format_incident(one: Incident, now: int, short: Mapping[str, str]) -> ScreenLine:
    """Return an incident as it stands in a list."""
    what = formatting.escape_line(f"{formatting.incident_automation(one)}: {one.said}", 160)
    text = f"  {one.severity:<7} {formatting.format_distance(one.since_at, now):<10} {short[one.id]}  {what}"
    return ScreenLine(text, _SEVERITY_COLOURS[one.severity], ScreenTarget(one.subject.automation, incident=one.id))


def format_failed_run(one: RunRow, now: int, short: Mapping[str, str]) -> ScreenLine:
    """Return a run that failed or needs a person as it stands in a list."""
    when = formatting.format_distance(one.finished_at or one.started_at or one.created_at, now)
    why = formatting.escape_line((one.reason or one.state).replace("_", " "), 30)
    text = f"  {when:<10} {short[one.id]}  {formatting.escape_line(one.title or one.automation, 60)}: {why}"
    return ScreenLine(
        text, "red" if one.state is RunState.FAILED else "magenta", ScreenTarget(one.automation, run=one.id)
    )


def _format_run(one: RunRow, now: int, short: Mapping[str, str]) -> ScreenLine:
    began = formatting.format_span(max(now - (one.started_at or one.created_at), 0))
    text = f"  {began:<10} {short[one.id]}  {formatting.escape_line(one.title or one.automation, 60)}"
    return ScreenLine(text, to=ScreenTarget(one.automation, run=one.id))


def _format_queue(one: QueueView, now: int) -> ScreenLine:
    limit = f" of {one.concurrency}" if one.concurrency else ""
    paused = "" if one.paused_at is None else f", paused {formatting.format_distance(one.paused_at, now)}"
    text = f"  {formatting.escape_line(one.name, 30)}: {one.running} running{limit}, {one.backlog} wait{paused}"
    return ScreenLine(text, "yellow" if one.paused_at is not None else "")


def _format_worker(one: SessionView, now: int) -> ScreenLine:
    host = formatting.escape_line(one.hostname, 40)
    # Who only looks after others, or wraps a command, never beats.
    has_beaten = one.beat_at > one.opened_at
    beat = (
        f"sign of life {formatting.format_distance(one.beat_at, now)}"
        if has_beaten
        else f"since {formatting.format_distance(one.opened_at, now)}"
    )
    held = "" if one.memory is None else f", {formatting.format_bytes(one.memory)}"
    text = f"  {one.role:<11} pid {one.pid} of {host}, {one.state}, {formatting.format_count(one.running, 'run')}{held}, {beat}"
    return ScreenLine(text, "" if one.state == SessionState.ALIVE else "yellow")
