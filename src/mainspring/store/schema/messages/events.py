"""Events. Published events."""

from typing import Final

import msgspec

from mainspring.store.schema.row import RowType
from mainspring.store.schema.table import TableSchema, integer, text, value

TABLE: Final = TableSchema(
    "events",
    (
        integer("seq"),
        text("id"),
        text("name"),
        text("key", null=True),
        value("data"),
        integer("at"),
        integer("keep_until"),
        integer("woken"),
    ),
    keys=(
        ("seq",),
        ("id",),
        ("name", "key"),
    ),
)


class StoredEvent(msgspec.Struct, frozen=True):
    """A stored event that a wait may get."""

    id: str
    name: str
    data: bytes
    at: int
    seq: int


STORED_EVENT: Final = RowType(StoredEvent, TABLE)
