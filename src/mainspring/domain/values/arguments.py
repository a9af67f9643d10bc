"""Arguments from a person or another program: JSON or `name=value` words become typed arguments.

Role: the entry point of `run NAME ...`, the API and forms. All errors are reported at once, each with the argument's name, the expected
type, the given value and the path inside it; unknown names show the nearest known one.
"""

import difflib
import functools
import inspect
import math
import operator
import types
from datetime import datetime, time, timedelta
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from mainspring.domain.duration import parse_duration
from mainspring.domain.errors import ArgumentError, MainspringError
from mainspring.domain.text.escaping import escape
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.values.annotation import decode_unknown, format_annotation, make_readable
from mainspring.domain.values.codec import encode
from mainspring.domain.values.function_signature import Parameter, Signature

_EXAMPLES = {
    "date": "2026-01-05",
    "date-time": "2026-01-05T03:00:00Z",
    "time": "03:00:00",
    "uuid": "00000000-0000-4000-8000-000000000001",
    "duration": "PT30S",
    "decimal": "1.50",
}


_TYPE_MISMATCH = lazy_pattern(r"Expected `[^`]+`, got `[^`]+`")
_FORMATS = {datetime: "date-time", time: "time"}


def bind_json(sig: Signature, obj: dict[str, Any], value_name: str = "arguments") -> dict[str, Any]:
    """Return {parameter: typed argument} of decoded JSON; `sig.spread` makes (args, kwargs) of it.

    Raises:
        ArgumentError: names every unknown, missing and ill-typed argument.
    """
    if not isinstance(obj, dict):
        raise ArgumentError(f"{value_name}: expected a JSON object of arguments, got {_describe_given(obj)}")
    return _bind_arguments(sig, obj, value_name, _from_json)


def bind_words(sig: Signature, words: list[str], value_name: str = "arguments") -> dict[str, Any]:
    """Return {parameter: typed argument} of words such as `day=2026-01-05`; lists and objects are written as JSON.

    Raises:
        ArgumentError: names every unknown, missing, repeated and ill-typed argument.
    """
    given: dict[str, Any] = {}
    faults: list[str] = []
    for word in words:
        name, sign, text = word.partition("=")
        if not sign:
            faults.append(f"{escape(word, 80)!r} is not of the form name=value")
        elif name in given:
            faults.append(f"{name!r} is given twice")
        given[name] = text
    if faults:
        raise _make_argument_error(sig, faults, value_name)
    return _bind_arguments(sig, given, value_name, _from_text)


def make_arguments_schema(sig: Signature) -> dict[str, Any]:
    """Return the JSON Schema of the arguments as one object, for forms and the API."""
    kinds = [_with_date_formats(make_readable(_parameter_type(p))) for p in sig.parameters if p.name != sig.extra]
    schemas, parts = msgspec.json.schema_components(kinds, schema_hook=make_custom_schema)
    named = [p for p in sig.parameters if p.name != sig.extra]
    properties = {p.name: dict(schema) for p, schema in zip(named, schemas, strict=True)}
    for name, default in sig.defaults.items():
        properties[name]["default"] = msgspec.json.decode(encode(default))
    schema: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "required": [p.name for p in sig.parameters if p.is_required],
        "additionalProperties": sig.extra is not None,
    }
    return schema | {"$defs": parts} if parts else schema


@functools.lru_cache(maxsize=1024)
def make_value_schema(annotation: Any) -> bytes | None:
    """Return the JSON Schema of one value of this type as JSON; None if no certain schema exists.

    A type that reads more than its schema states (a pydantic model turns text into numbers) has none.
    """
    if annotation is Any or annotation is None:
        return None
    try:
        return msgspec.json.encode(
            msgspec.json.schema(_with_date_formats(make_readable(annotation)), schema_hook=_make_certain_schema)
        )
    except (TypeError, ValueError, RecursionError):
        return None


def make_example(sig: Signature) -> dict[str, Any]:
    """Return arguments that would be accepted, as JSON data: defaults, else something of the right type."""
    schema = make_arguments_schema(sig)
    parts = schema.get("$defs", {})
    return {
        name: _example_for_schema(part, parts, 0) for name, part in schema["properties"].items() if name != sig.rest
    }


def _bind_arguments(sig: Signature, given: dict[str, Any], value_name: str, read: Any) -> dict[str, Any]:
    faults: list[str] = []
    values: dict[str, Any] = {}
    for name, raw in given.items():
        parameter = sig.by_name.get(name)
        if parameter is None and sig.extra is not None:
            parameter = sig.by_name[sig.extra]._replace(kind=inspect.Parameter.KEYWORD_ONLY)
        if parameter is None or name == sig.extra:
            near = difflib.get_close_matches(name, sig.by_name, n=1, cutoff=0.5)
            faults.append(f"unknown argument {escape(name, 60)!r}" + (f", did you mean {near[0]!r}?" if near else ""))
            continue
        try:
            values[name] = read(parameter, raw)
        except (msgspec.MsgspecError, ValueError, TypeError, RecursionError, MainspringError) as error:
            reason, _, place = str(error).splitlines()[0].partition(" - at `$")
            expected = f"{name}: expected {format_annotation(parameter.annotation)}, got {_describe_given(raw)}"
            if place:
                expected += f": {reason}, at {name}{place.rstrip('`')}"
            elif not _TYPE_MISMATCH.fullmatch(reason):  # that says the same
                expected += f": {reason}"
            faults.append(expected)
    missing = [
        f"{parameter.name} ({format_annotation(parameter.annotation)})"
        for parameter in sig.parameters
        if parameter.is_required and parameter.name not in given
    ]
    if missing:
        faults.append(f"missing: {', '.join(missing)}")
    if faults:
        raise _make_argument_error(sig, faults, value_name)
    return values


def _from_json(parameter: Parameter, raw: Any) -> Any:
    return msgspec.json.decode(
        msgspec.json.encode(raw), type=make_readable(_parameter_type(parameter)), dec_hook=decode_unknown
    )


def _from_text(parameter: Parameter, text: str) -> Any:
    expected = make_readable(_parameter_type(parameter))
    members = _union_members(_parameter_type(parameter))
    if str in members:
        return _parse_if_json(text, expected) if len(members) > 1 and text[:1] in ("{", "[") else text
    if timedelta in members and not text.startswith(("P", "-P")):
        return parse_duration(text)
    try:
        value = msgspec.json.decode(text, type=expected, dec_hook=decode_unknown)
    except msgspec.MsgspecError as error:
        if text[:1] in ("{", "[", '"') and expected is not Any:
            raise
        if expected is Any:
            return text
        try:
            value = msgspec.convert(text, expected, strict=False, dec_hook=decode_unknown)
        except msgspec.ValidationError as second:
            raise second from error
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("it is not a finite number")
    return value


def _union_members(annotation: Any) -> list[Any]:
    """Return the types of a union, else the type itself, without their metadata."""
    if get_origin(annotation) is Annotated:
        return _union_members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [member for part in get_args(annotation) for member in _union_members(part)]
    return [annotation]


def _parse_if_json(text: str, expected: Any) -> Any:
    """Return text that begins like JSON as the list or object that may replace a text, else the text."""
    try:
        return msgspec.json.decode(text, type=expected, dec_hook=decode_unknown)
    except (msgspec.MsgspecError, ValueError):
        return text


def _parameter_type(parameter: Parameter) -> Any:
    return list[parameter.annotation] if parameter.kind is inspect.Parameter.VAR_POSITIONAL else parameter.annotation  # type: ignore[name-defined]


def _with_date_formats(annotation: Any) -> Any:
    """Return an annotation whose schema states that it is an instant or a time of day: msgspec states so only if a zone is required."""
    if annotation in _FORMATS:
        return Annotated[annotation, msgspec.Meta(extra_json_schema={"format": _FORMATS[annotation]})]
    if get_origin(annotation) is Annotated:
        is_zoneless = any(getattr(constraint, "tz", None) is False for constraint in annotation.__metadata__)
        inner = get_args(annotation)[0]
        return Annotated[(inner if is_zoneless else _with_date_formats(inner), *annotation.__metadata__)]
    if get_origin(annotation) in (Union, types.UnionType):
        return functools.reduce(operator.or_, map(_with_date_formats, get_args(annotation)))
    return annotation


def _make_argument_error(sig: Signature, faults: list[str], value_name: str) -> ArgumentError:
    known = ", ".join(sig.by_name) or "none"
    return ArgumentError("\n  ".join([f"{value_name} do not fit {sig.name}", *faults]), hint=f"Its arguments: {known}.")


def _describe_given(raw: Any) -> str:
    text = raw if isinstance(raw, str) else msgspec.json.encode(raw).decode()
    return repr(escape(text, 80))


def make_custom_schema(kind: type) -> dict[str, Any]:
    """Return the schema of a type that msgspec does not know: that of a pydantic model, text for a path, else any JSON."""
    model_schema = getattr(kind, "model_json_schema", None)
    if model_schema is not None:
        return dict(model_schema())
    return {"type": "string"} if hasattr(kind, "__fspath__") else {"description": "any JSON"}


def _make_certain_schema(kind: type) -> dict[str, Any]:
    if hasattr(kind, "model_json_schema"):
        raise ValueError("its reading is its own")
    return {"type": "string"} if hasattr(kind, "__fspath__") else {}


def _example_for_schema(schema: dict[str, Any], parts: dict[str, Any], depth: int) -> Any:
    if "default" in schema:
        return schema["default"]
    if "$ref" in schema:
        schema = parts[schema["$ref"].rpartition("/")[2]]
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        return _example_for_schema(schema["anyOf"][0], parts, depth + 1)
    kind = schema.get("type")
    if kind == "object":
        inner = {name: schema["properties"][name] for name in schema.get("required", ())}
        return {name: _example_for_schema(part, parts, depth + 1) for name, part in inner.items()} if depth < 8 else {}
    if kind == "array":
        parts_in = schema.get("prefixItems") or ([schema["items"]] if isinstance(schema.get("items"), dict) else [])
        return [_example_for_schema(part, parts, depth + 1) for part in parts_in] if depth < 8 else []
    if kind == "string":
        return _EXAMPLES.get(schema.get("format", ""), "" if "contentEncoding" in schema else "text")
    bounds = {"integer": schema.get("minimum", 1), "number": schema.get("minimum", 1.5), "boolean": True}
    return bounds.get(str(kind))
