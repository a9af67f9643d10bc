"""Does a JSON value fit a schema? For the part of JSON Schema that annotations become, and nothing else.

Role: what a door takes in is checked before anybody's code is there to read it. Schemas come from `arguments.json_schema`; a keyword
that is not known here refuses nothing, and neither does a reference that leads nowhere. `format`, and a `pattern` that could take
long, are left to whoever reads the value.
Invariant: what the annotation itself would read is never refused; 1.0 is no integer here either.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from mainspring.domain.text.escaping import escape
from mainspring.domain.text.phrases import join_choices
from mainspring.domain.text.safe_regex import is_safe_regex
from mainspring.domain.values.canonical_json import join_path

JsonSchema = Mapping[str, Any]
_DEEPEST = 400
_SHOWN = 60
_COMPARED = 20
_REFERENCE = "#/$defs/"


class SchemaMismatch(NamedTuple):
    """Where a value does not fit (JSON path), and why."""

    path: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}: {self.why}"


def find_mismatch(schema: JsonSchema, value: Any, parts: JsonSchema | None = None) -> SchemaMismatch | None:
    """Return the first place where decoded JSON does not fit, None if all of it does. `parts` = the `$defs` (default: the schema's own)."""
    return _SchemaChecker(schema.get("$defs", {}) if parts is None else parts).look(schema, value, "$", 0)


def find_mismatch_of_all(schemas: Sequence[JsonSchema] | None, value: Any) -> SchemaMismatch | None:
    """Return why a value fits none of several schemas, by the first of them; None if it fits one, or none is known."""
    found = [find_mismatch(schema, value) for schema in schemas or ()]
    return found[0] if found and None not in found else None


class _SchemaChecker:
    """One check; it knows what references lead to."""

    def __init__(self, parts: JsonSchema) -> None:
        self._parts = parts

    def look(self, schema: Any, value: Any, path: str, depth: int) -> SchemaMismatch | None:
        """Return the first misfit at or below `path`."""
        if schema is False:
            return SchemaMismatch(path, f"nothing is expected here, got {_format_json(value)}")
        if schema is True or depth > _DEEPEST:
            return None
        if "$ref" in schema:
            part = self._parts.get(str(schema["$ref"]).removeprefix(_REFERENCE))
            found = None if part is None else self.look(part, value, path, depth + 1)
            if found is not None:
                return found
        if "anyOf" in schema:
            return self._one_of(schema, value, path, depth + 1)
        wrong = _check_type(schema, value) or _check_value(schema, value)
        if wrong is not None:
            return SchemaMismatch(path, wrong)
        return next((found for found in self._inside(schema, value, path, depth + 1) if found is not None), None)

    def _inside(self, schema: JsonSchema, value: Any, path: str, depth: int) -> Iterator[SchemaMismatch | None]:
        if isinstance(value, dict):
            fields, others = schema.get("properties", {}), schema.get("additionalProperties", True)
            for name in schema.get("required", ()):
                if name not in value:
                    yield SchemaMismatch(path, f"{name!r} is missing{_suggest_field(name, value, fields)}")
            for name, item in value.items():
                if name not in fields and others is False:
                    yield SchemaMismatch(join_path(path, name), "no field of this name is known")
                yield self.look(fields.get(name, others), item, join_path(path, name), depth)
        elif isinstance(value, list):
            first, rest = schema.get("prefixItems", ()), schema.get("items", True)
            for place, item in enumerate(value):
                wanted = first[place] if place < len(first) else rest
                yield self.look(wanted, item, f"{path}[{place}]", depth)

    def _one_of(self, schema: JsonSchema, value: Any, path: str, depth: int) -> SchemaMismatch | None:
        """Return None if one of the choices fits; else the misfit of the one that was meant, as far as that can be told."""
        choices = schema["anyOf"]
        tag = schema.get("discriminator", {})
        if tag and isinstance(value, dict):
            name, mapping = tag.get("propertyName", ""), tag.get("mapping", {})
            if name not in value:
                return SchemaMismatch(path, f"{name!r} is missing")
            meant = mapping.get(value[name]) if isinstance(value[name], str) else None
            if mapping and meant is None:
                return SchemaMismatch(
                    join_path(path, name),
                    f"expected {join_choices(map(_format_json, mapping))}, got {_format_json(value[name])}",
                )
            if meant is not None:
                return self.look({"$ref": meant}, value, path, depth)
        found: list[SchemaMismatch] = []
        for choice in choices:
            wrong = self.look(choice, value, path, depth)
            if wrong is None:
                return None
            found.append(wrong)
        deeper = [one for one in found if one.path != path or " is missing" in one.why]
        if len(deeper) == 1:
            return deeper[0]
        kinds = list(dict.fromkeys(self._kind(choice) for choice in choices))
        return SchemaMismatch(path, f"expected {join_choices(kinds)}, got {_format_json(value)}")

    def _kind(self, schema: Any, depth: int = 0) -> str:
        """Return in a word what a schema wants that did not fit."""
        if schema is False:
            return "nothing"
        if "$ref" in schema and depth < _DEEPEST:
            return self._kind(self._parts.get(str(schema["$ref"]).removeprefix(_REFERENCE), {}), depth + 1)
        if "const" in schema:
            return _format_json(schema["const"])
        if "enum" in schema:
            return join_choices(map(_format_json, schema["enum"]))
        return str(schema.get("title") or schema.get("type") or "something else")


_TYPES: dict[str, Callable[[Any], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: not isinstance(value, bool) and isinstance(value, int),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def _suggest_field(name: str, value: dict[str, Any], fields: JsonSchema) -> str:
    """Return which unknown field was probably meant to be the missing one; of a large object only the first few are compared."""
    unknown = (other for other in value if other not in fields and len(other) <= _SHOWN)
    near = get_close_matches(name, [*islice(unknown, _COMPARED)], n=1)
    return f" (got {escape(near[0], _SHOWN)!r}: is it a misspelling?)" if near else ""


def _check_type(schema: JsonSchema, value: Any) -> str | None:
    wanted = schema.get("type")
    if wanted is None:
        return None
    kinds = wanted if isinstance(wanted, list) else [wanted]
    if any(_TYPES.get(kind, lambda _: True)(value) for kind in kinds):
        return None
    if schema.get("format") == "decimal" and _TYPES["number"](
        value
    ):  # a Decimal is written as text and read from numbers too
        return None
    return f"expected {join_choices(kinds)}, got {_format_json(value)}"


def _check_value(schema: JsonSchema, value: Any) -> str | None:
    """Return what is wrong with a value of the right type."""
    if "enum" in schema and not any(_is_same(one, value) for one in schema["enum"]):
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


def _check_length(schema: JsonSchema, length: int, what: str, fewest: str, most: str) -> str | None:
    if length < schema.get(fewest, 0):
        return f"expected at least {schema[fewest]} {what}, got {length}"
    if most in schema and length > schema[most]:
        return f"expected at most {schema[most]} {what}, got {length}"
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
    except OverflowError:  # of digits more than a float holds, whose remainder by one nobody knows
        return True


def _is_same(one: Any, other: Any) -> bool:
    """Compare JSON values as readers of choices do: true is not 1, and neither is 1.0."""
    return type(one) is type(other) and bool(one == other)


def _format_json(value: Any) -> str:
    """Return a value as short JSON."""
    if isinstance(value, list | dict):
        return "an array" if isinstance(value, list) else "an object"
    text = msgspec.json.encode(value).decode()
    return escape(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}...", _SHOWN)
