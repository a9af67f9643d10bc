"""A schema and a value become the fields of a form; `schema.typed` reads them back. Pure.

Invariant: what the fields show, read back, is the value they were made of, but for defaults, which are filled in. What a fitting control
could not hold exactly is shown as JSON.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from mainspring.domain.errors import MainspringError
from mainspring.domain.values.canonical_json import join_path
from mainspring.web.dashboard.schema.field import Choice, Field, all_of
from mainspring.web.dashboard.schema.shape import TEXTS, Kind, Schema, Shape, clock_parts, has_picker, inside, shape_of
from mainspring.web.dashboard.schema.typed import JSON, PLAIN, REST, typed_text

_WHOLE = "arguments"
_SHOWN = 60
_EXAMPLES = {
    Kind.SPAN: "30s, 1h30m or PT30S",
    Kind.INTEGER: "a whole number",
    Kind.NUMBER: "a number",
    Kind.JSON: "JSON",
}


class _Place(msgspec.Struct, frozen=True):
    """Where a field stands, whether it has to be given, and whether what it holds begins with its defaults."""

    name: str
    path: str
    label: str
    depth: int
    required: bool
    shows_defaults: bool = True


def fields_of(schema: Schema, values: Mapping[str, Any], zone: str = "UTC") -> tuple[Field, ...]:
    """Return the fields of the arguments that a schema describes, with these values in them; elsewhere with its defaults."""
    properties = schema.get("properties", {})
    is_open = schema.get("additionalProperties", False) is not False
    if not properties and not is_open:
        return ()
    drawing = _Drawing(schema.get("$defs", {}), zone)
    others = {name: value for name, value in values.items() if name not in properties}
    group = {**schema, "additionalProperties": False}
    if (others and not is_open) or (properties and shape_of(group, drawing.parts).kind is not Kind.GROUP):
        whole = _Place("", "$", _WHOLE, 0, required=True)
        return (drawing.as_json(whole, Shape(Kind.JSON, {}), dict(values)),)
    found = drawing.inner(group, "", "$", values, 0, shows_defaults=True) if properties else ()
    if is_open:
        text = _pretty(others) if others else ""
        about = "Any other names, as one JSON object."
        found += (Field(name=REST, path="$", label="further arguments", kind=Kind.JSON, text=text, about=about),)
    return found


class _Drawing:
    """Makes fields; `parts` = the `$defs`, `zone` = in which an instant that is not known yet is asked for."""

    def __init__(self, parts: Schema, zone: str) -> None:
        self.parts = parts
        self._zone = zone

    def inner(
        self, schema: Schema, name: str, path: str, values: Mapping[str, Any], depth: int, *, shows_defaults: bool
    ) -> tuple[Field, ...]:
        """Return the fields of a group."""
        needed = schema.get("required", ())

        def one(key: str, part: Schema) -> Field:
            place = _Place(inside(name, key), join_path(path, key), key, depth + 1, key in needed, shows_defaults)
            default = part.get("default", msgspec.UNSET) if shows_defaults else msgspec.UNSET
            return self._field(part, place, values.get(key, default))

        return tuple(one(key, part) for key, part in schema["properties"].items())

    def as_json(self, place: _Place, shape: Shape, value: Any) -> Field:
        """Return a field that takes any JSON."""
        text = "" if value is msgspec.UNSET else _pretty(value)
        asked = msgspec.structs.replace(shape, kind=Kind.JSON)
        return _field_at(place, JSON, asked, hint=_hint(asked, required=place.required), text=text)

    def _field(self, schema: Schema, place: _Place, value: Any) -> Field:
        shape = shape_of(schema, self.parts, place.depth)
        if shape.kind is Kind.GROUP:
            return self._group(shape, place, value) or self.as_json(place, shape, value)
        text = None if shape.kind is Kind.JSON else _written(shape, value, required=place.required)
        return self.as_json(place, shape, value) if text is None else self._leaf(shape, place, text)

    def _group(self, shape: Shape, place: _Place, value: Any) -> Field | None:
        """Return a group; None where an empty one would mean another value than this one."""
        may_be_empty = shape.nullable or not place.required
        properties = shape.schema["properties"]
        given: Mapping[str, Any] = {}
        if isinstance(value, dict):
            if not value.keys() <= properties.keys():
                return None
            given = value
        elif value is not msgspec.UNSET and not (value is None and _is_null_when_empty(shape, required=place.required)):
            return None
        shows_defaults = isinstance(value, dict) or (not may_be_empty and place.shows_defaults)
        fields = self.inner(shape.schema, place.name, place.path, given, place.depth, shows_defaults=shows_defaults)
        if isinstance(value, dict) and may_be_empty and not any(one.text for one in all_of(fields)):
            return None
        hint = "" if not may_be_empty else "all empty = null" if place.required else "all empty = left out"
        return _field_at(place, PLAIN, shape, hint=hint, fields=fields)

    def _leaf(self, shape: Shape, place: _Place, text: str) -> Field:
        kind, zone = shape.kind, None
        # A picker takes no other text, so that it is not for values it cannot show, nor where null could be meant.
        is_free = not shape.nullable or _is_null_when_empty(shape, required=place.required)
        if kind is Kind.TEXT and "\n" in text:
            kind = Kind.LINES
        elif kind in (Kind.DATE, Kind.CLOCK) and not (is_free and has_picker(kind, text)):
            kind = Kind.TEXT
        elif kind is Kind.INSTANT:
            split = clock_parts(text) if text else ("", self._zone)
            if split is None or not is_free:
                kind = Kind.TEXT
            else:
                text, zone = split
        choices = _choices(shape, required=place.required) if kind is Kind.CHOICE else ()
        hint = _hint(shape, required=place.required)
        found = _field_at(place, PLAIN, shape, hint=hint, text=text)
        return msgspec.structs.replace(found, kind=kind, zone=zone, choices=choices)


def _field_at(
    place: _Place, begins: str, shape: Shape, *, hint: str, text: str = "", fields: tuple[Field, ...] = ()
) -> Field:
    return Field(
        name=begins + place.name,
        path=place.path,
        label=place.label,
        kind=shape.kind,
        text=text,
        required=place.required,
        about=str(shape.schema.get("description", "")),
        hint=hint,
        fields=fields,
    )


def _written(shape: Shape, value: Any, *, required: bool) -> str | None:
    """Return a value as it is typed; None where that would be read as another one."""
    if value is msgspec.UNSET:
        return ""
    if value is None and shape.nullable:
        is_blank = shape.kind is not Kind.CHOICE and _is_null_when_empty(shape, required=required)
        return "" if is_blank else "null"
    if shape.kind is Kind.CHOICE or not isinstance(value, str):
        text = msgspec.json.encode(value).decode()
    else:
        text = value if value or shape.kind not in TEXTS else '""'
    if not text or not text.replace("\n", "").replace("\t", "").isprintable():
        return None
    if shape.kind is Kind.CHOICE:
        return text if any(_is_same(one, value) for one in shape.choices) else None
    try:
        return text if _is_same(typed_text(shape, text), value) else None
    except (ValueError, MainspringError):
        return None


def _is_same(one: Any, other: Any) -> bool:
    """Compare as JSON is written: true is not 1, and neither is 1.0."""
    return msgspec.json.encode(one) == msgspec.json.encode(other)


def _is_null_when_empty(shape: Shape, *, required: bool) -> bool:
    return shape.nullable and (required or shape.schema.get("default", msgspec.UNSET) is None)


def _choices(shape: Shape, *, required: bool) -> tuple[Choice, ...]:
    blank = Choice("", "choose" if required else f"left out{_default(shape)}")
    found = [Choice(msgspec.json.encode(one).decode(), _label(one)) for one in shape.choices]
    return (blank, *found, *([Choice("null", "null")] if shape.nullable else []))


def _label(value: Any) -> str:
    return value if isinstance(value, str) and value.strip() else msgspec.json.encode(value).decode()


def _hint(shape: Shape, *, required: bool) -> str:
    """Return what may be typed: how, between which bounds, and what an empty field means."""
    said = [_EXAMPLES.get(shape.kind, "")]
    low, high = shape.schema.get("minimum"), shape.schema.get("maximum")
    if low is not None or high is not None:
        said.append(f"{'' if low is None else f'from {low}'} {'' if high is None else f'to {high}'}".strip())
    if shape.nullable and required:
        said.append("empty = null")
    elif not required and shape.kind is not Kind.CHOICE:
        said.append(f"empty = left out{_default(shape)}")
    return ", ".join(filter(None, said))


def _default(shape: Shape) -> str:
    default = shape.schema.get("default", msgspec.UNSET)
    if default is msgspec.UNSET:
        return ""
    text = msgspec.json.encode(default).decode()
    return f" ({text if len(text) <= _SHOWN else 'its default'})"


def _pretty(value: Any) -> str:
    data = msgspec.json.encode(value)
    return msgspec.json.format(data, indent=0 if len(data) <= _SHOWN else 2).decode()
