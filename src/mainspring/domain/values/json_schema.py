"""JSON Schema check: does a JSON value fit a schema? For the part of JSON Schema that annotations become, and nothing else.

Role: incoming data is checked before user code reads it. Schemas come from `arguments.make_arguments_schema`; a keyword that is not known
here refuses nothing, and neither does a reference that leads nowhere. `format`, and a `pattern` that could take long, are left to the
reader of the value. Invariant: a value that the annotation itself would read is never refused; 1.0 is no integer here either.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from mainspring.domain.text.escaping import escape
from mainspring.domain.text.phrases import join_choices
from mainspring.domain.text.safe_regex import is_safe_regex
from mainspring.domain.values.canonical_json import join_path

JsonSchema = Mapping[str, Any]
_DEEPEST = 400
_MAX_TEXT_LENGTH = 60
_COMPARED = 20
_REFERENCE = "#/$defs/"


class SchemaMismatch(NamedTuple):
    """The place where a value does not fit (JSON path), and the reason."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


def find_mismatch(
    schema: JsonSchema, value: Any, parts: JsonSchema | None = None, *, checks_formats: bool = False
) -> SchemaMismatch | None:
    """Return the first place where decoded JSON does not fit, None if all of it does. `parts` = the `$defs` (default: the schema's own).

    `checks_formats` = also whether a text is a date, a time, an instant, a span, a UUID or a decimal number where the schema says so.
    """
    return next(iterate_mismatches(schema, value, parts, checks_formats=checks_formats), None)


def iterate_mismatches(
    schema: JsonSchema, value: Any, parts: JsonSchema | None = None, *, checks_formats: bool = False
) -> Iterator[SchemaMismatch]:
    """Yield each place where decoded JSON does not fit, from the outside to the inside; the arguments are those of `find_mismatch`."""
    checker = _SchemaChecker(schema.get("$defs", {}) if parts is None else parts, checks_formats=checks_formats)
    return checker.iterate_mismatches(schema, value, "$", 0)


def find_mismatch_of_all(schemas: Sequence[JsonSchema] | None, value: Any) -> SchemaMismatch | None:
    """Return why a value fits none of several schemas, by the first of them; None if it fits one, or none is known."""
    mismatches = [find_mismatch(schema, value) for schema in schemas or ()]
    return mismatches[0] if mismatches and None not in mismatches else None


class _SchemaChecker:
    """One check; it knows the targets of references."""

    def __init__(self, parts: JsonSchema, *, checks_formats: bool = False) -> None:
        self._parts = parts
        self._checks_formats = checks_formats

    def iterate_mismatches(self, schema: Any, value: Any, path: str, depth: int) -> Iterator[SchemaMismatch]:
        """Yield the mismatches at or below `path`."""
        if schema is False:
            yield SchemaMismatch(path, f"nothing is expected here, got {_format_json(value)}")
            return
        if schema is True or depth > _DEEPEST:
            return
        part = self._parts.get(str(schema["$ref"]).removeprefix(_REFERENCE)) if "$ref" in schema else None
        if part is not None:
            yield from self.iterate_mismatches(part, value, path, depth + 1)
        if "anyOf" in schema:
            yield from self._check_choices(schema, value, path, depth + 1)
            return
        error = _check_type(schema, value) or _check_value(schema, value)
        if error is None and self._checks_formats and isinstance(value, str):
            error = _check_format(schema, value)
        if error is not None:
            yield SchemaMismatch(path, error)
            return
        yield from self._inside(schema, value, path, depth + 1)

    def _inside(self, schema: JsonSchema, value: Any, path: str, depth: int) -> Iterator[SchemaMismatch]:
        if isinstance(value, dict):
            fields, additional = schema.get("properties", {}), schema.get("additionalProperties", True)
            for name in schema.get("required", ()):
                if name not in value:
                    yield SchemaMismatch(path, f"{name!r} is missing{_suggest_field(name, value, fields)}")
            for name, item in value.items():
                if name not in fields and additional is False:
                    yield SchemaMismatch(join_path(path, name), "no field of this name is known")
                else:
                    yield from self.iterate_mismatches(fields.get(name, additional), item, join_path(path, name), depth)
        elif isinstance(value, list):
            first, rest = schema.get("prefixItems", ()), schema.get("items", True)
            for index, item in enumerate(value):
                item_schema = first[index] if index < len(first) else rest
                yield from self.iterate_mismatches(item_schema, item, f"{path}[{index}]", depth)

    def _check_choices(self, schema: JsonSchema, value: Any, path: str, depth: int) -> Iterator[SchemaMismatch]:
        """Yield nothing if one of the choices fits; else the mismatches of the intended one, if it can be known."""
        choices = schema["anyOf"]
        tag = schema.get("discriminator", {})
        if tag and isinstance(value, dict):
            name, mapping = tag.get("propertyName", ""), tag.get("mapping", {})
            if name not in value:
                yield SchemaMismatch(path, f"{name!r} is missing")
                return
            chosen = mapping.get(value[name]) if isinstance(value[name], str) else None
            if mapping and chosen is None:
                yield SchemaMismatch(
                    join_path(path, name),
                    f"expected {join_choices(map(_format_json, mapping))}, got {_format_json(value[name])}",
                )
                return
            if chosen is not None:
                yield from self.iterate_mismatches({"$ref": chosen}, value, path, depth)
                return
        stated = [choice for choice in choices if choice != {"type": "null"}]
        is_optional = self._checks_formats and len(stated) == 1  # an optional value whose format is another one
        mismatches: list[SchemaMismatch] = []
        for choice in choices:
            # Each choice is read once: a second reading would double the work at each depth.
            found = list(islice(self.iterate_mismatches(choice, value, path, depth), None if is_optional else 1))
            if not found:
                return
            if not is_optional or choice == stated[0]:
                mismatches += found
        if is_optional:
            yield from mismatches
            return
        deeper = [mismatch for mismatch in mismatches if mismatch.path != path or " is missing" in mismatch.why]
        if len(deeper) == 1:
            yield deeper[0]
            return
        kinds = list(dict.fromkeys(self._kind(choice) for choice in choices))
        yield SchemaMismatch(path, f"expected {join_choices(kinds)}, got {_format_json(value)}")

    def _kind(self, schema: Any, depth: int = 0) -> str:
        """Return in a word what a schema expects."""
        if schema is False:
            return "nothing"
        if "$ref" in schema and depth < _DEEPEST:
            return self._kind(self._parts.get(str(schema["$ref"]).removeprefix(_REFERENCE), {}), depth + 1)
        if "const" in schema:
            return _format_json(schema["const"])
        if "enum" in schema:
            return join_choices(map(_format_json, schema["enum"]))
        return str(schema.get("title") or schema.get("type") or "something else")


_FORMATS: dict[str, type] = {
    "date": date,
    "time": time,
    "date-time": datetime,
    "duration": timedelta,
    "uuid": UUID,
    "decimal": Decimal,
}
_FORMAT_EXAMPLES: dict[type, str] = {
    date: "a date such as 2026-01-05",
    time: "a time such as 03:00:00",
    datetime: "an instant such as 2026-01-05T03:00:00Z",
    timedelta: "a span such as PT30S",
    UUID: "a UUID",
    Decimal: "a decimal number such as 1.50",
}


_TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: not isinstance(value, bool) and isinstance(value, int),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


_TYPE_LABELS = {"boolean": "boolean (true or false)"}


def _suggest_field(name: str, value: dict[str, Any], fields: JsonSchema) -> str:
    """Return the unknown field that was probably meant to be the missing one; of a large object only the first few are compared."""
    from difflib import get_close_matches

    unknown = (other for other in value if other not in fields and len(other) <= _MAX_TEXT_LENGTH)
    near = get_close_matches(name, [*islice(unknown, _COMPARED)], n=1)
    return f" (got {escape(near[0], _MAX_TEXT_LENGTH)!r}: is it a misspelling?)" if near else ""


def _check_type(schema: JsonSchema, value: Any) -> str | None:
    expected = schema.get("type")
    if expected is None:
        return None
    kinds = expected if isinstance(expected, list) else [expected]
    if any(_TYPES.get(kind, lambda _: True)(value) for kind in kinds):
        return None
    if schema.get("format") == "decimal" and _TYPES["number"](
        value
    ):  # a Decimal is written as text and read from numbers too
        return None
    return f"expected {join_choices(_TYPE_LABELS.get(kind, str(kind)) for kind in kinds)}, got {_format_json(value)}"


def _check_value(schema: JsonSchema, value: Any) -> str | None:
    """Return the error of a value of the right type."""
    if "enum" in schema and not any(_is_same(allowed, value) for allowed in schema["enum"]):
        return f"expected {join_choices(map(_format_json, schema['enum']))}, got {_format_json(value)}"
    if "const" in schema and not _is_same(schema["const"], value):
        return f"expected {_format_json(schema['const'])}, got {_format_json(value)}"
    if isinstance(value, str):
        return _check_text(schema, value)
    if isinstance(value, list | dict):
        kind, fewest, most = (
            ("items", "minItems", "maxItems")
            if isinstance(value, list)
            else ("fields", "minProperties", "maxProperties")
        )
        return _check_length(schema, len(value), kind, fewest, most)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _check_number(schema, value)
    return None


def _check_text(schema: JsonSchema, text: str) -> str | None:
    pattern = schema.get("pattern")
    if pattern is not None and is_safe_regex(pattern, len(text)) and not re.search(pattern, text):
        return f"expected text that matches {pattern!r}, got {_format_json(text)}"
    return _check_length(schema, len(text), "characters", "minLength", "maxLength")


def _check_format(schema: JsonSchema, text: str) -> str | None:
    kind = _FORMATS.get(str(schema.get("format")))
    if kind is None:
        return None
    try:
        msgspec.convert(text, kind)
    except msgspec.ValidationError:
        return f"expected {_FORMAT_EXAMPLES[kind]}, got {_format_json(text)}"
    return None


def _check_length(schema: JsonSchema, length: int, noun: str, fewest: str, most: str) -> str | None:
    if length < schema.get(fewest, 0):
        return f"expected at least {schema[fewest]} {noun}, got {length}"
    if most in schema and length > schema[most]:
        return f"expected at most {schema[most]} {noun}, got {length}"
    return None


def _check_number(schema: JsonSchema, number: int | float) -> str | None:
    bounds: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
        ("minimum", lambda bound: number >= bound, "at least"),
        ("maximum", lambda bound: number <= bound, "at most"),
        ("exclusiveMinimum", lambda bound: number > bound, "more than"),
        ("exclusiveMaximum", lambda bound: number < bound, "less than"),
        ("multipleOf", lambda bound: _is_multiple(number, bound), "a multiple of"),
    )
    for name, holds, words in bounds:
        if name in schema and not holds(schema[name]):
            return f"expected {words} {schema[name]}, got {_format_json(number)}"
    return None


def _is_multiple(number: int | float, of: int | float) -> bool:
    try:
        return number % of == 0
    except OverflowError:  # of digits more than a float holds, whose remainder by one is unknown
        return True


def _is_same(value: Any, other_value: Any) -> bool:
    """Compare JSON values as readers of choices do: true is not 1, and neither is 1.0."""
    return type(value) is type(other_value) and bool(value == other_value)


def _format_json(value: Any) -> str:
    """Return a value as short JSON."""
    if isinstance(value, list | dict):
        return "an array" if isinstance(value, list) else "an object"
    text = msgspec.json.encode(value).decode()
    return escape(text if len(text) <= _MAX_TEXT_LENGTH else f"{text[: _MAX_TEXT_LENGTH - 3]}...", _MAX_TEXT_LENGTH)
