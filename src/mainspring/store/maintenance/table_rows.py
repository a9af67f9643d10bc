"""A store as rows in tables, whichever database holds it: what is read on one side is what is written on the other.

Both sides show the same tables with the same columns. What only one database has is no part of them: `queues.backlog` of a file is shown as
the table `queue_backlogs` that a server has; a server's marks of live connections are not shown at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from mainspring.store.schema_version import FIRST, LAST

Row = tuple[Any, ...]
"""None, int, str and bytes, in the order of the table's columns."""

CARRIED_META: Final = f"key not in ('{LAST}', '{FIRST}') and key not like 'move.%'"
"""Which entries of `meta` belong to the store and not to its place."""

COUNTED: Final = (
    "alerts",
    "bulk_acts",
    "clock_steps",
    "deliveries",
    "events",
    "failures",
    "inbox",
    "rejected_facts",
    "incident_moves",
    "incidents",
    "outbox",
    "runs",
    "sessions",
)
"""Tables whose ids are never given twice."""

NOT_CARRIED: Final = ("commits",)
"""Tables that belong to a place: how many commits were made there."""

LATE: Final = ("queue_backlogs",)
"""Tables that a file keeps as a column of another one, which must be there first."""

BATCH_ROWS: Final = 2_000
BATCH_BYTES: Final = 4 * 1024 * 1024


class Table(msgspec.Struct, frozen=True):
    """One table: its columns by name, and those of its key in their order."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    def key_of(self, row: Row) -> Row:
        """Return the key of a row."""
        return tuple(row[self.columns.index(name)] for name in self.key)


class RowSource(Protocol):
    """A store that is read; all reads see one commit."""

    @property
    def shown(self) -> str:
        """Where it is, without a password."""
        ...

    def tables(self) -> dict[str, Table]:
        """Return its tables by name."""
        ...

    def batches(self, table: Table, after: Row | None) -> Iterator[list[Row]]:
        """Yield the rows with a key above `after` in the order of their keys, in parts of bounded size."""
        ...

    def last_ids(self) -> dict[str, int]:
        """Return, for each table of COUNTED, the highest id that was ever given."""
        ...


class RowTarget(RowSource, Protocol):
    """A store that is written; each of these is one transaction."""

    def progress(self, table: Table) -> Row | None:
        """Return the key of the last row that was appended to a table."""
        ...

    def append(self, table: Table, rows: Sequence[Row]) -> None:
        """Append rows and note the last one's key.

        Raises:
            RowError: it cannot hold one of them; names it.
        """
        ...

    def set_last_ids(self, ids: Mapping[str, int]) -> None:
        """Give new ids above these only."""
        ...


def parts(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Cut rows into lists of bounded number and size."""
    part: list[Row] = []
    size = 0
    for row in rows:
        part.append(row)
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(part) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part
