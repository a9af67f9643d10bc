"""An event as users' code sees it: published, posted, queued, dropped into a folder, or the end of a run."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True):
    """An external fact: attributes are the fields of its data, unless the event itself has an attribute of that name.

    `at` = when it was published or received. `id`, `key`, `headers` and `trigger` are its origin, if a trigger received it.
    """

    name: str
    data: Any = None
    at: datetime | None = None
    id: str = ""
    key: str | None = None
    headers: dict[str, str] = {}
    trigger: str = ""

    def __getattr__(self, field: str) -> Any:
        data = self.data
        if isinstance(data, Mapping) and field in data:
            return data[field]
        raise AttributeError(f"event {self.name!r} has no field {field!r}")


class AwaitedEvent(Event, frozen=True):
    """An event that a run waited for. No trigger received it, so `id`, `key`, `headers` and `trigger` are fields of its data, or nothing.

    A field of the data that is called `at` hides the instant.
    """

    def __getattribute__(self, field: str) -> Any:
        if field not in _DATA_FIRST_FIELDS:
            return super().__getattribute__(field)
        data = self.data
        if isinstance(data, Mapping) and field in data:
            return data[field]
        if field == "at" and (at := super().__getattribute__("at")) is not None:
            return at
        raise AttributeError(f"event {self.name!r} has no field {field!r}")


_DATA_FIRST_FIELDS = frozenset({"at", "id", "key", "headers", "trigger"})
