"""Deliveries. Stored inputs of triggers."""

from typing import Final

import msgspec

from mainspring.store.schema.row import RowType
from mainspring.store.schema.table import Reference, TableSchema, integer, text, value
from mainspring.store.trigger_views import DeliveryRow, DeliveryView

TABLE: Final = TableSchema(
    "deliveries",
    (
        integer("seq"),
        text("id"),
        text("trigger", refers_to=Reference.TRIGGER),
        text("key"),
        text("variant"),
        text("state"),
        text("note", null=True),
        integer("filtered"),
        text("filter_sessions", null=True),
        text("name"),
        text("body_hash", null=True),
        value("body", null=True),
        value("data", null=True),
        value("headers", null=True),
        text("source", null=True),
        text("by_key"),
        text("verified", null=True),
        text("run", null=True),
        integer("due_at", null=True),
        text("replay_of", null=True),
        integer("redelivered"),
        integer("received_at"),
        integer("changed_at"),
    ),
    keys=(
        ("seq",),
        ("id",),
        ("trigger", "key", "variant"),
    ),
)


class KnownKey(msgspec.Struct, frozen=True):
    """A delivery under its key; an empty `variant` = it holds the key."""

    id: str
    trigger: str
    key: str
    variant: str


KNOWN_KEY: Final = RowType(KnownKey, TABLE)


DELIVERY_ROW: Final = RowType(DeliveryRow, TABLE)
DELIVERY_VIEW: Final = RowType(DeliveryView, TABLE)
