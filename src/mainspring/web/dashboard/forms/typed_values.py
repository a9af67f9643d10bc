"""Parse typed values of a form to values of its schema. Pure.

An empty field is left out if it is optional, null if it is nullable, else missing. The empty text is typed `""`, null
`null`. A field may be JSON text (its name begins with "j"), whatever its schema says, so every value can be typed.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from mainspring.domain.duration import parse_duration
from mainspring.domain.errors import MainspringError
from mainspring.domain.time.cron import find_zone
from mainspring.domain.values.canonical_json import join_path
from mainspring.web.dashboard.forms.field_type import TEXTS, FieldType, InputKind, Schema, find_field_type, nested_name

Form = Mapping[str, str]
PLAIN, JSON, ZONE, REST = "i", "j", "z", "x"
"""Prefixes of field names: typed as its kind, as JSON, the zone of an instant, and additional properties."""
MISSING: Final = "it is missing"
_DIGITS = 400
_INTEGER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_OFFSET = re.compile(r"Z|[+-][0-9]{2}:[0-9]{2}", re.ASCII)
_MINUTE = re.compile(r"[0-9]{2}:[0-9]{2}", re.ASCII)
_MINUTES = re.compile(r"[0-9-]+T[0-9]{2}:[0-9]{2}", re.ASCII)


class TypedInput(msgspec.Struct, frozen=True):
    """`value` as far as it could be parsed; `faults` = the errors, by JSON path."""

    value: dict[str, Any]
    faults: dict[str, str]


def parse_form(schema: Schema, form: Form) -> TypedInput:
    """Return the arguments that a form contains, by their schema."""
    parser = _FormParser(schema.get("$defs", {}), form)
    value: Any = {}
    if schema.get("properties") or JSON in form:
        value, _ = parser.parse_value({**schema, "additionalProperties": False}, "", "$", 0, required=True)
    if not isinstance(value, dict):
        parser.faults.setdefault("$", "the arguments are not a JSON object")
        value = {}
    return TypedInput(parser.parse_rest() | value, parser.faults)


def list_typed_texts(form: Form) -> list[tuple[str, str]]:
    """Return the fields that are not empty, as a person typed them: the path of each and its text."""
    kinds = (PLAIN, JSON, REST)
    return [
        (path, text) for name, text in form.items() if (path := name.partition(".")[2]) and name[0] in kinds and text
    ]


def parse_text(shape: FieldType, text: str, zone: str | None = None) -> Any:
    """Return the value of a text that is not empty, by its kind. Raises ValueError."""
    if text == "null" and shape.nullable:
        return None
    if shape.kind in TEXTS:
        return "" if text == '""' else text.replace("\r\n", "\n")
    bare = text.strip()
    if shape.kind in (InputKind.INTEGER, InputKind.NUMBER):
        return _parse_number(shape.kind, bare)
    if shape.kind is InputKind.INSTANT:
        return bare if zone is None else _parse_instant(bare, zone.strip())
    if shape.kind is InputKind.SPAN:
        return bare if bare.startswith(("P", "-P")) else msgspec.to_builtins(parse_duration(bare))
    if shape.kind is InputKind.CLOCK:
        return f"{bare}:00" if _MINUTE.fullmatch(bare) else bare
    return bare if shape.kind is InputKind.DATE else _parse_json(bare)


class _FormParser:
    """A parser of one form."""

    def __init__(self, parts: Schema, form: Form) -> None:
        self._parts = parts
        self._form = form
        self.faults: dict[str, str] = {}

    def parse_value(self, schema: Schema, name: str, path: str, depth: int, *, required: bool) -> tuple[Any, bool]:
        """Return the value at a path, UNSET for none, and whether anything was typed there."""
        shape = find_field_type(schema, self._parts, depth)
        raw = self._form.get(JSON + name)
        if raw is None and shape.kind is InputKind.GROUP:
            return self._parse_group(shape, name, path, depth, required=required)
        text = raw if raw is not None else self._form.get(PLAIN + name, "")
        if not (text if raw is None else text.strip()):
            return self._parse_blank(shape, path, required=required), False
        try:
            return (
                _parse_json(text) if raw is not None else parse_text(shape, text, self._form.get(ZONE + name))
            ), True
        except (ValueError, MainspringError) as error:
            self.faults[path] = str(getattr(error, "message", error))
            return msgspec.UNSET, True

    def parse_rest(self) -> dict[str, Any]:
        """Return additional properties, typed as one JSON object."""
        text = self._form.get(REST, "").strip()
        if not text:
            return {}
        try:
            extra = _parse_json(text)
        except ValueError as error:
            self.faults["$"] = f"the further arguments: {error}"
            return {}
        if not isinstance(extra, dict):
            self.faults["$"] = "the further arguments are not a JSON object"
            return {}
        return extra

    def _parse_group(self, shape: FieldType, name: str, path: str, depth: int, *, required: bool) -> tuple[Any, bool]:
        outer_faults, self.faults = self.faults, {}
        group: dict[str, Any] = {}
        was_typed = False
        required_keys = shape.schema.get("required", ())
        for key, schema in shape.schema["properties"].items():
            value, is_typed = self.parse_value(
                schema, nested_name(name, key), join_path(path, key), depth + 1, required=key in required_keys
            )
            was_typed = was_typed or is_typed
            if value is not msgspec.UNSET:
                group[key] = value
        group_faults, self.faults = self.faults, outer_faults
        if not was_typed and (shape.nullable or not required):
            return (msgspec.UNSET if not required else None), False
        self.faults |= group_faults
        return group, was_typed

    def _parse_blank(self, shape: FieldType, path: str, *, required: bool) -> Any:
        if not required:
            return msgspec.UNSET
        if shape.nullable and shape.kind is not InputKind.CHOICE:
            return None
        hint = ', write "" for the empty text' if shape.kind in TEXTS else ""
        self.faults[path] = f"{MISSING}{hint}"
        return msgspec.UNSET


def _parse_number(kind: InputKind, text: str) -> int | float:
    if len(text) > _DIGITS or not _NUMBER.fullmatch(text):
        raise ValueError("this is not a number")
    if _INTEGER.fullmatch(text):
        return int(text)
    if kind is InputKind.INTEGER:
        raise ValueError("this is not a whole number")
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("this number is too large")
    return number


def _parse_instant(text: str, zone: str) -> str:
    if _MINUTES.fullmatch(text):
        text = f"{text}:00"
    if not zone or _OFFSET.fullmatch(zone):
        return f"{text}{zone}"
    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("this is not a date with a time") from None
    local = wall.replace(tzinfo=find_zone(zone)) if wall.tzinfo is None else wall
    return local.isoformat().replace("+00:00", "Z")


def _parse_json(text: str) -> Any:
    try:
        return msgspec.json.decode(text.encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"this is not JSON: {error}") from None
