"""Annotations of saved values: decoders by type, and the types msgspec does not know itself.

Role: the one place that teaches msgspec about paths, subclasses of str, int and float, pydantic models (only if the program already uses
pydantic) and unions that msgspec cannot resolve by itself. Such a union gives the first member, in the order written, that reads the
value and writes it back to the same bytes. Invariant: decoders and encoders are made once per annotation.
"""

import enum
import functools
import operator
import os
import sys
import types
from collections import abc
from pathlib import Path, PurePath
from typing import Annotated, Any, Generic, Never, NoReturn, TypeVar, Union, get_args, get_origin

import msgspec

T = TypeVar("T")
_SIMPLE = frozenset({type(None), bool, int, str, float})


class _AnyInstance(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return True


class OneOf(Generic[T], metaclass=_AnyInstance):
    """Represents a union or enum that msgspec refuses; `decode_unknown` resolves it, so any value is an instance."""


def encode_unknown(value: Any) -> Any:
    """Return the JSON form of a value that msgspec does not know.

    Raises:
        NotImplementedError: it has no JSON form.
    """
    if isinstance(value, PurePath):
        return str(value)
    for base in (str, int, float):
        if isinstance(value, base):
            return base.__str__(value) if base is str else base(value)
    if _is_pydantic(type(value)):
        return value.model_dump(mode="json")
    raise NotImplementedError(type(value).__qualname__)


def decode_unknown(expected: Any, value: Any) -> Any:
    """Build the `expected` type, one that msgspec does not know, from plain JSON data.

    Raises:
        ValueError: the data does not fit (msgspec adds the path).
    """
    origin = get_origin(expected)
    if origin is OneOf:
        inner = get_args(expected)[0]
        return inner(value) if isinstance(inner, enum.EnumType) else _read_union(get_args(inner), value)
    if not isinstance(expected, type) or origin is not None:
        return value
    if issubclass(expected, PurePath) and isinstance(value, str):
        return expected(value)
    if expected is os.PathLike and isinstance(value, str):
        return Path(value)
    for base in (str, int, float):
        if issubclass(expected, base) and type(value) is base:
            return expected(value)
    if _is_pydantic(expected):
        return expected.model_validate(value)  # type: ignore[attr-defined]
    return value


def make_readable(annotation: Any) -> Any:
    """Return the annotation in a form that msgspec can read."""
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation is NoReturn or annotation is Never:
        return None
    if annotation is abc.Iterable:
        return list
    if isinstance(annotation, enum.EnumType):
        return annotation if _is_supported(annotation) else OneOf[annotation]
    if origin is None or not args or origin in (abc.Callable, type):
        return annotation
    if origin is Annotated:
        return Annotated[(make_readable(args[0]), *annotation.__metadata__)]
    if origin in (Union, types.UnionType):
        members: Any = functools.reduce(operator.or_, [make_readable(arg) or type(None) for arg in args])
        return members if _is_supported(members) else OneOf[members]
    if origin is abc.Iterable:
        return list[make_readable(args[0])]  # type: ignore[misc]
    try:
        return origin[tuple(make_readable(arg) if _is_type(arg) else arg for arg in args)]
    except TypeError:  # Literal values, Final and the like contain no type to rewrite
        return annotation


@functools.lru_cache(maxsize=4096)
def _decoder(annotation: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(make_readable(annotation), dec_hook=decode_unknown)


def get_decoder(annotation: Any) -> msgspec.json.Decoder[Any]:
    """Return the decoder of an annotation.

    Raises:
        TypeError: msgspec cannot read this type back; its message has the reason.
    """
    try:
        return _decoder(annotation)
    except TypeError:
        hash_free: msgspec.json.Decoder[Any] = msgspec.json.Decoder(make_readable(annotation), dec_hook=decode_unknown)
        return hash_free


def find_exact_types(annotation: Any) -> frozenset[type]:
    """Return the classes whose values a round trip through this annotation provably leaves as they are."""
    if annotation is Any:
        return _SIMPLE
    members = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    classes = {type(None) if member is None else member for member in members}
    return frozenset(classes) if all(member in _SIMPLE for member in classes) else frozenset()


def format_annotation(annotation: Any) -> str:
    """Return the annotation as a person would write it."""
    if isinstance(annotation, type) and not get_args(annotation):
        return annotation.__qualname__
    return str(annotation).replace("typing.", "")


def _read_union(members: tuple[Any, ...], value: Any) -> Any:
    plain = msgspec.json.encode(value, order="deterministic")
    for member in members:
        try:
            built = msgspec.convert(value, member, dec_hook=decode_unknown)
            if msgspec.json.encode(built, order="deterministic", enc_hook=encode_unknown) == plain:
                return built
        except (TypeError, ValueError, NotImplementedError):
            continue
    for member in members:  # none is exact: the first that reads it at all, as with a field that has a default
        try:
            return msgspec.convert(value, member, dec_hook=decode_unknown)
        except (TypeError, ValueError, NotImplementedError):
            continue
    raise ValueError(f"Expected one of {', '.join(format_annotation(member) for member in members)}")


def _is_supported(annotation: Any) -> bool:
    try:
        msgspec.json.Decoder(annotation, dec_hook=decode_unknown)
    except TypeError:
        return False
    return True


def _is_type(arg: Any) -> bool:
    return (
        arg is None or isinstance(arg, type | TypeVar) or get_origin(arg) is not None or arg in (Any, NoReturn, Never)
    )


def _is_pydantic(cls: type) -> bool:
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(cls, pydantic.BaseModel)
