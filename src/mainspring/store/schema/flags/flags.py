"""Flags. Values that a person changes while the code runs."""

from typing import Final

import msgspec

from mainspring.domain.flags.flag import Flag, FlagKind
from mainspring.store.schema.row import InsertedRow, RowType
from mainspring.store.schema.table import TableSchema, integer, text

TABLE: Final = TableSchema(
    "flags",
    (
        text("name"),
        text("kind"),
        text("on_value"),
        text("off_value", null=True),
        text("rules"),
        text("owner", null=True),
        text("about", null=True),
        integer("expires_at", null=True),
        integer("killed_at", null=True),
        integer("created_at"),
        integer("changed_at"),
        integer("revision"),
    ),
    keys=(("name",),),
)

FLAGS_REVISION: Final = "flags_revision"
"""Key of `meta`: the number of the last change of any flag, also of a deletion."""


class NewFlag(msgspec.Struct, frozen=True):
    """A row to insert or to write over; `rules` is JSON."""

    name: str
    kind: FlagKind
    on_value: str
    off_value: str | None
    rules: str
    owner: str | None
    about: str | None
    expires_at: int | None
    killed_at: int | None
    created_at: int
    changed_at: int
    revision: int


FLAG: Final = RowType(Flag, TABLE)
NEW_FLAG: Final = InsertedRow(NewFlag, TABLE)
