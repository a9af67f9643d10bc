"""Tables: the columns of each table of the store, with their types and with what they refer to."""

import importlib
from enum import Enum
from functools import cache
from pathlib import Path

import msgspec

_FOLDER = Path(__file__).parent


class ColumnType(Enum):
    """The type of a column. The value is the letter of its array (`postgres/arrays.py`)."""

    TEXT = "t"
    INTEGER = "n"
    BLOB = "b"


class Reference(Enum):
    """The kinds of names in a column: a rename of the automation changes it too (`schema/renames.py`)."""

    AUTOMATION = "NAME"
    """The automation itself."""
    TRIGGER = "NAME/TRIGGER"
    """A trigger of the automation."""
    SCHEDULE = "NAME or NAME#SCHEDULE"
    """A schedule of the automation."""
    SUBJECT = "automation:NAME"
    """The subject of a condition."""


class Column(msgspec.Struct, frozen=True):
    """One column. `only_if` = the condition under which its value is such a reference.

    `holds_values` = it holds sealed values, and so may hold references to blobs.
    """

    name: str
    type: ColumnType
    is_nullable: bool = False
    refers_to: Reference | None = None
    only_if: str = ""
    holds_values: bool = False


class TableSchema(msgspec.Struct, frozen=True):
    """A table: its columns in the order of the migration, and the columns of its keys.

    `sums` = if a rename meets a row of the new name, these columns are added up, and `maxima` keep the greater value.
    Without them the row of the old name stays as it is.
    """

    name: str
    columns: tuple[Column, ...]
    keys: tuple[tuple[str, ...], ...] = ()
    sums: tuple[str, ...] = ()
    maxima: tuple[str, ...] = ()

    def column(self, name: str) -> Column:
        """Return a column by its name. Raises KeyError: the table has none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"table {self.name} has no column {name!r}")


def text(name: str, *, null: bool = False, refers_to: Reference | None = None, only_if: str = "") -> Column:
    """Return a column of text; `null` = it may be null."""
    return Column(name, ColumnType.TEXT, null, refers_to, only_if)


def integer(name: str, *, null: bool = False) -> Column:
    """Return a column of 64-bit integers."""
    return Column(name, ColumnType.INTEGER, null)


def blob(name: str, *, null: bool = False) -> Column:
    """Return a column of bytes."""
    return Column(name, ColumnType.BLOB, null)


def value(name: str, *, null: bool = False) -> Column:
    """Return a column of sealed values: triggers of both databases count the blobs it refers to."""
    return Column(name, ColumnType.BLOB, null, holds_values=True)


@cache
def module_names() -> dict[str, str]:
    """Return the module of each table by the name of the table."""
    return {
        file.stem: f"{__package__}.{file.parent.name}.{file.stem}"
        for file in sorted(_FOLDER.glob("*/*.py"))
        if file.stem != "__init__"
    }


def load_table(name: str) -> TableSchema:
    """Return a table by its name. Raises KeyError: there is no such table."""
    table: TableSchema = importlib.import_module(module_names()[name]).TABLE
    return table


def load_tables() -> list[TableSchema]:
    """Return all tables."""
    return [load_table(name) for name in module_names()]
