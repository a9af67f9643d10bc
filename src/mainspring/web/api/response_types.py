"""Response types of the API: each view of the store as `values.plain_json` writes, so that the document matches the responses."""

import types
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin

import msgspec

from mainspring.domain.values.plain_json import is_instant

T = TypeVar("T")

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""ISO 8601 with a zone."""

_AS_TEXT = (timedelta, Path)


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A part of a list; `next` is the cursor of the following part, None = that was all."""

    items: list[T]
    next: str | None = None


class ResponseTypes:
    """Builds the types; each view has one."""

    def __init__(self) -> None:
        self._types: dict[Any, Any] = {}

    def of(self, kind: Any, field: str = "") -> Any:
        """Return the response type of a value of this type in a field of this name."""
        if kind is int and is_instant(field):
            return Instant
        if kind is bytes:
            return Any
        origin = get_origin(kind)
        if origin is Page:
            return self._page(get_args(kind)[0])
        if origin is Annotated:
            return self.of(get_args(kind)[0], field)
        if origin in (Union, types.UnionType):
            return reduce(or_, (self._optional(alternative, field) for alternative in get_args(kind)))
        if isinstance(origin, type) and issubclass(origin, msgspec.Struct):
            return self._struct(origin)
        if origin is not None:
            return self._container(origin, get_args(kind))
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._struct(kind)
        if isinstance(kind, type) and issubclass(kind, _AS_TEXT):
            return str
        return kind

    def _optional(self, kind: Any, field: str) -> Any:
        type_ = self.of(kind, field)
        return type(None) if type_ is None else Union[type_, Any] if type_ is Any else type_  # noqa: UP007

    def _container(self, origin: Any, inner: tuple[Any, ...]) -> Any:
        if issubclass(origin, Mapping):
            return dict[str, self.of(inner[1])]  # type: ignore[misc]
        return list[self.of(inner[0])]  # type: ignore[misc]

    def _struct(self, kind: type[msgspec.Struct]) -> Any:
        if kind not in self._types:
            self._types[kind] = Any  # the type of a recursive struct ends here
            fields = [(field.encode_name, self.of(field.type, field.name)) for field in msgspec.structs.fields(kind)]
            self._types[kind] = self._define_struct(kind.__name__, fields, kind)
        return self._types[kind]

    def _page(self, item: Any) -> Any:
        key = (Page, item)
        if key not in self._types:
            fields = [("items", list[self.of(item)]), ("next", str | None)]  # type: ignore[misc]
            self._types[key] = self._define_struct(f"{item.__name__}Page", fields, Page)
        return self._types[key]

    @staticmethod
    def _define_struct(name: str, fields: list[tuple[str, Any]], source: type[msgspec.Struct]) -> Any:
        return msgspec.defstruct(
            name, fields, kw_only=True, frozen=True, module=source.__module__, namespace={"__doc__": source.__doc__}
        )
