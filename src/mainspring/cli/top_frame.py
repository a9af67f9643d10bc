"""What `mainspring top` shows at an instant, as data from a few capped reads and as lines."""

from collections.abc import Iterator

import msgspec

from mainspring.cli import words
from mainspring.cli.open_incidents import SHOWN, OpenIncidents
from mainspring.cli.verdict import Verdict
from mainspring.domain.incident import Incident, Severity
from mainspring.domain.states import RunState, SessionState
from mainspring.store.base import Reader
from mainspring.store.session_view import SessionView
from mainspring.store.views import QueueView, RunRow

_EACH = 50
_LOUD = {Severity.PAGE: "red", Severity.NOTIFY: "yellow", Severity.DIGEST: ""}

Line = tuple[str, str]
"""A line of text and its style: a colour, "bold", or "" for none."""


class NextSlot(msgspec.Struct, frozen=True):
    """When a schedule makes a run next (ms UTC)."""

    automation: str
    at: int


class Frame(msgspec.Struct, frozen=True):
    """One look: the verdict, open incidents (the loudest first), runs that run (newest first), queues, processes, next slots."""

    verdict: Verdict
    incidents: list[Incident]
    runs: list[RunRow]
    queues: list[QueueView]
    workers: list[SessionView]
    slots: list[NextSlot]


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
    return Frame(
        verdict=verdict,
        incidents=OpenIncidents(reads_incidents.incidents(reader, limit=1_000)).open[:_EACH],
        runs=list_runs(reader, states=(RunState.RUNNING,), limit=_EACH).runs,
        queues=status.queue_views(reader)[:_EACH],
        workers=status.sessions(reader, limit=_EACH),
        slots=sorted(slots, key=lambda one: (one.at, one.automation))[:_EACH],
    )


def lines_of(frame: Frame, now: int, height: int | None = None) -> list[Line]:
    """Return the frame as lines, cut to `height` lines (None = all): the verdict is whole, the parts share what is left."""
    icon, colour = (words.GOOD, "green") if frame.verdict.healthy else (words.BAD, "red")
    head: list[Line] = [(f"{icon} {frame.verdict.sentence}", colour), (f"store {frame.verdict.store}", "dim")]
    # What no incident says; those that are open have a part of their own.
    told = min(frame.verdict.incidents, SHOWN + 1)
    head += [(f"  {words.one_line(problem)}", "") for problem in frame.verdict.problems[told:]]
    parts = [(title, list(found)) for title, found in _parts(frame, now)]
    parts = [(title, found) for title, found in parts if found]
    most = None
    if height is not None:
        most = _share([len(found) for _, found in parts], height - len(head) - 2 * len(parts))
    lines = head
    for title, found in parts:
        shown = found if most is None else found[:most]
        more = f", {len(found) - len(shown)} more" if len(shown) < len(found) else ""
        lines += [("", ""), (f"{title} ({len(found)}{more})", "bold"), *shown]
    return lines if height is None else lines[:height]


def _share(sizes: list[int], room: int) -> int:
    """Return how many lines each part may have, so that all of them have room and small ones leave theirs to the others."""
    most = max([1, *sizes])
    while most > 1 and sum(min(size, most) for size in sizes) > room:
        most -= 1
    return most


def _parts(frame: Frame, now: int) -> Iterator[tuple[str, Iterator[Line]]]:
    yield "Incidents", (_incident(one, now) for one in frame.incidents)
    yield "Running", (_run(one, now) for one in frame.runs)
    yield "Queues", (_queue(one, now) for one in frame.queues)
    yield "Processes", (_worker(one, now) for one in frame.workers)
    yield (
        "Next",
        (
            (f"  {words.ago(one.at, now) if one.at > now else 'due':<10} {words.one_line(one.automation, 60)}", "")
            for one in frame.slots
        ),
    )


def _incident(one: Incident, now: int) -> Line:
    whose = one.subject.automation or "mainspring"
    text = (
        f"  {one.severity:<7} {words.ago(one.since_at, now):<9} {words.one_line(f'{whose}: {one.text}', 160)}  {one.id}"
    )
    return text, _LOUD[one.severity]


def _run(one: RunRow, now: int) -> Line:
    began = words.span(max(now - (one.started_at or one.created_at), 0))
    return f"  {began:<9} {words.one_line(one.title or one.automation, 60)}  {one.id}", ""


def _queue(one: QueueView, now: int) -> Line:
    limit = f" of {one.concurrency}" if one.concurrency else ""
    paused = "" if one.paused_at is None else f", paused {words.ago(one.paused_at, now)}"
    text = f"  {words.one_line(one.name, 30)}: {one.running} running{limit}, {one.backlog} wait{paused}"
    return text, "yellow" if one.paused_at is not None else ""


def _worker(one: SessionView, now: int) -> Line:
    host = words.one_line(one.hostname, 40)
    beat = f"sign of life {words.ago(one.beat_at, now)}"
    text = f"  {one.role:<11} pid {one.pid} of {host}, {one.state}, {words.many(one.running, 'run')}, {beat}"
    return text, "" if one.state == SessionState.ALIVE else "yellow"
