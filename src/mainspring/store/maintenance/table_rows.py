"""Table rows of a store, the same for every database: what is read on one side is written on the other.

Both sides have the same tables with the same columns. What only one database has is omitted: `queues.backlog` of a file
appears as the table `queue_backlogs` of a server; a server's marks of live connections do not appear.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec

from mainspring.store.schema_version import FIRST, LAST

Row = tuple[Any, ...]
"""None, int, str and bytes, in the order of the table's columns."""

CARRIED_META: Final = f"key not in ('{LAST}', '{FIRST}') and key not like 'blobs.%' and key not like 'move.%'"
"""The entries of `meta` that belong to the store and not to its place."""

COUNTED: Final = (
    "alerts",
    "bulk_operations",
    "clock_steps",
    "deliveries",
    "effect_calls",
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
"""Tables whose ids are never reused."""

NOT_CARRIED: Final = ("commits", "blobs", "blob_references", "blob_contents")
"""Tables that belong to a place: the number of its commits, and its blobs. Triggers of the new place write the references again."""

LATE: Final = ("queue_backlogs",)
"""Tables that a file stores as a column of another table, which must exist first."""

BATCH_ROWS: Final = 2_000
BATCH_BYTES: Final = 4 * 1024 * 1024


class Table(msgspec.Struct, frozen=True):
    """One table: its columns by name, and the columns of its key in order."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]

    def key_of(self, row: Row) -> Row:
        """Return the key of a row."""
        return tuple(row[self.columns.index(name)] for name in self.key)


class RowSource(Protocol):
    """A store that is read; all reads see one commit."""

    @property
    def location(self) -> str:
        """Its address, without a password."""
        ...

    def tables(self) -> dict[str, Table]:
        """Return its tables by name."""
        ...

    def batches(self, table: Table, after: Row | None) -> Iterator[list[Row]]:
        """Yield the rows with a key above `after` in the order of their keys, in batches of bounded size."""
        ...

    def last_ids(self) -> dict[str, int]:
        """Return, for each table of COUNTED, the highest id that was ever used."""
        ...


class RowTarget(RowSource, Protocol):
    """A store that is written; each method is one transaction."""

    def progress(self, table: Table) -> Row | None:
        """Return the key of the last row that was appended to a table."""
        ...

    def append(self, table: Table, rows: Sequence[Row]) -> None:
        """Append rows and record the last one's key.

        Raises:
            RowError: it cannot store one of them; names it.
        """
        ...

    def set_last_ids(self, ids: Mapping[str, int]) -> None:
        """Use only ids above these for new rows."""
        ...


def parts(rows: Iterator[Row]) -> Iterator[list[Row]]:
    """Split rows into batches of bounded number and size."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        batch.append(row)
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
