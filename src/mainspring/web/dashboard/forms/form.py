"""A form: fields built from a schema and a value; `typed_values` parses them. Pure.

Invariant: the displayed fields, parsed, give the value they were built from, except that defaults are filled in. What a fitting control
could not display exactly becomes a JSON field.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from mainspring.domain.errors import MainspringError
from mainspring.domain.values.canonical_json import join_path
from mainspring.web.dashboard.forms.field import FieldChoice, FormField, iterate_fields
from mainspring.web.dashboard.forms.field_type import (
    TEXTS,
    FieldType,
    InputKind,
    Schema,
    find_field_type,
    has_picker,
    nested_name,
    split_instant,
)
from mainspring.web.dashboard.forms.typed_values import JSON, PLAIN, REST, parse_text

_WHOLE = "arguments"
_LONGEST_DEFAULT = 60
_EXAMPLES = {
    InputKind.SPAN: "30s, 1h30m or PT30S",
    InputKind.INTEGER: "a whole number",
    InputKind.NUMBER: "a number",
    InputKind.JSON: "JSON",
}


class _FieldPlace(msgspec.Struct, frozen=True):
    """The place of a field, whether it is required, and whether its contents start with the defaults."""

    name: str
    path: str
    label: str
    depth: int
    required: bool
    has_defaults: bool = True


def build_fields(
    schema: Schema, values: Mapping[str, Any], zone: str = "UTC", *, has_checkboxes: bool = False
) -> tuple[FormField, ...]:
    """Return the fields of the arguments of a schema, with these values; without a value, with its default.

    `has_checkboxes` = a field that is true or false, and nothing else, is a checkbox. Its empty box is false.
    """
    properties = schema.get("properties", {})
    is_open = schema.get("additionalProperties", False) is not False
    if not properties and not is_open:
        return ()
    builder = _FieldBuilder(schema.get("$defs", {}), zone, has_checkboxes=has_checkboxes)
    extra = {name: value for name, value in values.items() if name not in properties}
    group = {**schema, "additionalProperties": False}
    if (extra and not is_open) or (properties and find_field_type(group, builder.parts).kind is not InputKind.GROUP):
        root = _FieldPlace("", "$", _WHOLE, 0, required=True)
        return (builder.build_json_field(root, FieldType(InputKind.JSON, {}), dict(values)),)
    fields = builder.build_group_fields(group, "", "$", values, 0, has_defaults=True) if properties else ()
    if is_open:
        text = _format_json(extra) if extra else ""
        about = "Any other names, as one JSON object."
        fields += (
            FormField(name=REST, path="$", label="further arguments", kind=InputKind.JSON, text=text, about=about),
        )
    return fields


class _FieldBuilder:
    """Builds fields; `parts` = the `$defs`, `zone` = the default zone of an instant."""

    def __init__(self, parts: Schema, zone: str, *, has_checkboxes: bool) -> None:
        self.parts = parts
        self._zone = zone
        self._has_checkboxes = has_checkboxes

    def build_group_fields(
        self, schema: Schema, name: str, path: str, values: Mapping[str, Any], depth: int, *, has_defaults: bool
    ) -> tuple[FormField, ...]:
        """Return the fields of a group."""
        required = schema.get("required", ())

        def build(key: str, part: Schema) -> FormField:
            label = str(part.get("title") or key)
            place = _FieldPlace(
                nested_name(name, key), join_path(path, key), label, depth + 1, key in required, has_defaults
            )
            default = part.get("default", msgspec.UNSET) if has_defaults else msgspec.UNSET
            return self._build_any(part, place, values.get(key, default))

        return tuple(build(key, part) for key, part in schema["properties"].items())

    def build_json_field(self, place: _FieldPlace, shape: FieldType, value: Any) -> FormField:
        """Return a field for any JSON."""
        text = "" if value is msgspec.UNSET else _format_json(value)
        json_type = msgspec.structs.replace(shape, kind=InputKind.JSON)
        return _build_field(place, JSON, json_type, hint=_describe_field(json_type, required=place.required), text=text)

    def _build_any(self, schema: Schema, place: _FieldPlace, value: Any) -> FormField:
        shape = find_field_type(schema, self.parts, place.depth)
        if shape.kind is InputKind.GROUP:
            return self._build_group(shape, place, value) or self.build_json_field(place, shape, value)
        text = None if shape.kind is InputKind.JSON else _write_value(shape, value, required=place.required)
        return self.build_json_field(place, shape, value) if text is None else self._build_leaf(shape, place, text)

    def _build_group(self, shape: FieldType, place: _FieldPlace, value: Any) -> FormField | None:
        """Return a group; None if an empty group would mean another value than this one."""
        may_be_empty = shape.nullable or not place.required
        properties = shape.schema["properties"]
        group_values: Mapping[str, Any] = {}
        if isinstance(value, dict):
            if not value.keys() <= properties.keys():
                return None
            group_values = value
        elif value is not msgspec.UNSET and not (value is None and _is_null_when_empty(shape, required=place.required)):
            return None
        has_defaults = isinstance(value, dict) or (not may_be_empty and place.has_defaults)
        fields = self.build_group_fields(
            shape.schema, place.name, place.path, group_values, place.depth, has_defaults=has_defaults
        )
        if isinstance(value, dict) and may_be_empty and not any(field.text for field in iterate_fields(fields)):
            return None
        hint = "" if not may_be_empty else "all empty = null" if place.required else "all empty = left out"
        return _build_field(place, PLAIN, shape, hint=hint, fields=fields)

    def _build_leaf(self, shape: FieldType, place: _FieldPlace, text: str) -> FormField:
        kind, zone = shape.kind, None
        # A picker accepts no other text, so it is not used for a value that it cannot display, nor if null is possible.
        is_free = not shape.nullable or _is_null_when_empty(shape, required=place.required)
        if kind is InputKind.TEXT and "\n" in text:
            kind = InputKind.LINES
        elif kind in (InputKind.DATE, InputKind.CLOCK) and not (is_free and has_picker(kind, text)):
            kind = InputKind.TEXT
        elif kind is InputKind.INSTANT:
            split = split_instant(text) if text else ("", self._zone)
            if split is None or not is_free:
                kind = InputKind.TEXT
            else:
                text, zone = split
        if self._is_checkbox(shape, place):
            text = text or "false"
            return msgspec.structs.replace(
                _build_field(place, PLAIN, shape, hint="", text=text), kind=InputKind.CHECKBOX, required=False
            )
        choices = _list_choices(shape, required=place.required) if kind is InputKind.CHOICE else ()
        hint = _describe_field(shape, required=place.required)
        field = _build_field(place, PLAIN, shape, hint=hint, text=text)
        return msgspec.structs.replace(field, kind=kind, zone=zone, choices=choices)

    def _is_checkbox(self, shape: FieldType, place: _FieldPlace) -> bool:
        """Whether an empty box has a meaning of its own: the value is true or false, and the field is required or has a default."""
        has_value = place.required or isinstance(shape.schema.get("default"), bool)
        is_boolean = shape.schema.get("type") == "boolean" and "enum" not in shape.schema
        return self._has_checkboxes and is_boolean and has_value and not shape.nullable


def _build_field(
    place: _FieldPlace, prefix: str, shape: FieldType, *, hint: str, text: str = "", fields: tuple[FormField, ...] = ()
) -> FormField:
    return FormField(
        name=prefix + place.name,
        path=place.path,
        label=place.label,
        kind=shape.kind,
        text=text,
        required=place.required,
        about=str(shape.schema.get("description", "")),
        hint=hint,
        fields=fields,
    )


def _write_value(shape: FieldType, value: Any, *, required: bool) -> str | None:
    """Return a value as it is typed; None if that text would be parsed to another value."""
    if value is msgspec.UNSET:
        return ""
    if value is None and shape.nullable:
        is_blank = shape.kind is not InputKind.CHOICE and _is_null_when_empty(shape, required=required)
        return "" if is_blank else "null"
    if shape.kind is InputKind.CHOICE or not isinstance(value, str):
        text = msgspec.json.encode(value).decode()
    else:
        text = value if value or shape.kind not in TEXTS else '""'
    if not text or not text.replace("\n", "").replace("\t", "").isprintable():
        return None
    if shape.kind is InputKind.CHOICE:
        return text if any(_is_same_json(choice, value) for choice in shape.choices) else None
    try:
        return text if _is_same_json(parse_text(shape, text), value) else None
    except (ValueError, MainspringError):
        return None


def _is_same_json(value: Any, other: Any) -> bool:
    """Compare as JSON text: true is not 1, and neither is 1.0."""
    return msgspec.json.encode(value) == msgspec.json.encode(other)


def _is_null_when_empty(shape: FieldType, *, required: bool) -> bool:
    return shape.nullable and (required or shape.schema.get("default", msgspec.UNSET) is None)


def _list_choices(shape: FieldType, *, required: bool) -> tuple[FieldChoice, ...]:
    blank = FieldChoice("", "choose" if required else f"left out{_describe_default(shape)}")
    choices = [FieldChoice(msgspec.json.encode(choice).decode(), _format_choice(choice)) for choice in shape.choices]
    return (blank, *choices, *([FieldChoice("null", "null")] if shape.nullable else []))


def _format_choice(value: Any) -> str:
    return value if isinstance(value, str) and value.strip() else msgspec.json.encode(value).decode()


def _describe_field(shape: FieldType, *, required: bool) -> str:
    """Return what may be typed: its format, its bounds, and the meaning of an empty field."""
    parts = [_EXAMPLES.get(shape.kind, "")]
    low, high = shape.schema.get("minimum"), shape.schema.get("maximum")
    if low is not None or high is not None:
        parts.append(f"{'' if low is None else f'from {low}'} {'' if high is None else f'to {high}'}".strip())
    if shape.nullable and required:
        parts.append("empty = null")
    elif not required and shape.kind is not InputKind.CHOICE:
        parts.append(f"empty = left out{_describe_default(shape)}")
    return ", ".join(filter(None, parts))


def _describe_default(shape: FieldType) -> str:
    default = shape.schema.get("default", msgspec.UNSET)
    if default is msgspec.UNSET:
        return ""
    text = msgspec.json.encode(default).decode()
    return f" ({text if len(text) <= _LONGEST_DEFAULT else 'its default'})"


def _format_json(value: Any) -> str:
    data = msgspec.json.encode(value)
    return msgspec.json.format(data, indent=0 if len(data) <= _LONGEST_DEFAULT else 2).decode()
