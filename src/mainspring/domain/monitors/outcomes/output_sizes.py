"""Output sizes of past successes: how small they were, and on which days.

Only the smallest of a day counts. So an automation that runs each minute is compared with as many days as one that runs once a day.
"""

from collections.abc import Sequence

from mainspring.domain.monitors.inputs import OutputSizes

DAY_MS = 24 * 3_600_000
SIZE_HISTORY_MS = 63 * DAY_MS
"""How far back sizes are read before the day of the last end: monthly work ran twice in that time."""


def summarize_sizes(daily_counts: Sequence[tuple[int, int, int]], before_at: int) -> OutputSizes:
    """Return the sizes learned from (day, bytes at least, successes) of the days before `before_at`."""
    smallest: dict[int, int] = {}
    for day_at, size, _ in daily_counts:
        smallest[day_at] = min(size, smallest.get(day_at, size))
    days_by_size: dict[int, list[int]] = {}
    for day_at, size in smallest.items():
        days_by_size.setdefault(size, []).append(day_at)
    return OutputSizes(
        successes=sum(n for _, _, n in daily_counts),
        over_ms=before_at - min(smallest, default=before_at),
        days=tuple((size, min(days), max(days)) for size, days in sorted(days_by_size.items())),
    )
