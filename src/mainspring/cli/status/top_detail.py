"""Details in `mainspring top`, of an automation, one of its runs or one of its incidents, as lines from a few capped reads."""

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
from mainspring.store.read import incidents
from mainspring.store.read.runs.run_views import list_runs, run_view
from mainspring.store.views import RunView

_MAX_ROWS = 20
_MAX_MESSAGE_LINES = 10
_MAX_TEXT_LENGTH = 300


def read_detail(reader: StoreReader, place: ScreenTarget, now: int, unsealer: ViewUnsealer) -> list[ScreenLine]:
    """Return the lines of a place: first the chosen object, then its automation's incidents and last failures.

    Raises:
        NotFoundError: the run was deleted.
    """
    lines = [ScreenLine(formatting.escape_line(place.automation or "mainspring", 100), "bold")]
    if place.incident is not None:
        lines += _format_incident(incidents.incident(reader, place.incident), now)
    if place.run is not None:
        lines += _format_run(unsealer.run(run_view(reader, place.run)), now)
    all_incidents = incidents.incidents(reader, automation=place.automation or None, limit=1_000)
    other_incidents = [
        incident
        for incident in all_incidents
        if incident.subject.automation == place.automation and incident.id != place.incident
    ]
    short_ids = read_short_ids(reader, other_incidents[:_MAX_ROWS], [])
    lines += _make_part(
        "Incidents", (format_incident(incident, now, short_ids) for incident in other_incidents[:_MAX_ROWS])
    )
    if place.automation:
        failed = list_runs(reader, states=tuple(REOPENABLE_STATES), name=place.automation, limit=_MAX_ROWS).runs
        other_failures = [unsealer.row(run) for run in failed if run.id != place.run]
        short_ids = read_short_ids(reader, [], other_failures)
        lines += _make_part("Last failures", (format_failed_run(run, now, short_ids) for run in other_failures))
    return lines if len(lines) > 1 else [*lines, ScreenLine("  it has no failure", "green")]


def _format_incident(incident: Incident | None, now: int) -> Iterator[ScreenLine]:
    if incident is None:
        yield ScreenLine("  this incident is no longer stored", "dim")
        return
    since, text = (
        formatting.format_distance(incident.since_at, now),
        formatting.escape_line(incident.text, _MAX_TEXT_LENGTH),
    )
    yield ScreenLine(f"  [{incident.severity}] {incident.state} since {since}: {text}")
    if incident.hint:
        yield ScreenLine(f"  Do: {formatting.escape_line(incident.hint, _MAX_TEXT_LENGTH)}")
    run = incident.facts.get("run")
    if isinstance(run, str) and run:
        text = f"  run {formatting.escape_line(run, 60)}"
        yield ScreenLine(text, to=ScreenTarget(incident.subject.automation, run=run))
    yield ScreenLine(f"  mainspring incidents show {incident.id}", "dim")


def _format_run(view: RunView, now: int) -> Iterator[ScreenLine]:
    since = formatting.format_distance(view.finished_at or view.started_at or view.created_at, now)
    reason = f" ({formatting.escape_line(view.reason.replace('_', ' '), 40)})" if view.reason else ""
    yield ScreenLine(
        f"  {formatting.format_state(view.state)}{reason}, {since}: {formatting.escape_line(view.title or view.automation, 100)}"
    )
    if view.failure is not None:
        error_lines = formatting.escape_text(view.failure.full_text).splitlines()
        yield from (
            ScreenLine(f"    {formatting.escape_line(line, _MAX_TEXT_LENGTH)}", "red")
            for line in error_lines[:_MAX_MESSAGE_LINES]
        )
    yield ScreenLine(f"  mainspring explain {view.id}", "dim")


def _make_part(title: str, rows: Iterable[ScreenLine]) -> list[ScreenLine]:
    lines = list(rows)
    return [ScreenLine(""), ScreenLine(f"{title} ({len(lines)})", "bold"), *lines] if lines else []
