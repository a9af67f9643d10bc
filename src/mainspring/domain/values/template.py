"""Templates in braces: "{slot:%F}", "order {order.id}".

They are filled from decoded JSON and the slot, and access nothing else: a name, then keys of JSON objects, then a
format. No index, no conversion, no underscore, no attribute of a live object, no width that could fill the memory.
Invariant: an accepted template can only fail later over a value that is missing or of another shape.
"""

import re
import string
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time
from typing import Any

from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.values.file import file_name, is_encoded_file

_NAME = lazy_pattern(r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*", re.ASCII)
_WIDE = lazy_pattern(r"[0-9]{4}")
_LONGEST_TEMPLATE = 4_000
_LONGEST_SPEC = 60


def split_template(template: str) -> Iterator[tuple[str, str, str]]:
    """Yield (literal text, field name, format) for each part; the name is "" if no field follows.

    Raises:
        OptionError: the braces do not pair, or a field is more than a dotted name and a format.
    """
    if len(template) > _LONGEST_TEMPLATE:
        raise OptionError(f"the template is longer than {_LONGEST_TEMPLATE} characters", hint="Make it shorter.")
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise _template_error(template, str(error).lower()) from None
    for literal, name, spec, conversion in parts:
        if name is None:
            yield literal, "", ""
            continue
        if not _NAME.fullmatch(name) or name.startswith("_") or "._" in name or conversion:
            raise _template_error(template, f"{{{name}}} is not a plain name")
        if spec and ("{" in spec or len(spec) > _LONGEST_SPEC or _WIDE.search(spec)):
            raise _template_error(template, f"the format {spec[:_LONGEST_SPEC]!r} is not allowed")
        yield literal, name, spec or ""


def check_template(template: object, known: Iterable[str] | None = None, *, option: str = "template") -> None:
    """Refuse a template that cannot be read, or whose first names are not among the `known` (None: not checked).

    `option` = its name in the error if it is no text.
    """
    if not isinstance(template, str):
        raise OptionError(f"{option}={repr(template)[:80]} is not a text", hint='Write it in quotes: "{data.id}".')
    names = None if known is None else set(known)
    for _, name, _ in split_template(template):
        first = name.split(".")[0]
        if names is not None and first and first not in names:
            raise UnknownNameError("name in template", first, names)


def check_fields(template: str, schema: Mapping[str, Any]) -> None:
    """Refuse a template with a field, "{order.id}", that no value of this JSON schema of the arguments has.

    Fields that a schema leaves open are accepted.

    Raises:
        OptionError, UnknownNameError: names the field.
    """
    parts = schema.get("$defs", {})
    for _, name, _ in split_template(template):
        first, *keys = name.split(".")
        if first == "slot" and keys and "slot" not in schema.get("properties", {}):
            raise _template_error(
                template, f"{{{name}}}: slot is a time and has no fields; give it a format, {{slot:%F}}"
            )
        kinds = [schema.get("properties", {}).get(first, {})]
        for index, key in enumerate(keys):
            kinds = [schema_choice for kind in kinds for schema_choice in _possible_schemas(kind, parts)]
            fields = [_schema_fields(kind) for kind in kinds]
            if None not in fields and fields and not any(key in known for known in fields if known):
                known = sorted({field for names in fields for field in names or ()})
                if not known:
                    owner = ".".join([first, *keys[:index]])
                    raise _template_error(template, f"{{{name}}}: {owner} is a single value and has no fields")
                raise UnknownNameError("field in template", key, known)
            kinds = [
                (kind.get("properties", {}) if known is None else known).get(key, {})
                for kind, known in zip(kinds, fields, strict=True)
            ]


def _possible_schemas(kind: Mapping[str, Any], parts: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the schemas that a value may have, references followed; null is excluded."""
    if "$ref" in kind:
        return _possible_schemas(parts.get(kind["$ref"].rpartition("/")[2], {}), parts)
    if "anyOf" in kind:
        return [resolved for choice in kind["anyOf"] for resolved in _possible_schemas(choice, parts)]
    return [] if kind.get("type") == "null" else [kind]


def _schema_fields(kind: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the fields of a value of this schema, each with its own schema; None if it may have any."""
    if kind.get("type") in ("string", "integer", "number", "boolean", "array"):
        return {}
    if kind.get("type") != "object" or kind.get("additionalProperties") not in (None, False):
        return None
    fields: Mapping[str, Any] | None = kind.get("properties")
    return {"name": {"type": "string"}, **fields} if fields and is_encoded_file(fields) else fields


def expand_template(template: str, values: Mapping[str, Any]) -> str:
    """Return the text with each field filled in.

    Raises:
        OptionError: a value is missing, is a list or object, or does not fit its format.
    """
    parts: list[str] = []
    for literal, name, spec in split_template(template):
        parts.append(literal)
        if name:
            parts.append(_format_value(template, name, spec, _resolve_field(template, name, values)))
    return "".join(parts)


def _resolve_field(template: str, name: str, values: Mapping[str, Any]) -> Any:
    """Follow a dotted name through JSON objects."""
    value: Any = values
    for key in name.split("."):
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, Mapping) and key == "name" and is_encoded_file(value):
            value = file_name(value["path"])
        else:
            raise _template_error(template, f"{{{name}}} has no value here")
    return value


def _format_value(template: str, name: str, spec: str, value: Any) -> str:
    """Return one value as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float | datetime | date | time):
        raise _template_error(template, f"{{{name}}} is a {type(value).__name__}, not a single value")
    if not spec:
        return value.isoformat() if isinstance(value, datetime | date | time) else str(value)
    try:
        return format(_parse_moment(value) if "%" in spec else value, spec)
    except ValueError:
        raise _template_error(template, f"{value!r} does not fit the format {spec!r}") from None


def _parse_moment(value: Any) -> Any:
    """Return ISO text as a moment, so that arguments accept the formats of `slot`."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _template_error(template: str, problem: str) -> OptionError:
    """Return the error that shows the template."""
    return OptionError(
        f"template {template[:200]!r}: {problem}",
        hint='Write {name}, {name.key} or {slot:%F}; double the braces for text: "{{".',
    )
