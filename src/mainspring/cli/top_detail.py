"""What `mainspring top` shows of one automation, one of its runs or one of its incidents, as lines from a few capped reads."""

from collections.abc import Iterable, Iterator

from mainspring.cli.top_frame import Line, Place, failed_line, incident_line, shorten
from mainspring.domain.incidents.incident import Incident
from mainspring.domain.states import REOPENABLE_STATES
from mainspring.insight import words
from mainspring.service.opening import ViewOpening
from mainspring.store.base import Reader
from mainspring.store.reads import incidents as reads_incidents
from mainspring.store.reads.runs import list_runs, run_view
from mainspring.store.views import RunView

_EACH = 20
_MESSAGE = 10
_WIDE = 300


def look_into(reader: Reader, place: Place, now: int, opening: ViewOpening) -> list[Line]:
    """Return what there is to see there now: first what was chosen, then its automation's incidents and last failures.

    Raises:
        NotFoundError: the run is not kept any more.
    """
    lines = [Line(words.one_line(place.automation or "mainspring", 100), "bold")]
    if place.incident is not None:
        lines += _incident(reads_incidents.incident(reader, place.incident), now)
    if place.run is not None:
        lines += _run(opening.run(run_view(reader, place.run)), now)
    every = reads_incidents.incidents(reader, automation=place.automation or None, limit=1_000)
    found = [one for one in every if one.subject.automation == place.automation and one.id != place.incident]
    short = shorten(reader, found[:_EACH], [])
    lines += _part("Incidents", (incident_line(one, now, short) for one in found[:_EACH]))
    if place.automation:
        failed = list_runs(reader, states=tuple(REOPENABLE_STATES), name=place.automation, limit=_EACH).runs
        others = [opening.row(one) for one in failed if one.id != place.run]
        short = shorten(reader, [], others)
        lines += _part("Last failures", (failed_line(one, now, short) for one in others))
    return lines if len(lines) > 1 else [*lines, Line("  nothing is wrong with it", "green")]


def _incident(one: Incident | None, now: int) -> Iterator[Line]:
    if one is None:
        yield Line("  this incident is not kept any more", "dim")
        return
    yield Line(
        f"  [{one.severity}] {one.state} since {words.ago(one.since_at, now)}: {words.one_line(one.text, _WIDE)}"
    )
    if one.hint:
        yield Line(f"  Do: {words.one_line(one.hint, _WIDE)}")
    run = one.facts.get("run")
    if isinstance(run, str) and run:
        text = f"  run {words.one_line(run, 60)}"
        yield Line(text, to=Place(one.subject.automation, run=run))
    yield Line(f"  mainspring incidents show {one.id}", "dim")


def _run(view: RunView, now: int) -> Iterator[Line]:
    since = words.ago(view.finished_at or view.started_at or view.created_at, now)
    reason = f" ({words.one_line(view.reason.replace('_', ' '), 40)})" if view.reason else ""
    yield Line(
        f"  {words.state_word(view.state)}{reason}, {since}: {words.one_line(view.title or view.automation, 100)}"
    )
    if view.failure is not None:
        said = words.shown(view.failure.full_text).splitlines()
        yield from (Line(f"    {words.one_line(line, _WIDE)}", "red") for line in said[:_MESSAGE])
    yield Line(f"  mainspring explain {view.id}", "dim")


def _part(title: str, found: Iterable[Line]) -> list[Line]:
    lines = list(found)
    return [Line(""), Line(f"{title} ({len(lines)})", "bold"), *lines] if lines else []
