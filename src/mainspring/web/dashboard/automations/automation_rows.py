"""Rows for the tables of an automation's page: days, monitors, triggers."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.domain.monitors.registry import MONITORS
from mainspring.domain.text.phrases import format_metric
from mainspring.domain.time.cron import find_zone, to_local
from mainspring.domain.values.plain_json import is_instant
from mainspring.insight.automations.automation_list import describe_visible_source
from mainspring.insight.incidents.findings import finding_word, format_rule, label_metric, sort_by_problem
from mainspring.insight.text import quantile
from mainspring.web.api.endpoints.automation_health import HourStats

_TONES = {"failing": "bad", "unsure": "idle", "healthy": "good"}


class DayRow(msgspec.Struct, frozen=True, kw_only=True):
    """One day in the zone of the automation; a share of the runs took at most the duration, true to a factor of two."""

    day: str
    ended: int
    failed: int
    success_share: float | None
    p50_ms: int | None
    p95_ms: int | None


class MonitorFindingRow(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one monitor: a word with its tone, and its finding; `figures` = (name, text, instant)."""

    monitor: str
    line: str
    rule: str
    tone: str
    word: str
    said: str
    figures: list[tuple[str, str, int | None]]


class SourceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One trigger."""

    name: str
    listens_to: str
    pace: str


def group_by_day(hours: Iterable[HourStats], zone: str) -> list[DayRow]:
    """Return hours grouped by day, newest first."""
    tz = find_zone(zone)
    hours_by_day: dict[date, list[HourStats]] = {}
    for hour in hours:
        hours_by_day.setdefault(to_local(hour.hour_at, tz).date(), []).append(hour)
    return [_build_day(day.isoformat(), day_hours) for day, day_hours in sorted(hours_by_day.items(), reverse=True)]


def _build_day(day: str, hours: list[HourStats]) -> DayRow:
    succeeded, failed = sum(hour.succeeded for hour in hours), sum(hour.failed for hour in hours)
    durations = quantile.merge_buckets(hour.took for hour in hours)
    return DayRow(
        day=day,
        ended=succeeded + failed,
        failed=failed,
        success_share=succeeded / (succeeded + failed) if succeeded + failed else None,
        p50_ms=quantile.estimate_quantile(durations, 0.5),
        p95_ms=quantile.estimate_quantile(durations, 0.95),
    )


def list_monitor_rows(evaluations: Iterable[Evaluation]) -> list[MonitorFindingRow]:
    """Return evaluations, failing ones first."""
    return [_build_monitor_row(evaluation) for evaluation in sort_by_problem(evaluations)]


def _build_monitor_row(evaluation: Evaluation) -> MonitorFindingRow:
    monitor, word = MONITORS[evaluation.subject.kind], finding_word(evaluation)
    return MonitorFindingRow(
        monitor=str(monitor.kind),
        line=monitor.line,
        rule=format_rule(monitor.rule),
        tone=_TONES[word],
        word=word,
        said=evaluation.unsure or "" if evaluation.finding is None else evaluation.finding.text,
        figures=[_build_input(name, value) for name, value in evaluation.figures.items()],
    )


def _build_input(name: str, value: Any) -> tuple[str, str, int | None]:
    if is_instant(name) and isinstance(value, int):
        return label_metric(name), "", value
    return label_metric(name), format_metric(name, value), None


def list_source_rows(definition: Definition | None, may_view: Callable[[str], bool]) -> list[SourceRow]:
    """Return its triggers; sources of other automations are described as far as the visitor may see them."""
    if definition is None:
        return []
    return [
        SourceRow(
            name=f"{definition.name}/{trigger_name}",
            listens_to=describe_visible_source(trigger.source, may_view),
            pace=", ".join(trigger.pace.words()),
        )
        for trigger_name, trigger in definition.triggers.items()
    ]
