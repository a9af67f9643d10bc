"""Statements of SQL actions: names are checked and quoted, values are placeholders. SQLite and PostgreSQL understand them alike."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mainspring.domain.errors import ArgumentError
from mainspring.domain.text.escaping import escape

_NAME = re.compile(r"[^\W\d][\w$ -]{0,62}")


def quote_table(table: str) -> str:
    """Return a table, or SCHEMA.TABLE, quoted. Raises ArgumentError."""
    parts = table.split(".") if isinstance(table, str) else [table]
    if len(parts) > 2:
        raise _name_error("table", table)
    return ".".join(_quote("table", part) for part in parts)


def quote_columns(columns: Iterable[str]) -> list[str]:
    """Return columns, quoted. Raises ArgumentError."""
    return [_quote("column", column) for column in columns]


def make_insert(
    table: str, columns: Sequence[str], key: Sequence[str], *, mark: str, is_update: bool, is_counted: bool
) -> str:
    """Return an INSERT of one row; if its key exists, it is updated (`is_update`) or left as it is.

    `mark` = placeholder of a value. `is_counted` = the statement returns a row if it inserted or updated one.

    Raises:
        ArgumentError: a name cannot be used, or `key` names a column without a value.
    """
    names, keys = quote_columns(columns), quote_columns(require_key(key, columns))
    other_names = [name for name in names if name not in keys]
    changes = ", ".join(f"{name} = excluded.{name}" for name in other_names)
    conflict = f"do update set {changes}" if is_update and changes else "do nothing"
    text = (
        f"insert into {quote_table(table)} ({', '.join(names)}) values ({', '.join([mark] * len(names))}) "  # noqa: S608 - quoted
        f"on conflict ({', '.join(keys)}) {conflict}"
    )
    return f"{text} returning 1" if is_counted else text


def make_update(table: str, values: Mapping[str, Any], conditions: Mapping[str, Any], *, mark: str) -> str:
    """Return an UPDATE that returns a row for each that it changed. Raises ArgumentError."""
    changes = ", ".join(f"{name} = {mark}" for name in quote_columns(values))
    return f"update {quote_table(table)} set {changes} where {make_condition(table, conditions, mark)} returning 1"  # noqa: S608 - quoted


def make_count(table: str, conditions: Mapping[str, Any], *, mark: str) -> str:
    """Return a statement that counts rows. Raises ArgumentError."""
    return f"select count(*) from {quote_table(table)} where {make_condition(table, conditions, mark)}"  # noqa: S608 - quoted


def make_condition(table: str, conditions: Mapping[str, Any], mark: str) -> str:
    """Return a condition of equal columns; None = the column is null. Raises ArgumentError.

    Columns have the name of their table: SQLite reads an unknown column in quotes as a text.
    """
    columns = [f"{quote_table(table)}.{column}" for column in quote_columns(conditions)]
    names = zip(columns, conditions.values(), strict=True)
    return " and ".join(f"{name} is null" if value is None else f"{name} = {mark}" for name, value in names)


def condition_values(conditions: Mapping[str, Any]) -> list[Any]:
    """Return the values of a condition's placeholders."""
    return [value for value in conditions.values() if value is not None]


def require_key(key: str | Sequence[str], columns: Sequence[str]) -> list[str]:
    """Return the columns of a key. Raises ArgumentError if there are none, or one has no value."""
    keys = [key] if isinstance(key, str) else list(key)
    missing = [name for name in keys if name not in columns]
    if not keys or missing:
        problem = f"has no value for {', '.join(map(repr, missing))}" if missing else "is empty"
        raise ArgumentError(
            f"key={keys!r} {problem}", hint="Name the columns of a unique index, and give each a value."
        )
    return keys


def require_values(values: Mapping[str, Any], name: str = "values") -> Mapping[str, Any]:
    """Return the values by column. Raises ArgumentError if there are none."""
    if not isinstance(values, Mapping) or not values:
        raise ArgumentError(f"{name} is not a mapping with columns", hint=f'Write {name}={{"column": value}}.')
    return values


def statement_kind(statement: str) -> str:
    """Return the first word of a statement, such as SELECT."""
    match = re.match(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*([A-Za-z]{1,20})", statement, re.DOTALL)
    return "statement" if match is None else match[1].upper()


def _quote(kind: str, name: str) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _name_error(kind, name)
    return f'"{name}"'


def _name_error(kind: str, name: object) -> ArgumentError:
    return ArgumentError(
        f"{escape(repr(name), 100)} is not a name of a {kind}",
        hint="Use letters, digits, _ $ - and spaces, at most 63 of them; a table may have its schema: shop.orders",
    )
