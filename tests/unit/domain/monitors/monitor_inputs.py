"""Facts made by hand, and what monitors say of them."""

from typing import Any

from mainspring.domain.incidents.incident import Finding, IncidentKind
from mainspring.domain.monitors.inputs import (
    DurationHistory,
    MonitorInputs,
    RunCompletion,
    SuccessGaps,
    WatchedAutomation,
    WatchedSchedule,
)
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS, MONITORS
from mainspring.domain.monitors.tuning import Tuning
from mainspring.domain.time.schedule import Schedule

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
T0 = 1_704_067_200_000
"""A Monday, 2024-01-01 00:00 UTC."""


def evaluate(
    kind: IncidentKind, facts: MonitorInputs | WatchedAutomation, now_at: int, tuning: Tuning | None = None
) -> list[Evaluation]:
    """What one monitor says."""
    known = MonitorInputs(automations=(facts,)) if isinstance(facts, WatchedAutomation) else facts
    return list(MONITORS[kind].evaluate(known, tuning or DEFAULT_TUNINGS[kind], now_at))


def found(
    kind: IncidentKind, facts: MonitorInputs | WatchedAutomation, now_at: int, tuning: Tuning | None = None
) -> list[Finding]:
    """What one monitor finds wrong."""
    return [
        evaluation.finding for evaluation in evaluate(kind, facts, now_at, tuning) if evaluation.finding is not None
    ]


def watched(name: str = "backup", **known: Any) -> WatchedAutomation:
    return WatchedAutomation(name=name, **known)


def cadence(since_at: int = T0, name: str = "backup", **spec: Any) -> WatchedSchedule:
    known = {key: spec.pop(key) for key in ("written_at", "next_slot_at", "unbegun_at", "unbegun_run") if key in spec}
    return WatchedSchedule(name=name, schedule=Schedule.parse(**spec), since_at=since_at, **known)


def end(
    at: int, duration_ms: int = SECOND, *, ok: bool = True, run: str = "r_1", size: int | None = None
) -> RunCompletion:
    return RunCompletion(run, ok, not ok, at - duration_ms, at, size)


def ends(*oks: bool, at: int = T0) -> tuple[RunCompletion, ...]:
    """Ends, newest first, a minute apart."""
    return tuple(end(at - place * MINUTE, ok=ok) for place, ok in enumerate(oks))


def gaps(
    successes: int = 30,
    over_ms: int = 9 * DAY,
    p99_ms: int = 2 * HOUR,
    largest_ms: int = 10 * HOUR,
    *,
    on_weekends: bool = True,
) -> SuccessGaps:
    return SuccessGaps(
        successes=successes,
        over_ms=over_ms,
        class_name="all hours",
        class_gaps=successes - 1,
        p99_ms=p99_ms,
        largest_ms=largest_ms,
        on_weekends=on_weekends,
    )


def history(buckets: dict[int, int] | None = None, over_ms: int = 9 * DAY, busiest_hour: int = 10) -> DurationHistory:
    """Thirty runs of 33 s to 66 s, unless said otherwise."""
    counted = {16: 30} if buckets is None else buckets
    return DurationHistory(buckets=tuple(sorted(counted.items())), over_ms=over_ms, busiest_hour=busiest_hour)
