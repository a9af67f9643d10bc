"""Search by time: find the number of a row by an instant, by binary search in rows ordered by time."""

from mainspring.store.base import Snapshot
from mainspring.store.schema.row import first_value


def number_at(read: Snapshot, at: int, *, newest: str, time_at: str) -> int:
    """Return the number of the first row that is not before an instant; the number after the newest if there is none.

    `newest` = the statement with the number of the newest row, `time_at` = the time of the last row up to a number.
    """
    low, high = 0, first_value(read(newest), int) or 0
    while low < high:
        middle = (low + high + 1) // 2
        found_at = first_value(read(time_at, (middle,)), int)
        if found_at is None or found_at < at:
            low = middle
        else:
            high = middle - 1
    return low + 1
