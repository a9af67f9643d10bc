"""The size of a page in bytes: a list of large values ends a page early, and its `next` continues from there.

A value may have 256 KiB and takes ten times that while it is rendered: 500 of them are more than a process has.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from mainspring.web.api.bodies import CommitOrderQuery

R = TypeVar("R")
MOST_BYTES: Final = 4 * 1024 * 1024
"""A page with this many bytes of values takes no more rows."""
_AT_ONCE = 50


def limit_page_bytes(
    query: CommitOrderQuery,
    read: Callable[[int, int | None], list[R]],
    number: Callable[[R], int],
    weight: Callable[[R], int],
) -> tuple[list[R], str | None]:
    """Return the rows of a page and its `next`. `read` takes a number of rows and the `number` to start after; `weight` = a row's bytes."""
    page_rows: list[R] = []
    cursor, size = query.cursor, 0
    while len(page_rows) < query.limit:
        batch_size = min(_AT_ONCE, query.limit - len(page_rows))
        rows = read(batch_size + 1, cursor)
        for row in rows[:batch_size]:
            page_rows.append(row)
            size += weight(row)
            if size >= MOST_BYTES:
                return page_rows, str(number(row)) if row is not rows[-1] else None
        if len(rows) <= batch_size:
            return page_rows, None
        cursor = number(rows[batch_size - 1])
    return page_rows, str(cursor)
