"""What `mainspring top` shows at an instant, as data from a few capped reads and as lines."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from mainspring.domain.incidents.incident import Incident, Severity
from mainspring.domain.states import REOPENABLE_STATES, RunState, SessionState
from mainspring.insight import words
from mainspring.insight.open_incidents import SHOWN, OpenIncidents
from mainspring.insight.verdict import Verdict, mark
from mainspring.service.opening import ViewOpening
from mainspring.store.base import Reader
from mainspring.store.reads.short_ids import IdKind, short_ids
from mainspring.store.session_view import SessionView
from mainspring.store.views import QueueView, RunRow

_EACH = 50
_LOUD = {Severity.PAGE: "red", Severity.NOTIFY: "yellow", Severity.DIGEST: ""}


class Place(NamedTuple):
    """What can be looked at by itself: an automation ("" = Mainspring's own incidents), a run of it or one of its incidents."""

    automation: str
    run: str | None = None
    incident: str | None = None


class Line(NamedTuple):
    """A line of text, its style (a colour, "bold", or "" for none), and what it leads to."""

    text: str
    style: str = ""
    to: Place | None = None


class NextSlot(msgspec.Struct, frozen=True):
    """When a schedule makes a run next (ms UTC)."""

    automation: str
    at: int


class Frame(msgspec.Struct, frozen=True):
    """One look: the verdict, open incidents (the loudest first), runs that failed or need a person, runs that run (newest first), queues,
    processes, next slots.
    """

    verdict: Verdict
    incidents: list[Incident]
    failed: list[RunRow]
    runs: list[RunRow]
    queues: list[QueueView]
    workers: list[SessionView]
    slots: list[NextSlot]
    short: dict[str, str] = {}
    """The short form of each id in it."""

    def opened(self, opening: ViewOpening) -> "Frame":
        """Return it with the titles of runs as whoever has the codec reads them."""
        failed, runs = ([opening.row(row) for row in rows] for rows in (self.failed, self.runs))
        return msgspec.structs.replace(self, failed=failed, runs=runs)


def look(reader: Reader, verdict: Verdict) -> Frame:
    """Return what there is to see now, beside the verdict."""
    from mainspring.store.reads import incidents as reads_incidents
    from mainspring.store.reads import status
    from mainspring.store.reads.runs import list_runs

    gone = {view.name for view in status.automations(reader) if view.retired_at is not None}
    slots = [
        NextSlot(one.automation, one.next_slot_at)
        for one in status.schedules(reader)
        if one.next_slot_at is not None and one.retired_at is None and one.automation not in gone
    ]
    incidents = OpenIncidents(reads_incidents.told(reader, _EACH)).open
    failed = list_runs(reader, states=tuple(REOPENABLE_STATES), limit=_EACH).runs
    runs = list_runs(reader, states=(RunState.RUNNING,), limit=_EACH).runs
    return Frame(
        verdict=verdict,
        incidents=incidents,
        failed=failed,
        runs=runs,
        short=shorten(reader, incidents, [*failed, *runs]),
        queues=status.queue_views(reader)[:_EACH],
        workers=status.sessions(reader, limit=_EACH),
        slots=sorted(slots, key=lambda one: (one.at, one.automation))[:_EACH],
    )


def shorten(reader: Reader, incidents: Iterable[Incident], runs: Iterable[RunRow]) -> dict[str, str]:
    """Return the short form of the ids of these incidents and runs."""
    return {
        **short_ids(reader, IdKind.INCIDENT, (incident.id for incident in incidents)),
        **short_ids(reader, IdKind.RUN, (run.id for run in runs)),
    }


def lines_of(frame: Frame, now: int, height: int | None = None) -> list[Line]:
    """Return the frame as lines, cut to `height` lines (None = all): the verdict is whole, the parts share what is left."""
    icon, colour = mark(frame.verdict)
    head = [Line(f"{icon} {frame.verdict.sentence}", colour), Line(f"store {frame.verdict.store}", "dim")]
    # What no incident says; those that are open have a part of their own.
    told = min(frame.verdict.incidents, SHOWN + 1)
    head += [Line(f"  {words.one_line(problem)}") for problem in frame.verdict.problems[told:]]
    parts = [(title, list(found)) for title, found in _parts(frame, now)]
    parts = [(title, found) for title, found in parts if found]
    most = None
    if height is not None:
        most = _share([len(found) for _, found in parts], height - len(head) - 2 * len(parts))
    lines = head
    for title, found in parts:
        shown = found if most is None else found[:most]
        more = f", {len(found) - len(shown)} more" if len(shown) < len(found) else ""
        lines += [Line(""), Line(f"{title} ({len(found)}{more})", "bold"), *shown]
    return lines if height is None else lines[:height]


def _share(sizes: list[int], room: int) -> int:
    """Return how many lines each part may have, so that all of them have room and small ones leave theirs to the others."""
    most = max([1, *sizes])
    while most > 1 and sum(min(size, most) for size in sizes) > room:
        most -= 1
    return most


def _parts(frame: Frame, now: int) -> Iterator[tuple[str, Iterator[Line]]]:
    yield "Incidents", (incident_line(one, now, frame.short) for one in frame.incidents)
    yield "Failed", (failed_line(one, now, frame.short) for one in frame.failed)
    yield "Running", (_run(one, now, frame.short) for one in frame.runs)
    yield "Queues", (_queue(one, now) for one in frame.queues)
    yield "Processes", (_worker(one, now) for one in frame.workers)
    yield (
        "Next",
        (
            Line(
                f"  {words.ago(one.at, now) if one.at > now else 'due':<10} {words.one_line(one.automation, 60)}",
                to=Place(one.automation),
            )
            for one in frame.slots
        ),
    )


def incident_line(one: Incident, now: int, short: Mapping[str, str]) -> Line:
    """Return an incident as it stands in a list."""
    what = words.one_line(f"{words.incident_automation(one)}: {one.said}", 160)
    text = f"  {one.severity:<7} {words.ago(one.since_at, now):<10} {short[one.id]}  {what}"
    return Line(text, _LOUD[one.severity], Place(one.subject.automation, incident=one.id))


def failed_line(one: RunRow, now: int, short: Mapping[str, str]) -> Line:
    """Return a run that failed or needs a person as it stands in a list."""
    when = words.ago(one.finished_at or one.started_at or one.created_at, now)
    why = words.one_line((one.reason or one.state).replace("_", " "), 30)
    text = f"  {when:<10} {short[one.id]}  {words.one_line(one.title or one.automation, 60)}: {why}"
    return Line(text, "red" if one.state is RunState.FAILED else "magenta", Place(one.automation, run=one.id))


def _run(one: RunRow, now: int, short: Mapping[str, str]) -> Line:
    began = words.span(max(now - (one.started_at or one.created_at), 0))
    text = f"  {began:<10} {short[one.id]}  {words.one_line(one.title or one.automation, 60)}"
    return Line(text, to=Place(one.automation, run=one.id))


def _queue(one: QueueView, now: int) -> Line:
    limit = f" of {one.concurrency}" if one.concurrency else ""
    paused = "" if one.paused_at is None else f", paused {words.ago(one.paused_at, now)}"
    text = f"  {words.one_line(one.name, 30)}: {one.running} running{limit}, {one.backlog} wait{paused}"
    return Line(text, "yellow" if one.paused_at is not None else "")


def _worker(one: SessionView, now: int) -> Line:
    host = words.one_line(one.hostname, 40)
    # Who only looks after others, or wraps a command, never beats.
    has_beaten = one.beat_at > one.opened_at
    beat = f"sign of life {words.ago(one.beat_at, now)}" if has_beaten else f"since {words.ago(one.opened_at, now)}"
    held = "" if one.memory is None else f", {words.memory(one.memory)}"
    text = f"  {one.role:<11} pid {one.pid} of {host}, {one.state}, {words.many(one.running, 'run')}{held}, {beat}"
    return Line(text, "" if one.state == SessionState.ALIVE else "yellow")
