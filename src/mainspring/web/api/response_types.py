"""What the API tells, as types: each view of the store as `values.plain_json` writes it, so that the document says what is answered."""

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
    """Makes the types; each view has one."""

    def __init__(self) -> None:
        self._made: dict[Any, Any] = {}

    def of(self, kind: Any, field: str = "") -> Any:
        """Return the type of what is told of a value of this type that stands in a field of this name."""
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
            return reduce(or_, (self._optional(one, field) for one in get_args(kind)))
        if origin is not None:
            return self._container(origin, get_args(kind))
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            return self._struct(kind)
        if isinstance(kind, type) and issubclass(kind, _AS_TEXT):
            return str
        return kind

    def _optional(self, kind: Any, field: str) -> Any:
        found = self.of(kind, field)
        return type(None) if found is None else Union[found, Any] if found is Any else found  # noqa: UP007

    def _container(self, origin: Any, inner: tuple[Any, ...]) -> Any:
        if issubclass(origin, Mapping):
            return dict[str, self.of(inner[1])]  # type: ignore[misc]
        return list[self.of(inner[0])]  # type: ignore[misc]

    def _struct(self, kind: type[msgspec.Struct]) -> Any:
        if kind not in self._made:
            self._made[kind] = Any  # what holds itself is not described to its end
            fields = [(one.name, self.of(one.type, one.name)) for one in msgspec.structs.fields(kind)]
            self._made[kind] = self._defined(kind.__name__, fields, kind)
        return self._made[kind]

    def _page(self, item: Any) -> Any:
        key = (Page, item)
        if key not in self._made:
            fields = [("items", list[self.of(item)]), ("next", str | None)]  # type: ignore[misc]
            self._made[key] = self._defined(f"{item.__name__}Page", fields, Page)
        return self._made[key]

    @staticmethod
    def _defined(name: str, fields: list[tuple[str, Any]], of: type[msgspec.Struct]) -> Any:
        return msgspec.defstruct(
            name, fields, kw_only=True, frozen=True, module=of.__module__, namespace={"__doc__": of.__doc__}
        )
