"""Facts made by hand, and what monitors say of them."""

from typing import Any

from mainspring.domain.incident import Finding, IncidentKind
from mainspring.domain.monitors.facts import Cadence, End, Facts, Gaps, History, Watched
from mainspring.domain.monitors.judged import Judged
from mainspring.domain.monitors.table import DEFAULTS, MONITORS
from mainspring.domain.monitors.tuning import Tuning
from mainspring.domain.schedule import Schedule

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
T0 = 1_704_067_200_000
"""A Monday, 2024-01-01 00:00 UTC."""


def look(kind: IncidentKind, facts: Facts | Watched, now_at: int, tuning: Tuning | None = None) -> list[Judged]:
    """What one monitor says."""
    known = Facts(automations=(facts,)) if isinstance(facts, Watched) else facts
    return list(MONITORS[kind].judge(known, tuning or DEFAULTS[kind], now_at))


def found(kind: IncidentKind, facts: Facts | Watched, now_at: int, tuning: Tuning | None = None) -> list[Finding]:
    """What one monitor finds wrong."""
    return [one.finding for one in look(kind, facts, now_at, tuning) if one.finding is not None]


def watched(name: str = "backup", **known: Any) -> Watched:
    return Watched(name=name, **known)


def cadence(since_at: int = T0, name: str = "backup", **spec: Any) -> Cadence:
    known = {key: spec.pop(key) for key in ("written_at", "next_slot_at", "unbegun_at", "unbegun_run") if key in spec}
    return Cadence(name=name, schedule=Schedule.parse(**spec), since_at=since_at, **known)


def end(at: int, took_ms: int = SECOND, *, ok: bool = True, run: str = "r_1", size: int | None = None) -> End:
    return End(run, ok, not ok, at - took_ms, at, size)


def ends(*oks: bool, at: int = T0) -> tuple[End, ...]:
    """Ends, newest first, a minute apart."""
    return tuple(end(at - place * MINUTE, ok=ok) for place, ok in enumerate(oks))


def gaps(
    successes: int = 30,
    over_ms: int = 9 * DAY,
    p99_ms: int = 2 * HOUR,
    largest_ms: int = 10 * HOUR,
    *,
    on_weekends: bool = True,
) -> Gaps:
    return Gaps(
        successes=successes,
        over_ms=over_ms,
        class_name="all hours",
        class_gaps=successes - 1,
        p99_ms=p99_ms,
        largest_ms=largest_ms,
        on_weekends=on_weekends,
    )


def history(buckets: dict[int, int] | None = None, over_ms: int = 9 * DAY, busiest_hour: int = 10) -> History:
    """Thirty runs of 33 s to 66 s, unless said otherwise."""
    counted = {16: 30} if buckets is None else buckets
    return History(buckets=tuple(sorted(counted.items())), over_ms=over_ms, busiest_hour=busiest_hour)
