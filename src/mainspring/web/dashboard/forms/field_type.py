"""The field type for a part of a schema: a text, a number, a choice, a group of fields, or JSON. Pure.

The schemas are those of annotations (`domain.arguments.json_schema`). An unknown schema becomes a JSON field, so every value can be
typed.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

Schema = Mapping[str, Any]
MOST_LEAVES: Final = 200
"""Fields of one form; a larger part becomes a JSON field."""
_MOST_INSIDE = 60
_DEEPEST = 4
_REFERENCE = "#/$defs/"
_LONG_TEXT = 200


class InputKind(StrEnum):
    """How a value is typed."""

    TEXT = "text"
    LINES = "lines"
    INTEGER = "integer"
    NUMBER = "number"
    DATE = "date"
    CLOCK = "clock"
    INSTANT = "instant"
    SPAN = "span"
    CHOICE = "choice"
    CHECKBOX = "checkbox"
    """A choice of true and false; an empty box is false."""
    GROUP = "group"
    JSON = "json"


_FORMATS: Final = {
    "date": InputKind.DATE,
    "time": InputKind.CLOCK,
    "date-time": InputKind.INSTANT,
    "duration": InputKind.SPAN,
}
TEXTS: Final = frozenset({InputKind.TEXT, InputKind.LINES})
TIMES: Final = frozenset({InputKind.DATE, InputKind.CLOCK, InputKind.INSTANT})


class FieldType(msgspec.Struct, frozen=True):
    """`schema` = that of the value if it is not null; `choices` = JSON values."""

    kind: InputKind
    schema: Schema
    nullable: bool = False
    choices: tuple[Any, ...] = ()


def find_field_type(schema: Schema, parts: Schema, depth: int = 0) -> FieldType:
    """Return the field type of a schema; `parts` = the `$defs` of the whole."""
    whole, nullable = _remove_null(_resolve_reference(schema, parts), parts)
    if "enum" in whole or "const" in whole:
        choices = tuple(whole.get("enum", (whole.get("const"),)))
        return FieldType(
            InputKind.CHOICE,
            whole,
            nullable or None in choices,
            tuple(choice for choice in choices if choice is not None),
        )
    kind = _find_kind(whole)
    if kind is InputKind.GROUP and (depth >= _DEEPEST or not _is_drawable(whole, parts, depth)):
        kind = InputKind.JSON
    choices = (True, False) if kind is InputKind.CHOICE else ()
    return FieldType(kind, whole, nullable, choices)


def _resolve_reference(schema: Schema, parts: Schema) -> Schema:
    """Return a schema with the target of its reference; keys next to the reference win."""
    seen = 0
    while isinstance(schema, Mapping) and "$ref" in schema and seen < _DEEPEST:
        part = parts.get(str(schema["$ref"]).removeprefix(_REFERENCE), {})
        schema = {**part, **{name: value for name, value in schema.items() if name != "$ref"}}
        seen += 1
    return schema if isinstance(schema, Mapping) else {}


def _remove_null(schema: Schema, parts: Schema) -> tuple[Schema, bool]:
    """Return a schema without its null, and whether it had one."""
    siblings = {name: value for name, value in schema.items() if name not in ("anyOf", "type")}
    if "anyOf" in schema:
        alternatives = [alternative for alternative in schema["anyOf"] if alternative != {"type": "null"}]
        if len(alternatives) == len(schema["anyOf"]):
            return schema, False
        if len(alternatives) != 1:
            return {**siblings, "anyOf": alternatives}, True
        inner, nullable = _remove_null(_resolve_reference(alternatives[0], parts), parts)
        return {**inner, **siblings}, nullable or len(alternatives) < len(schema["anyOf"])
    kinds = schema.get("type")
    if isinstance(kinds, list):
        real_kinds = [kind for kind in kinds if kind != "null"]
        return {**siblings, "type": real_kinds[0] if len(real_kinds) == 1 else real_kinds}, len(real_kinds) < len(kinds)
    return schema, False


def _find_kind(schema: Schema) -> InputKind:
    kind = schema.get("type")
    if "anyOf" in schema or isinstance(kind, list):
        return InputKind.JSON
    if kind == "string":
        long = schema.get("maxLength", 0) > _LONG_TEXT
        return _FORMATS.get(schema.get("format", ""), InputKind.LINES if long else InputKind.TEXT)
    if kind == "object":
        is_open = schema.get("additionalProperties", False) is not False
        return InputKind.GROUP if schema.get("properties") and not is_open else InputKind.JSON
    return {"integer": InputKind.INTEGER, "number": InputKind.NUMBER, "boolean": InputKind.CHOICE}.get(
        str(kind), InputKind.JSON
    )


def _is_drawable(schema: Schema, parts: Schema, depth: int) -> bool:
    """Return whether a group is small enough for a field for each part."""
    return _count_leaves(schema, parts, depth) <= (_MOST_INSIDE if depth else MOST_LEAVES)


def _count_leaves(schema: Schema, parts: Schema, depth: int) -> int:
    total = 0
    for part in schema["properties"].values():
        inner = find_field_type(part, parts, depth + 1)
        total += _count_leaves(inner.schema, parts, depth + 1) if inner.kind is InputKind.GROUP else 1
        if total > MOST_LEAVES:
            break
    return total


_ESCAPES: Final = (("~", "~0"), (".", "~1"))
_LOCAL_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?)(Z|[+-]\d\d:\d\d)", re.ASCII)
_PICKED: Final = {
    InputKind.DATE: re.compile(r"\d{4}-\d\d-\d\d", re.ASCII),
    InputKind.CLOCK: re.compile(r"\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?", re.ASCII),
    InputKind.INSTANT: re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?", re.ASCII),
}
"""Texts that a browser's picker of this kind can display."""


def nested_name(name: str, key: str) -> str:
    """Return the name of a nested field in the form: the names above it and its own, joined by dots."""
    for plain, escaped in _ESCAPES:
        key = key.replace(plain, escaped)
    return f"{name}.{key}"


def split_instant(text: str) -> tuple[str, str] | None:
    """Return an instant as a date with a time, and its offset; None if a browser cannot display it that way."""
    match = _LOCAL_TIME.fullmatch(text)
    return (match[1], match[2]) if match else None


def has_picker(kind: InputKind, text: str) -> bool:
    """Return whether a browser's picker can display a text; only kinds of time have one."""
    return kind in _PICKED and (not text or _PICKED[kind].fullmatch(text) is not None)
