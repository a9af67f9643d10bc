"""Search by time: find the number of a row by an instant, by halves, where rows are in the order of time."""

from mainspring.store.base import Snapshot


def number_at(read: Snapshot, at: int, *, newest: str, time_at: str) -> int:
    """Return the number of the first row that is not before an instant; behind the newest where there is none.

    `newest` = the statement that gives the number of the newest row, `time_at` = the time of the last row up to a number.
    """
    rows = read(newest)
    low, high = 0, rows[0][0] if rows else 0
    while low < high:
        half = (low + high + 1) // 2
        rows = read(time_at, (half,))
        if not rows or rows[0][0] < at:
            low = half
        else:
            high = half - 1
    return low + 1
