"""Search by time: find the number of a row by an instant, by binary search in rows ordered by time."""

from mainspring.store.base import Snapshot


def number_at(read: Snapshot, at: int, *, newest: str, time_at: str) -> int:
    """Return the number of the first row that is not before an instant; the number after the newest if there is none.

    `newest` = the statement with the number of the newest row, `time_at` = the time of the last row up to a number.
    """
    rows = read(newest)
    low, high = 0, rows[0][0] if rows else 0
    while low < high:
        middle = (low + high + 1) // 2
        rows = read(time_at, (middle,))
        if not rows or rows[0][0] < at:
            low = middle
        else:
            high = middle - 1
    return low + 1
