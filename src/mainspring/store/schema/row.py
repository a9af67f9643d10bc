"""Rows: a struct for the columns that a statement reads or inserts, and the conversion between the two by name.

A row type knows its columns from the fields of its struct. The statement gets the list of them from here, so the values
of a row come in the order of the fields, and no code reads a row by index.
"""

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from types import NoneType
from typing import Generic, TypeVar, cast, get_args, get_type_hints

import msgspec
from msgspec.structs import astuple

from mainspring.store.schema.table import ColumnType, TableSchema, module_names

Converter = Callable[[object], object]
Row = tuple[object, ...]
S_co = TypeVar("S_co", covariant=True)
New = TypeVar("New", bound=msgspec.Struct)
Value = TypeVar("Value", str, int, bytes)
_PLAIN = (str, int, bytes, float, object)


class RowType(Generic[S_co]):
    """The rows of a statement as structs (or named tuples) of one type.

    A field is read from the column of its name, or from the SQL of `expressions`. `without` = last fields that no column
    holds; they have a default. `part` = a last field that is a struct itself, read from the columns of its own row type,
    which has no part. Values of booleans, enums and structs (JSON) are converted by the type of the field, others by
    `converters`.
    """

    def __init__(
        self,
        struct: type[S_co],
        table: TableSchema,
        *,
        expressions: Mapping[str, str] | None = None,
        without: Iterable[str] = (),
        part: "tuple[str, RowType[object]] | None" = None,
        converters: Mapping[str, Converter] | None = None,
    ) -> None:
        self.struct = struct
        self.table = table
        self._expressions = dict(expressions or {})
        self._without = frozenset(without)
        self._part = part
        self._converters = dict(converters or {})
        self._build = cast("Callable[..., S_co]", struct)
        self._count = len(self.fields)
        self._steps: list[tuple[int, Converter]] | None = None

    @property
    def fields(self) -> list[str]:
        """The fields that columns of this type itself hold, in order."""
        part = () if self._part is None else (self._part[0],)
        return [name for name in _field_names(self.struct) if name not in self._without and name not in part]

    @property
    def expressions(self) -> list[str]:
        """The SQL expression of each value, in the order of the row."""
        own = [self._expressions.get(name, f"{self.table.name}.{name}") for name in self.fields]
        return own if self._part is None else own + self._part[1].expressions

    @property
    def columns(self) -> list[str]:
        """The columns of the table that are read under their own names."""
        return [name for name in self.fields if name not in self._expressions]

    def read(self, row: Row) -> S_co:
        """Return the struct of one row."""
        if self._steps is None:
            self._steps = self.conversions()
        values = list(row)
        for place, convert in self._steps:
            values[place] = convert(values[place])
        if self._part is None:
            return self._build(*values)
        count = self._count
        return self._build(*values[:count], self._part[1].struct(*values[count:]))

    def read_first(self, rows: Sequence[Row]) -> S_co | None:
        """Return the struct of the first row, or None."""
        return self.read(rows[0]) if rows else None

    def read_all(self, rows: Iterable[Row]) -> list[S_co]:
        """Return the structs of all rows. Works column by column, without a loop of ours: hot paths read many rows."""
        columns: list[Iterable[object]] = list(zip(*rows, strict=True))
        if not columns:
            return []
        if self._steps is None:
            self._steps = self.conversions()
        for place, convert in self._steps:
            columns[place] = map(convert, columns[place])
        if self._part is None:
            return list(map(self._build, *columns))
        count = self._count
        return list(map(self._build, *columns[:count], map(self._part[1].struct, *columns[count:])))

    def conversions(self) -> list[tuple[int, Converter]]:
        """Return the places of a row whose values are converted, those of the part included."""
        hints = get_type_hints(self.struct)
        own = [
            (place, convert)
            for place, name in enumerate(self.fields)
            if (convert := self._converters.get(name) or _converter_of(hints[name])) is not None
        ]
        if self._part is None:
            return own
        before = len(self.fields)
        return own + [(before + place, convert) for place, convert in self._part[1].conversions()]


def first_value(rows: Sequence[Row], kind: type[Value]) -> Value | None:
    """Return the first value of the first row, which is of this type or null; None if there is no row."""
    return cast("Value | None", rows[0][0]) if rows else None


def first_values(rows: Iterable[Row], kind: type[Value]) -> list[Value]:
    """Return the first value of each row, which is of this type and not null."""
    return cast("list[Value]", [row[0] for row in rows])


class InsertedRow(Generic[New]):
    """The rows that a statement inserts, as structs: each field is a column of the table."""

    def __init__(self, struct: type[New], table: TableSchema) -> None:
        self.struct = struct
        self.table = table

    @staticmethod
    def values(row: New) -> Row:
        """Return the values of a row in the order of `columns`."""
        return astuple(row)

    @property
    def columns(self) -> list[str]:
        """The columns, in the order of the values."""
        return _field_names(self.struct)

    @property
    def kinds(self) -> str:
        """The letter of each column's array; see postgres/arrays.py."""
        return "".join(self.table.column(name).type.value for name in self.columns)

    @property
    def insert_list(self) -> str:
        """The columns and one parameter for each, for `insert into TABLE ...`."""
        return f"({', '.join(self.columns)})\nvalues ({', '.join('?' * len(self.columns))})"

    @property
    def unnest_list(self) -> str:
        """The columns and their values from one array for each."""
        arrays = {ColumnType.TEXT: "text[]", ColumnType.INTEGER: "bigint[]", ColumnType.BLOB: "bytea[]"}
        types = [arrays[self.table.column(name).type] for name in self.columns]
        casts = ", ".join(f"cast(?{number} as {kind})" for number, kind in enumerate(types, 1))
        return f"({', '.join(self.columns)})\nselect * from unnest({casts})"


def _field_names(struct: type) -> list[str]:
    names: tuple[str, ...] = getattr(struct, "__struct_fields__", None) or struct._fields  # type: ignore[attr-defined]
    return list(names)


def _converter_of(hint: object) -> Converter | None:
    """Return the conversion of a column's value to the type of a field; None = it has this type."""
    options = [option for option in get_args(hint) if option is not NoneType] if NoneType in get_args(hint) else [hint]
    if all(option in _PLAIN for option in options):
        return None
    (kind,) = options
    convert: Converter
    if kind is bool:
        convert = bool
    elif isinstance(kind, type) and issubclass(kind, Enum):
        convert = cast("Converter", {member.value: member for member in kind}.__getitem__)
    else:
        convert = cast("Converter", msgspec.json.Decoder(kind).decode)
    return convert if kind is hint else lambda value: None if value is None else convert(value)


COLUMN_LISTS = frozenset({"columns", "insert", "unnest"})


def column_list(kind: str, table: str, row: str) -> str:
    """Return the list that `kind` names, of a row of a table. Raises KeyError, AttributeError: there is no such row."""
    found = getattr(importlib.import_module(module_names()[table]), row.upper())
    if kind == "columns":
        return ", ".join(found.expressions)
    return str(found.insert_list if kind == "insert" else found.unnest_list)
