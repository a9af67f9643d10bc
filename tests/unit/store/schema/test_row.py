"""Rows: values become structs by the names and types of their fields."""

from enum import StrEnum
from typing import NamedTuple

import msgspec
import pytest

from mainspring.store.schema.row import InsertedRow, RowType, column_list
from mainspring.store.schema.table import TableSchema, blob, integer, text


class Colour(StrEnum):
    RED = "red"


class Detail(msgspec.Struct, frozen=True):
    size: int


class Item(msgspec.Struct, frozen=True):
    id: str
    is_new: bool
    colour: Colour
    other: Colour | None
    detail: Detail | None
    note: str | None = None


class Owned(msgspec.Struct, frozen=True):
    owner: str
    item: Item


TABLE = TableSchema(
    "items", (text("id"), integer("is_new"), text("colour"), text("other"), blob("detail"), text("owner"))
)
ITEM = RowType(Item, TABLE, expressions={"other": "nullif(items.other, '')"}, without=("note",))
OWNED = RowType(Owned, TABLE, part=("item", ITEM))


def test_row_is_read_by_the_types_of_its_fields():
    """Booleans, enums and JSON are converted, null stays null, and a field without a column keeps its default."""
    assert ITEM.read(("a", 1, "red", None, b'{"size":3}')) == Item("a", True, Colour.RED, None, Detail(3))
    assert ITEM.read(("a", 0, "red", "red", None)) == Item("a", False, Colour.RED, Colour.RED, None)
    assert ITEM.read_all([]) == []
    assert ITEM.read_first([]) is None


def test_unknown_value_of_an_enum_is_an_error():
    """A state that this version does not know is not read as another one."""
    with pytest.raises(KeyError, match="blue"):
        ITEM.read(("a", 1, "blue", None, None))


def test_part_is_read_from_the_last_columns():
    """A struct within a row has the columns after those of the row itself."""
    assert OWNED.expressions == [
        *("items.owner", "items.id", "items.is_new", "items.colour", "nullif(items.other, '')", "items.detail")
    ]
    (owned,) = OWNED.read_all([("me", "a", 1, "red", None, None)])
    assert owned == Owned("me", Item("a", True, Colour.RED, None, None))


def test_row_of_another_length_is_an_error():
    """Rows of a statement have one value for each field."""
    with pytest.raises((TypeError, IndexError, ValueError)):
        ITEM.read(("a", 1))


def test_named_tuples_are_rows_too():
    """A row may be a named tuple."""

    class Pair(NamedTuple):
        id: str
        owner: str

    assert RowType(Pair, TABLE).read(("a", "me")) == Pair("a", "me")


def test_inserted_row_has_a_parameter_for_each_column():
    """The lists of an insert follow from the fields."""

    class NewItem(msgspec.Struct):
        id: str
        is_new: int
        detail: bytes

    new = InsertedRow(NewItem, TABLE)
    assert new.insert_list == "(id, is_new, detail)\nvalues (?, ?, ?)"
    assert new.kinds == "tnb"
    assert "cast(?3 as bytea[])" in new.unnest_list
    assert new.values(NewItem("a", 1, b"")) == ("a", 1, b"")


def test_placeholder_of_an_unknown_row_is_an_error():
    """A statement that names a missing row cannot be loaded."""
    with pytest.raises(AttributeError):
        column_list("columns", "runs", "no_such_row")
    with pytest.raises(KeyError):
        column_list("columns", "no_such_table", "claimed_run")
