"""Tables of the page of one automation: its days, what monitors say of it, what starts it beside its schedules."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.domain.monitors.registry import MONITORS
from mainspring.domain.text.phrases import format_figure
from mainspring.domain.time.cron import find_zone, to_local
from mainspring.domain.values.plain_json import is_instant
from mainspring.insight.automations.automation_list import describe_visible_source
from mainspring.insight.incidents.findings import finding_word, format_rule, label_figure, sort_by_problem
from mainspring.insight.text import quantile
from mainspring.web.api.endpoints.automation_health import HourFigures

_TONES = {"wrong": "bad", "unsure": "idle", "well": "good"}


class DayRow(msgspec.Struct, frozen=True, kw_only=True):
    """One day on the clock of the automation; durations are what this share took at most, true to a factor of two."""

    day: str
    ended: int
    failed: int
    success_share: float | None
    p50_ms: int | None
    p95_ms: int | None


class MonitorFindingRow(msgspec.Struct, frozen=True, kw_only=True):
    """What one monitor says: a word with its tone, and what it found; `figures` = (name, text, instant)."""

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


def group_by_day(hours: Iterable[HourFigures], zone: str) -> list[DayRow]:
    """Return hours as days, the newest first."""
    tz = find_zone(zone)
    found: dict[date, list[HourFigures]] = {}
    for one in hours:
        found.setdefault(to_local(one.hour_at, tz).date(), []).append(one)
    return [_build_day(day.isoformat(), those) for day, those in sorted(found.items(), reverse=True)]


def _build_day(day: str, hours: list[HourFigures]) -> DayRow:
    succeeded, failed = sum(one.succeeded for one in hours), sum(one.failed for one in hours)
    took = quantile.merge_buckets(one.took for one in hours)
    return DayRow(
        day=day,
        ended=succeeded + failed,
        failed=failed,
        success_share=succeeded / (succeeded + failed) if succeeded + failed else None,
        p50_ms=quantile.estimate_quantile(took, 0.5),
        p95_ms=quantile.estimate_quantile(took, 0.95),
    )


def list_monitor_rows(judged: Iterable[Evaluation]) -> list[MonitorFindingRow]:
    """Return verdicts, what is wrong first."""
    return [_build_monitor_row(one) for one in sort_by_problem(judged)]


def _build_monitor_row(one: Evaluation) -> MonitorFindingRow:
    monitor, word = MONITORS[one.subject.kind], finding_word(one)
    return MonitorFindingRow(
        monitor=str(monitor.kind),
        line=monitor.line,
        rule=format_rule(monitor.rule),
        tone=_TONES[word],
        word=word,
        said=one.unsure or "" if one.finding is None else one.finding.text,
        figures=[_build_figure(name, value) for name, value in one.figures.items()],
    )


def _build_figure(name: str, value: Any) -> tuple[str, str, int | None]:
    if is_instant(name) and isinstance(value, int):
        return label_figure(name), "", value
    return label_figure(name), format_figure(name, value), None


def list_source_rows(definition: Definition | None, may_see: Callable[[str], bool]) -> list[SourceRow]:
    """Return its triggers; what other automations they listen to is told as far as those may be seen."""
    if definition is None:
        return []
    return [
        SourceRow(
            name=f"{definition.name}/{end}",
            listens_to=describe_visible_source(trigger.source, may_see),
            pace=", ".join(trigger.pace.words()),
        )
        for end, trigger in definition.triggers.items()
    ]
