"""Success gaps: the time between hours that had a success, from which the next one is expected.

Counts of more than two days ago are stored by the hour, so all are read so: a gap of k hours was longer than k - 1 and shorter than k + 1.
"""

import math
from collections import Counter
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from mainspring.domain.monitors.inputs import SuccessGaps
from mainspring.domain.time.cron import find_zone, to_local

HOUR_MS = 3_600_000
GAP_HISTORY_MS = 28 * 24 * HOUR_MS
"""How far back successes are read before the last one."""
MIN_GAPS = 20
"""A class with fewer gaps is compared with all of them."""
SHORTEST_WINDOW_MS = 3 * HOUR_MS
"""No learned window is shorter: the shortest measurable gap is an hour."""

_DAY_MS = 24 * HOUR_MS
_SATURDAY = 5
_ALL_HOURS = "all hours"
_QUARTERS = ("night", "morning", "afternoon", "evening")


def measure_gaps(hours: Sequence[tuple[int, int]], tz: str) -> SuccessGaps:
    """Return the gaps of (start of an hour, its successes), oldest first, with at least one; the last one ends it."""
    zone = find_zone(tz)
    gaps_by_class: dict[str, Counter[int]] = {}
    for index, (at, n) in enumerate(hours):
        class_gaps = gaps_by_class.setdefault(hour_class(at, zone), Counter())
        if n > 1:  # gaps of less than an hour, each; an hour is what they count for
            class_gaps[HOUR_MS] += n - 1
        if index + 1 < len(hours):
            class_gaps[hours[index + 1][0] - at] += 1
    all_gaps = sum(gaps_by_class.values(), Counter[int]())
    last_class = hour_class(hours[-1][0], zone)
    gap_counts = gaps_by_class[last_class]
    if gap_counts.total() < MIN_GAPS:
        last_class, gap_counts = _ALL_HOURS, all_gaps
    return SuccessGaps(
        successes=sum(n for _, n in hours),
        over_ms=hours[-1][0] - hours[0][0],
        class_name=last_class,
        class_gaps=gap_counts.total(),
        p99_ms=_quantile(gap_counts, 0.99),
        largest_ms=max(all_gaps, default=0),
        on_weekends=any(is_weekend(at, zone) for at, _ in hours),
    )


def _quantile(gap_counts: Counter[int], share: float) -> int:
    """Return the gap at this share of all, from the shortest; 0 if there is none."""
    target_rank, rank = math.ceil(gap_counts.total() * share), 0
    for gap, n in sorted(gap_counts.items()):
        rank += n
        if rank >= target_rank:
            return gap
    return 0


def hour_class(at: int, zone: ZoneInfo) -> str:
    """Return the class of an hour of the week: working day or weekend, and the quarter of the day, on the clock of the zone."""
    days = "weekends" if is_weekend(at, zone) else "working days"
    return f"{days}, {_QUARTERS[to_local(at, zone).hour // 6]}"


def is_weekend(at: int, zone: ZoneInfo) -> bool:
    """Return whether an instant is on a Saturday or Sunday, on the clock of the zone."""
    return to_local(at, zone).weekday() >= _SATURDAY


def extend_over_weekends(from_at: int, span_ms: int, zone: ZoneInfo) -> int:
    """Return how long it takes from an instant until this span of working days has passed."""
    at, left_ms = from_at, span_ms
    while left_ms:
        local = to_local(at, zone)
        day_ms = _DAY_MS - 1_000 * (local.hour * 3_600 + local.minute * 60 + local.second) - local.microsecond // 1_000
        if local.weekday() < _SATURDAY:
            day_ms = min(day_ms, left_ms)
            left_ms -= day_ms
        at += day_ms
    return at - from_at
