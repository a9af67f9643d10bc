"""Schema check: can a schema be obeyed? A written schema is refused if `json_schema.find_mismatch` would ignore a part or fail.

That check ignores unknown keywords, which is right for schemas that annotations became, but here a misspelt keyword would stay unnoticed.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.text.phrases import join_choices
from mainspring.domain.text.safe_regex import is_safe_regex
from mainspring.domain.values.canonical_json import join_path

_DEEPEST = 50
_LONGEST_TEXT = 1_000
_TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")


def check_schema(schema: Any) -> None:
    """Refuse a schema with a part that has no effect.

    Raises:
        UnknownNameError: a keyword is not checked; shows the nearest.
        OptionError: the value of a keyword cannot be used; names its place.
    """
    parts = schema.get("$defs", {}) if isinstance(schema, Mapping) else {}
    _check(schema, "$", parts if isinstance(parts, Mapping) else {}, 0)


class _Keyword(NamedTuple):
    """A keyword: its expected value, in words and as a check, and the schemas inside it."""

    expected_value: str
    fits: Callable[[Any], bool]
    inside: Callable[[Any], Iterator[tuple[Any, Any]]] = lambda value: iter(())


def _check(schema: Any, path: str, parts: Mapping[str, Any], depth: int) -> None:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        raise OptionError(f"{path} is not a schema, or is too deep", hint='Write a table such as {type = "object"}.')
    for name, value in schema.items():
        keyword_path = join_path(path, name)
        known = _KEYWORDS.get(name)
        if known is None:
            raise UnknownNameError(f"keyword of a schema at {path}:", str(name), _KEYWORDS)
        if not known.fits(value):
            raise OptionError(
                f"{keyword_path} must be {known.expected_value}", hint="See JSON Schema for the values of each keyword."
            )
        if name == "$ref" and value.removeprefix("#/$defs/") not in parts:
            raise OptionError(
                f"{keyword_path} leads nowhere", hint='Write "#/$defs/NAME", and NAME under $defs of the whole.'
            )
        for key, part in known.inside(value):
            _check(part, keyword_path if key is None else join_path(keyword_path, key), parts, depth + 1)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_type(value: Any) -> bool:
    kinds = value if isinstance(value, list) else [value]
    return bool(kinds) and all(isinstance(kind, str) and kind in _TYPES for kind in kinds)


def _is_pattern(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(re.compile(value)) and is_safe_regex(value, _LONGEST_TEXT)
    except (re.error, OverflowError, RecursionError):
        return False


def _is_name_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _list_named(value: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    yield from value.items()


def _list_items(value: list[Any]) -> Iterator[tuple[Any, Any]]:
    yield from ((str(index), part) for index, part in enumerate(value))


def _list_single(value: Any) -> Iterator[tuple[Any, Any]]:
    yield None, value


_COUNT = _Keyword("a whole number from 0", _is_count)
_NUMBER = _Keyword("a number", _is_number)
_TEXT = _Keyword("text", lambda value: isinstance(value, str))
_ANY = _Keyword("a value", lambda value: True)
_SCHEMA = _Keyword("a schema", lambda value: isinstance(value, Mapping | bool), _list_single)
_SCHEMAS_BY_NAME = _Keyword("a table of schemas", lambda value: isinstance(value, Mapping), _list_named)
_SCHEMA_LIST = _Keyword("a list of schemas", lambda value: isinstance(value, list) and bool(value), _list_items)
_KEYWORDS: dict[str, _Keyword] = {
    "type": _Keyword(f"{join_choices(_TYPES)}, or a list of them", _is_type),
    "enum": _Keyword("a list of values", lambda value: isinstance(value, list) and bool(value)),
    "const": _ANY,
    "anyOf": _SCHEMA_LIST,
    "$ref": _TEXT,
    "$defs": _SCHEMAS_BY_NAME,
    "properties": _SCHEMAS_BY_NAME,
    "required": _Keyword("a list of names", _is_name_list),
    "additionalProperties": _SCHEMA,
    "minProperties": _COUNT,
    "maxProperties": _COUNT,
    "items": _SCHEMA,
    "prefixItems": _SCHEMA_LIST,
    "minItems": _COUNT,
    "maxItems": _COUNT,
    "minimum": _NUMBER,
    "maximum": _NUMBER,
    "exclusiveMinimum": _NUMBER,
    "exclusiveMaximum": _NUMBER,
    "multipleOf": _Keyword("a number above 0", lambda value: _is_number(value) and value > 0),
    "minLength": _COUNT,
    "maxLength": _COUNT,
    "pattern": _Keyword("a regular expression that is done soon with any text", _is_pattern),
    "default": _ANY,
    "title": _TEXT,
    "description": _TEXT,
}
