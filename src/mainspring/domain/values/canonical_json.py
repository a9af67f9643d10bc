"""Canonical JSON, the careful way: slower than msgspec alone, but it names the place of a part that cannot be saved.

Role: the codec comes here only when the fast encoder failed, may have hidden a value or left a field out. It writes values that the fast
encoder refuses without need (sets whose members have no order: enums, data classes) and keys that are not text if an annotation restores
them. Invariants: a value that both ways can write gets the same bytes; it never calls itself on a container that it is still inside, so
cycles end in a clear error.
"""

import dataclasses
import enum
import math
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from mainspring.domain.errors import ValueRefusedError
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.annotation import encode_unknown

_ENCODER = msgspec.json.Encoder(order="deterministic", enc_hook=encode_unknown)
_DEEPEST = 200
_WIDEST_INT = 14_000  # bits: a little under the 4,300 digits that Python converts from text


def encode_canonical(value: object, value_name: str, restore: Callable[[bytes], object] | None = None) -> bytes:
    """Return the JSON of `value`; `restore` reads it by its annotation, which lets keys be other than text.

    Raises:
        ValueRefusedError: naming the path inside the value.
    """
    walk = _CanonicalEncoder(value_name)
    data = _ENCODER.encode(walk.plain(value, "$", 0))
    if walk.keys:
        _check_keys(walk, data, restore)
    return data


def require_json(value: object) -> None:
    """Refuse a value that has no JSON form of its own, also one that `encode_canonical` writes because an annotation restores it.

    Raises:
        ValueRefusedError: naming the path inside the value.
    """
    _JsonValidator("value").plain(value, "$", 0)


def join_path(path: str, key: str) -> str:
    """Return the path of the entry `key` of the mapping or object at `path`."""
    return f"{path}.{key}" if key.isidentifier() else f"{path}[{escape(repr(key), 60)}]"


class _CanonicalEncoder:
    """One pass over one value: its place, the containers around it, the keys that were not text."""

    def __init__(self, value_name: str) -> None:
        self.value_name = value_name
        self.inside: set[int] = set()
        self.keys: list[tuple[str, str]] = []

    def plain(self, value: Any, path: str, depth: int) -> Any:
        """Return `value` as None, bool, int, float, str, list, dict or ready JSON."""
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return self._text(value, path)
        if kind is int:
            return self._int(value, path)
        if kind is float:
            return self._float(value, path)
        if isinstance(value, enum.Enum):
            return self.plain(value.value, path, depth + 1)
        children = _list_children(value)
        if children is None:
            return self._leaf(value, path, depth)
        if id(value) in self.inside:
            raise self._refused(path, "it contains itself", "Save a value without cycles.")
        if depth >= _DEEPEST:
            raise self._refused(path, f"it is nested deeper than {_DEEPEST} levels", "Save a flatter value.")
        self.inside.add(id(value))
        try:
            return self._container(value, children, path, depth + 1)
        finally:
            self.inside.discard(id(value))

    def _container(self, value: Any, children: Iterator[tuple[Any, Any]], path: str, depth: int) -> Any:
        if isinstance(value, list | tuple | set | frozenset):
            items = [self.plain(item, f"{path}[{index}]", depth) for index, item in children]
            return sorted(items, key=_ENCODER.encode) if isinstance(value, set | frozenset) else items
        entries: dict[str, Any] = {}
        for key, item in children:
            name = self._text(key, path) if type(key) is str else self._key(key, path)
            if name in entries:
                raise self._refused(path, f"two of its keys are both written {name!r}", None)
            entries[name] = self.plain(item, join_path(path, name), depth)
        if isinstance(value, dict):
            return entries
        if isinstance(value, msgspec.Struct) and value.__struct_config__.array_like:
            return list(entries.values())
        return _encode_in_order(entries)

    def _key(self, key: Any, path: str) -> str:
        if _list_children(key) is not None:
            raise _key_error(self.value_name, path, key)
        plain_key = self.plain(key, path, 0)
        if isinstance(plain_key, msgspec.Raw):
            plain_key = msgspec.json.decode(plain_key)
        if not isinstance(plain_key, str | int | float) or isinstance(plain_key, bool):
            raise _key_error(self.value_name, path, key)
        name = plain_key if isinstance(plain_key, str) else _ENCODER.encode(plain_key).decode()
        if not isinstance(key, str) or isinstance(key, enum.Enum):
            self.keys.append((join_path(path, name), type(key).__name__))
        return name

    def _text(self, value: str, path: str) -> str:
        try:
            value.encode()
        except UnicodeEncodeError:
            reason = f"the text {escape(value, 60)!r} contains a lone surrogate"
            raise self._refused(path, reason, "Save bytes, or escape the text first.") from None
        return value

    def _int(self, value: int, path: str) -> int:
        if value.bit_length() > _WIDEST_INT:
            raise self._refused(path, f"an int of {value.bit_length()} bits is too wide", "Save it as text.")
        return value

    def _float(self, value: float, path: str) -> float:
        if not math.isfinite(value):
            raise self._refused(path, f"{value} has no JSON form", "Save None, or a text, in its place.")
        return value

    def _leaf(self, value: Any, path: str, depth: int) -> Any:
        try:
            json_value = encode_unknown(value)
        except NotImplementedError:
            return self._known_leaf(value, path)
        except Exception as error:
            raise self._refused(path, f"{type(value).__qualname__} could not be written: {error}", None) from error
        return self.plain(json_value, path, depth + 1)

    def _known_leaf(self, value: Any, path: str) -> msgspec.Raw:
        try:
            return msgspec.Raw(_ENCODER.encode(value))
        except Exception:  # noqa: BLE001 - the value cannot be written, whatever the reason
            reason = f"a value of type {type(value).__qualname__} cannot be written as JSON"
            hint = "Save plain data: a data class, dict, list, text, number, datetime; or an id to find the object by."
            if callable(value) and not isinstance(value, type):
                hint = "If an action needs it, such as check=, call the action in a step of your own: a function with @ms.step."
            raise self._refused(path, reason, hint) from None

    def _refused(self, path: str, reason: str, hint: str | None) -> ValueRefusedError:
        return ValueRefusedError(self.value_name, path, reason, hint=hint)


class _JsonValidator(_CanonicalEncoder):
    """A pass that refuses keys other than text, sets and bytes: their reader could not know what they were."""

    def plain(self, value: Any, path: str, depth: int) -> Any:
        if isinstance(value, set | frozenset | bytes | bytearray | memoryview):
            raise self._refused(path, f"a value of type {type(value).__name__} has no JSON form", None)
        return super().plain(value, path, depth)

    def _key(self, key: Any, path: str) -> str:
        if not isinstance(key, str | enum.Enum):
            raise self._refused(path, f"the key {escape(repr(key), 60)} is not text", None)
        return super()._key(key, path)


def _list_children(value: Any) -> Iterator[tuple[Any, Any]] | None:
    """Return the (key or place, item) pairs of a container, None for anything else."""
    if isinstance(value, list | tuple | set | frozenset):
        return iter(enumerate(value))
    if isinstance(value, dict):
        return iter(value.items())
    if isinstance(value, msgspec.Struct):
        return _struct_entries(value)
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        return _list_attributes(value, [field.name for field in dataclasses.fields(value)])
    if hasattr(type(value), "__attrs_attrs__"):
        return _list_attributes(value, [field.name for field in type(value).__attrs_attrs__])
    return None


def _struct_entries(value: msgspec.Struct) -> Iterator[tuple[str, Any]]:
    config = value.__struct_config__
    if config.tag is not None and config.tag_field is not None:
        yield config.tag_field, config.tag
    for name, encoded_name in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
        item = getattr(value, name)
        if item is not msgspec.UNSET:
            yield encoded_name, item


def _list_attributes(value: Any, names: list[str]) -> Iterator[tuple[str, Any]]:
    return ((name, getattr(value, name)) for name in names if getattr(value, name, msgspec.UNSET) is not msgspec.UNSET)


def _encode_in_order(fields: dict[str, Any]) -> msgspec.Raw:
    """Return the JSON of an object, its fields in the order of its class, as the fast encoder writes them."""
    pairs = (_ENCODER.encode(name) + b":" + _ENCODER.encode(item) for name, item in fields.items())
    return msgspec.Raw(b"{" + b",".join(pairs) + b"}")


def _check_keys(walk: _CanonicalEncoder, data: bytes, restore: Callable[[bytes], object] | None) -> None:
    """Allow keys other than text only if reading by the annotation returns keys of the same types."""
    again = _CanonicalEncoder(walk.value_name)
    path, kind = walk.keys[0]
    if restore is not None:
        try:
            same = _ENCODER.encode(again.plain(restore(data), "$", 0)) == data
        except (ValueRefusedError, msgspec.ValidationError):
            same = False
        if same and sorted(again.keys) == sorted(walk.keys):
            return
        path, kind = min(set(walk.keys) - set(again.keys), default=walk.keys[0])
    raise _key_error(walk.value_name, path, kind)


def _key_error(value_name: str, path: str, key: Any) -> ValueRefusedError:
    kind = key if isinstance(key, str) else f"{escape(repr(key), 60)} ({type(key).__name__})"
    return ValueRefusedError(
        value_name,
        path,
        f"a key of this kind is not text and could not be read back: {kind}",
        hint="Use text as keys, or annotate the parameter or result, for example dict[int, str].",
    )
