"""What `mainspring top` shows of one automation, one of its runs or one of its incidents, as lines from a few capped reads."""

from collections.abc import Iterable, Iterator

from mainspring.cli.status.top_overview import (
    ScreenLine,
    ScreenTarget,
    format_failed_run,
    format_incident,
    read_short_ids,
)
from mainspring.domain.incidents.incident import Incident
from mainspring.domain.states import REOPENABLE_STATES
from mainspring.insight.text import formatting
from mainspring.service.view_unsealing import ViewUnsealer
from mainspring.store.base import StoreReader
from mainspring.store.read import incidents as reads_incidents
from mainspring.store.read.runs.run_views import list_runs, run_view
from mainspring.store.views import RunView

_MAX_ROWS = 20
_MAX_MESSAGE_LINES = 10
_MAX_TEXT_LENGTH = 300


def read_detail(reader: StoreReader, place: ScreenTarget, now: int, opening: ViewUnsealer) -> list[ScreenLine]:
    """Return what there is to see there now: first what was chosen, then its automation's incidents and last failures.

    Raises:
        NotFoundError: the run is not kept any more.
    """
    lines = [ScreenLine(formatting.escape_line(place.automation or "mainspring", 100), "bold")]
    if place.incident is not None:
        lines += _format_incident(reads_incidents.incident(reader, place.incident), now)
    if place.run is not None:
        lines += _format_run(opening.run(run_view(reader, place.run)), now)
    every = reads_incidents.incidents(reader, automation=place.automation or None, limit=1_000)
    found = [one for one in every if one.subject.automation == place.automation and one.id != place.incident]
    short = read_short_ids(reader, found[:_MAX_ROWS], [])
    lines += _make_part("Incidents", (format_incident(one, now, short) for one in found[:_MAX_ROWS]))
    if place.automation:
        failed = list_runs(reader, states=tuple(REOPENABLE_STATES), name=place.automation, limit=_MAX_ROWS).runs
        others = [opening.row(one) for one in failed if one.id != place.run]
        short = read_short_ids(reader, [], others)
        lines += _make_part("Last failures", (format_failed_run(one, now, short) for one in others))
    return lines if len(lines) > 1 else [*lines, ScreenLine("  nothing is wrong with it", "green")]


def _format_incident(one: Incident | None, now: int) -> Iterator[ScreenLine]:
    if one is None:
        yield ScreenLine("  this incident is not kept any more", "dim")
        return
    since, text = formatting.format_distance(one.since_at, now), formatting.escape_line(one.text, _MAX_TEXT_LENGTH)
    yield ScreenLine(f"  [{one.severity}] {one.state} since {since}: {text}")
    if one.hint:
        yield ScreenLine(f"  Do: {formatting.escape_line(one.hint, _MAX_TEXT_LENGTH)}")
    run = one.facts.get("run")
    if isinstance(run, str) and run:
        text = f"  run {formatting.escape_line(run, 60)}"
        yield ScreenLine(text, to=ScreenTarget(one.subject.automation, run=run))
    yield ScreenLine(f"  mainspring incidents show {one.id}", "dim")


def _format_run(view: RunView, now: int) -> Iterator[ScreenLine]:
    since = formatting.format_distance(view.finished_at or view.started_at or view.created_at, now)
    reason = f" ({formatting.escape_line(view.reason.replace('_', ' '), 40)})" if view.reason else ""
    yield ScreenLine(
        f"  {formatting.format_state(view.state)}{reason}, {since}: {formatting.escape_line(view.title or view.automation, 100)}"
    )
    if view.failure is not None:
        said = formatting.escape_text(view.failure.full_text).splitlines()
        yield from (
            ScreenLine(f"    {formatting.escape_line(line, _MAX_TEXT_LENGTH)}", "red")
            for line in said[:_MAX_MESSAGE_LINES]
        )
    yield ScreenLine(f"  mainspring explain {view.id}", "dim")


def _make_part(title: str, found: Iterable[ScreenLine]) -> list[ScreenLine]:
    lines = list(found)
    return [ScreenLine(""), ScreenLine(f"{title} ({len(lines)})", "bold"), *lines] if lines else []
