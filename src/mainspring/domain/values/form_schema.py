"""Form schema: the JSON Schema of a class whose fields a person fills in, with labels, help and defaults where the class states them.

A label or a help text comes from the metadata of a field (`title`, `description`; for dataclasses and attrs also `label`, `help`), else
from a line "name: text" in the docstring of the class.
"""

import dataclasses
import functools
import inspect
import re
import shlex
import typing
from collections.abc import Mapping, Sequence
from datetime import datetime, time
from typing import Annotated, Any, Final, get_args, get_origin

import msgspec

from mainspring.domain.errors import ArgumentError, OptionError
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.annotation import format_annotation, get_decoder, make_readable
from mainspring.domain.values.arguments import make_custom_schema
from mainspring.domain.values.canonical_json import join_path
from mainspring.domain.values.json_schema import SchemaMismatch, iterate_mismatches

_REFERENCE: Final = "#/$defs/"
_FORMATS: Final = {datetime: "date-time", time: "time"}
_TITLES, _DESCRIPTIONS = ("title", "label"), ("description", "help")
_DEEPEST: Final = 8
_MOST_FIELDS: Final = 10
_MOST_VALUES: Final = 6
_HINT: Final = "Write a dataclass, a msgspec.Struct, an attrs class, a TypedDict or a pydantic model."


def make_form_schema(model: Any) -> bytes:
    """Return the JSON Schema of the fields of a class, as JSON: an object with `properties`, which accepts no other fields.

    Raises:
        OptionError: it is not a class, cannot be read back from JSON, or has no fields.
    """
    try:
        hash(model)
    except TypeError:
        raise OptionError(f"form= is a value ({type(model).__name__}): a form needs a class", hint=_HINT) from None
    return _make_form_schema(model)


@functools.lru_cache(maxsize=256)
def _make_form_schema(model: Any) -> bytes:
    named = f"form={format_annotation(model)}"
    try:
        get_decoder(model)
        schema = _read_schema(model)
    except (TypeError, ValueError, RecursionError, NameError) as error:
        raise OptionError(f"{named}: this type cannot be a form: {str(error).splitlines()[0]}") from None
    parts = schema.pop("$defs", {})
    name = str(schema.get("$ref", "")).removeprefix(_REFERENCE)
    root = parts.get(name, {}) if name else schema
    if root.get("type") != "object" or not root.get("properties"):
        raise OptionError(f"{named}: a form needs a class with fields", hint=_HINT)
    _describe(model, root, parts, frozenset())
    for part in (root, *parts.values()):
        if part.get("type") == "object" and "properties" in part:
            part.setdefault("additionalProperties", False)
    inner_parts = {known: part for known, part in parts.items() if known != name}
    if name and f'"$ref":"{_REFERENCE}{name}"'.encode() in msgspec.json.encode([root, inner_parts]):
        inner_parts[name] = root  # a class that contains itself is referred to
    return msgspec.json.encode({**root, **({"$defs": inner_parts} if inner_parts else {})})


def describe_form(schema: Mapping[str, Any]) -> str:
    """Return the text of a form that asks no question of its own: the first line of its docstring, else its name."""
    text = str(schema.get("description") or "").strip()
    return text.splitlines()[0] if text else str(schema.get("title") or "Fill in this form")


def format_form_options(schema: Mapping[str, Any]) -> str:
    """Return the options of a command line for the fields that a form needs, else for its first ones: `--form address.city=VALUE`."""
    return " ".join(f"--form {shlex.quote(name)}=VALUE" for name in _list_needed(schema, schema, 0)[:_MOST_FIELDS])


def list_form_labels(schema: Mapping[str, Any]) -> list[str]:
    """Return the fields of a form for a line of text, with the values that a field accepts, if they are few: `condition=new|used`."""
    labels = []
    for name, field in schema.get("properties", {}).items():
        values = resolve_part(field, schema).get("enum", ())
        labels.append(f"{name}={'|'.join(map(str, values))}" if 0 < len(values) <= _MOST_VALUES else name)
    return labels


def read_form_words(schema: Mapping[str, Any], words: Sequence[str]) -> dict[str, Any]:
    """Return the fields of words such as `amount=5`, `address.city=Bonn`: text where the field is a text, else JSON.

    Raises:
        ArgumentError: a word is not of that form, or a field is given twice.
    """
    fields: dict[str, Any] = {}
    for word in words:
        name, sign, text = word.partition("=")
        if not sign or not name:
            raise ArgumentError(f"{escape(word, 80)!r} is not of the form name=value", hint="Write --form amount=5.")
        place, part, inside = fields, resolve_part(schema, schema), name
        while "." in inside and inside not in part.get("properties", {}):
            outer, _, inside = inside.partition(".")
            part = resolve_part(part.get("properties", {}).get(outer, {}), schema)
            place = place.setdefault(outer, {})
        if not isinstance(place, dict) or inside in place:
            raise ArgumentError(
                f"the field {escape(name, 80)!r} is given more than once, as a whole or in parts",
                hint="Write each field once.",
            )
        place[inside] = _read_word(part.get("properties", {}).get(inside, {}), schema, text)
    return fields


def resolve_part(part: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a part of a schema with the target of its reference, and without its null."""
    name = str(part.get("$ref", "")).removeprefix(_REFERENCE)
    if name:
        part = schema.get("$defs", {}).get(name, {})
    choices = [choice for choice in part.get("anyOf", ()) if choice != {"type": "null"}]
    return resolve_part(choices[0], schema) if len(choices) == 1 else part


def list_form_mismatches(schema: Mapping[str, Any], value: Any) -> list[SchemaMismatch]:
    """Return each place of a filled-in form that does not fit its schema; a missing field has its own path."""
    fields = schema["properties"]
    own: list[SchemaMismatch] = []
    if isinstance(value, dict):
        listed = ", ".join(fields)
        unknown = f"no field of this name is known; the fields are {listed}"
        own = [SchemaMismatch(join_path("$", name), unknown) for name in value if name not in fields]
        missing = (name for name in schema.get("required", ()) if name not in value)
        own += [SchemaMismatch(join_path("$", name), "it is missing") for name in missing]
    paths = {mismatch.path for mismatch in own} | ({"$"} if own else set())
    mismatches = iterate_mismatches(schema, value, checks_formats=True)
    return own + [mismatch for mismatch in mismatches if mismatch.path not in paths]


def _list_needed(part: Mapping[str, Any], schema: Mapping[str, Any], depth: int) -> list[str]:
    fields = part.get("properties", {})
    needed = [name for name in fields if name in part.get("required", ())] or list(fields)
    listed: list[str] = []
    for name in needed:
        inner = resolve_part(fields[name], schema)
        leaves = _list_needed(inner, schema, depth + 1) if depth < _DEEPEST else []
        listed.extend(f"{name}.{leaf}" for leaf in leaves) if leaves else listed.append(name)
    return listed


def _read_word(part: Mapping[str, Any], schema: Mapping[str, Any], text: str) -> Any:
    if text == "null" and {"type": "null"} in part.get("anyOf", ()):
        return None
    part = resolve_part(part, schema)
    kinds = {_kind_of(choice) for choice in part.get("enum", ())} or {str(part.get("type"))}
    if "string" in kinds and not (part.get("anyOf") and text[:1] in ("{", "[")):
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _kind_of(choice: Any) -> str:
    return "string" if isinstance(choice, str) else "other"


def _read_schema(model: Any) -> dict[str, Any]:
    own_schema = getattr(model, "model_json_schema", None)
    if own_schema is not None:
        return dict(own_schema())
    return msgspec.json.schema(make_readable(model), schema_hook=make_custom_schema)


def _describe(model: Any, schema: dict[str, Any], parts: dict[str, Any], above: frozenset[Any]) -> None:
    """Add formats, labels and help to the fields of a class, and of the classes in them."""
    if hasattr(model, "model_json_schema") or len(above) > _DEEPEST or model in above:
        return
    docs = _read_docs(model, schema)
    metadata = _read_metadata(model)
    for name, annotation in _read_annotations(model).items():
        part = schema["properties"].get(name)
        if not isinstance(part, dict):
            continue
        stated = metadata.get(name, {})
        _set_first(part, "title", [stated.get(key) for key in _TITLES])
        _set_first(part, "description", [*(stated.get(key) for key in _DESCRIPTIONS), docs.get(name)])
        for member in _list_members(annotation):
            for text in part.get("anyOf", [part]) if member in _FORMATS else ():
                if text.get("type") == "string":
                    text.setdefault("format", _FORMATS[member])
            inner = parts.get(getattr(member, "__name__", ""))
            if isinstance(inner, dict) and isinstance(inner.get("properties"), dict):
                _describe(member, inner, parts, above | {model})


def _set_first(part: dict[str, Any], key: str, texts: list[Any]) -> None:
    """Set the first of the texts that there is, unless the schema has one."""
    text = next((str(text) for text in texts if text), None)
    if text is not None:
        part.setdefault(key, text)


def _read_docs(model: Any, schema: dict[str, Any]) -> dict[str, str]:
    """Return the lines of the docstring that are about fields, by name. They leave the text about the form itself."""
    doc = inspect.cleandoc(str(schema.get("description") or ""))  # Python does it from 3.13 on
    if doc.startswith(f"{getattr(model, '__name__', '')}("):  # a dataclass without a docstring
        schema.pop("description", None)
        return {}
    docs: dict[str, str] = {}
    about_form: list[str] = []
    for line in doc.splitlines():
        found = re.fullmatch(r"\s*`{0,2}(\w+)`{0,2}\s*(?:\([^)]*\))?\s*:\s*(\S.*)", line)
        if found and found[1] in schema["properties"]:
            docs[found[1]] = found[2].strip()
        elif line.strip() not in ("Args:", "Attributes:", "Fields:"):
            about_form.append(line)
    if doc:
        schema["description"] = "\n".join(about_form).strip()
    return docs


def _read_metadata(model: Any) -> dict[str, Mapping[Any, Any]]:
    """Return the metadata that dataclasses and attrs keep of each field."""
    if dataclasses.is_dataclass(model):
        return {field.name: field.metadata for field in dataclasses.fields(model)}
    return {field.name: field.metadata for field in getattr(model, "__attrs_attrs__", ())}


def _read_annotations(model: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(model, include_extras=True) if isinstance(model, type) else {}
    renamed = zip(getattr(model, "__struct_fields__", ()), getattr(model, "__struct_encode_fields__", ()), strict=False)
    names = dict(renamed)
    return {names.get(name, name): annotation for name, annotation in hints.items()}


def _list_members(annotation: Any) -> list[Any]:
    """Return the types that an annotation names: itself, or the members of its union, without metadata."""
    if get_origin(annotation) in (Annotated, typing.Required, typing.NotRequired):
        return _list_members(get_args(annotation)[0])
    members = get_args(annotation) if get_origin(annotation) is not None else ()
    if not members:
        return [annotation] if isinstance(annotation, type) else []
    return [inner for member in members if not isinstance(member, str) for inner in _list_members(member)]
