"""Overview of `mainspring top` at an instant, as data from a few capped reads and as lines."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from mainspring.domain.incidents.incident import Incident, Severity
from mainspring.domain.states import REOPENABLE_STATES, RunState, SessionState
from mainspring.insight.incidents.open_incidents import MAX_LISTED, OpenIncidents
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
    """The target of a line: an automation ("" = Mainspring's own incidents), a run of it or one of its incidents."""

    automation: str
    run: str | None = None
    incident: str | None = None


class ScreenLine(NamedTuple):
    """A line of text, its style (a colour, "bold", or "" for none), and its target."""

    text: str
    style: str = ""
    to: ScreenTarget | None = None


class UpcomingStart(msgspec.Struct, frozen=True):
    """The next instant at which a schedule makes a run (ms UTC)."""

    automation: str
    at: int


class Overview(msgspec.Struct, frozen=True):
    """The status, open incidents (the most severe first), runs that failed or need a person, live runs (newest first), queues,
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

    def unseal(self, unsealer: ViewUnsealer) -> "Overview":
        """Return the overview with the titles of runs unsealed."""
        failed, runs = ([unsealer.row(row) for row in rows] for rows in (self.failed, self.runs))
        return msgspec.structs.replace(self, failed=failed, runs=runs)


def read_overview(reader: StoreReader, verdict: ProjectStatus) -> Overview:
    """Return the overview, with the given status."""
    from mainspring.store.read.incidents import open_incidents
    from mainspring.store.read.runs.run_views import list_runs
    from mainspring.store.read.status import status

    retired = {view.name for view in status.automations(reader) if view.retired_at is not None}
    slots = [
        UpcomingStart(schedule.automation, schedule.next_slot_at)
        for schedule in status.schedules(reader)
        if schedule.next_slot_at is not None and schedule.retired_at is None and schedule.automation not in retired
    ]
    incidents = OpenIncidents(open_incidents(reader, _MAX_ROWS)).open
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
        slots=sorted(slots, key=lambda slot: (slot.at, slot.automation))[:_MAX_ROWS],
    )


def read_short_ids(reader: StoreReader, incidents: Iterable[Incident], runs: Iterable[RunRow]) -> dict[str, str]:
    """Return the short form of the ids of these incidents and runs."""
    return {
        **short_ids(reader, IdKind.INCIDENT, (incident.id for incident in incidents)),
        **short_ids(reader, IdKind.RUN, (run.id for run in runs)),
    }


def format_overview(frame: Overview, now: int, height: int | None = None) -> list[ScreenLine]:
    """Return the overview as lines, cut to `height` lines (None = all): the status is whole, the parts share the rest."""
    icon, colour = status_icon(frame.verdict)
    head = [ScreenLine(f"{icon} {frame.verdict.sentence}", colour), ScreenLine(f"store {frame.verdict.store}", "dim")]
    # Problems without an incident; open incidents have a part of their own.
    incident_problems = min(frame.verdict.incidents, MAX_LISTED + 1)
    head += [
        ScreenLine(f"  {formatting.escape_line(problem)}") for problem in frame.verdict.problems[incident_problems:]
    ]
    parts = [(title, list(rows)) for title, rows in _make_parts(frame, now)]
    parts = [(title, rows) for title, rows in parts if rows]
    max_rows = None
    if height is not None:
        max_rows = _share_lines([len(rows) for _, rows in parts], height - len(head) - 2 * len(parts))
    lines = head
    for title, rows in parts:
        visible = rows if max_rows is None else rows[:max_rows]
        more_text = f", {len(rows) - len(visible)} more" if len(visible) < len(rows) else ""
        lines += [ScreenLine(""), ScreenLine(f"{title} ({len(rows)}{more_text})", "bold"), *visible]
    return lines if height is None else lines[:height]


def _share_lines(sizes: list[int], free_lines: int) -> int:
    """Return the number of lines of each part, so that all fit and small parts leave theirs to the others."""
    limit = max([1, *sizes])
    while limit > 1 and sum(min(size, limit) for size in sizes) > free_lines:
        limit -= 1
    return limit


def _make_parts(frame: Overview, now: int) -> Iterator[tuple[str, Iterator[ScreenLine]]]:
    yield "Incidents", (format_incident(incident, now, frame.short) for incident in frame.incidents)
    yield "Failed", (format_failed_run(run, now, frame.short) for run in frame.failed)
    yield "Running", (_format_run(run, now, frame.short) for run in frame.runs)
    yield "Queues", (_format_queue(queue, now) for queue in frame.queues)
    yield "Processes", (_format_worker(worker, now) for worker in frame.workers)
    yield (
        "Next",
        (
            ScreenLine(
                f"  {formatting.format_distance(slot.at, now) if slot.at > now else 'due':<10}"
                f" {formatting.escape_line(slot.automation, 60)}",
                to=ScreenTarget(slot.automation),
            )
            for slot in frame.slots
        ),
    )


def format_incident(incident: Incident, now: int, short_ids: Mapping[str, str]) -> ScreenLine:
    """Return an incident as a line of a list."""
    summary = formatting.escape_line(f"{formatting.incident_automation(incident)}: {incident.summary}", 160)
    text = f"  {incident.severity:<7} {formatting.format_distance(incident.since_at, now):<10} {short_ids[incident.id]}  {summary}"
    return ScreenLine(
        text, _SEVERITY_COLOURS[incident.severity], ScreenTarget(incident.subject.automation, incident=incident.id)
    )


def format_failed_run(run: RunRow, now: int, short_ids: Mapping[str, str]) -> ScreenLine:
    """Return a run that failed or needs a person as a line of a list."""
    changed = formatting.format_distance(run.finished_at or run.started_at or run.created_at, now)
    reason = formatting.escape_line((run.reason or run.state).replace("_", " "), 30)
    text = f"  {changed:<10} {short_ids[run.id]}  {formatting.escape_line(run.title or run.automation, 60)}: {reason}"
    return ScreenLine(
        text, "red" if run.state is RunState.FAILED else "magenta", ScreenTarget(run.automation, run=run.id)
    )


def _format_run(run: RunRow, now: int, short_ids: Mapping[str, str]) -> ScreenLine:
    duration = formatting.format_span(max(now - (run.started_at or run.created_at), 0))
    text = f"  {duration:<10} {short_ids[run.id]}  {formatting.escape_line(run.title or run.automation, 60)}"
    return ScreenLine(text, to=ScreenTarget(run.automation, run=run.id))


def _format_queue(queue: QueueView, now: int) -> ScreenLine:
    limit = f" of {queue.concurrency}" if queue.concurrency else ""
    paused = "" if queue.paused_at is None else f", paused {formatting.format_distance(queue.paused_at, now)}"
    text = f"  {formatting.escape_line(queue.name, 30)}: {queue.running} running{limit}, {queue.backlog} wait{paused}"
    return ScreenLine(text, "yellow" if queue.paused_at is not None else "")


def _format_worker(worker: SessionView, now: int) -> ScreenLine:
    host = formatting.escape_line(worker.hostname, 40)
    # A process that only watches others, or wraps a command, sends no heartbeat.
    has_beaten = worker.beat_at > worker.opened_at
    beat = (
        f"heartbeat {formatting.format_distance(worker.beat_at, now)}"
        if has_beaten
        else f"since {formatting.format_distance(worker.opened_at, now)}"
    )
    memory = "" if worker.memory is None else f", {formatting.format_bytes(worker.memory)}"
    text = (
        f"  {worker.role:<11} pid {worker.pid} of {host}, {worker.state},"
        f" {formatting.format_count(worker.running, 'run')}{memory}, {beat}"
    )
    return ScreenLine(text, "" if worker.state == SessionState.ALIVE else "yellow")
