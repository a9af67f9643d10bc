"""What the outputs of successes tell about the next one: how small they were, and on which days.

Only the smallest of a day counts, so that who runs each minute is judged by as many days as who runs once a day.
"""

from collections.abc import Sequence

from mainspring.domain.monitors.inputs import OutputSizes

DAY_MS = 24 * 3_600_000
SIZE_HISTORY_MS = 63 * DAY_MS
"""So far before the day of the last end is looked: what comes once a month came twice in it."""


def summarize_sizes(counted: Sequence[tuple[int, int, int]], before_at: int) -> OutputSizes:
    """Return what is learned of (day, bytes at least, successes) of the days before `before_at`."""
    smallest: dict[int, int] = {}
    for day_at, size, _ in counted:
        smallest[day_at] = min(size, smallest.get(day_at, size))
    of_size: dict[int, list[int]] = {}
    for day_at, size in smallest.items():
        of_size.setdefault(size, []).append(day_at)
    return OutputSizes(
        successes=sum(n for _, _, n in counted),
        over_ms=before_at - min(smallest, default=before_at),
        days=tuple((size, min(days), max(days)) for size, days in sorted(of_size.items())),
    )
