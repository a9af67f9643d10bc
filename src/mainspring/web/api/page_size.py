"""Lists whose rows hold values: where these are large a page ends early, and its `next` goes on from there.

A value may have a quarter of a megabyte, and takes ten times that while it is told: five hundred of them are more than a process has.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from mainspring.web.api.bodies import CommitOrderQuery

R = TypeVar("R")
MOST_BYTES: Final = 4 * 1024 * 1024
"""A page that holds so many bytes of values takes no more."""
_AT_ONCE = 50


def limit_page_bytes(
    query: CommitOrderQuery,
    read: Callable[[int, int | None], list[R]],
    number: Callable[[R], int],
    weight: Callable[[R], int],
) -> tuple[list[R], str | None]:
    """Return the rows of a page and its `next`. `read` takes how many and behind which `number`; `weight` = a row's bytes."""
    found: list[R] = []
    cursor, weighs = query.cursor, 0
    while len(found) < query.limit:
        wanted = min(_AT_ONCE, query.limit - len(found))
        rows = read(wanted + 1, cursor)
        for row in rows[:wanted]:
            found.append(row)
            weighs += weight(row)
            if weighs >= MOST_BYTES:
                return found, str(number(row)) if row is not rows[-1] else None
        if len(rows) <= wanted:
            return found, None
        cursor = number(rows[wanted - 1])
    return found, str(cursor)
