"""The triggers that workers announced, read from the store: whoever takes arrivals in needs nobody's code."""

from collections.abc import Iterator

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.triggers.trigger import Trigger
from mainspring.store.base import StoreReader


class CachedTrigger(msgspec.Struct, frozen=True):
    """A trigger with the automation that it starts. `path` None = of no webhook, or taken by another one (`problem`)."""

    name: str
    trigger: Trigger
    definition: Definition
    path: str | None
    problem: str | None
    paused_at: int | None
    paused_until: int | None


class TriggerCache:
    """The triggers by name as they were last read; `look` reads them again. What cannot be read stays as it was read before."""

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._by_name: dict[str, CachedTrigger] = {}
        self._read: dict[tuple[bytes, bytes], tuple[Trigger, Definition]] = {}
        self.unreadable: dict[str, str] = {}
        """Triggers of a version that this one does not understand, with the reason."""

    def look(self) -> None:
        """Read them anew. Blocking; raises StoreError."""
        found: dict[str, CachedTrigger] = {}
        read: dict[tuple[bytes, bytes], tuple[Trigger, Definition]] = {}
        unreadable: dict[str, str] = {}
        for row in self._reader.read("list_triggers"):
            name, _, _, written, path, problem, definition, paused_at, paused_until = row
            try:
                key = (written, definition)
                pair = self._read.get(key) or (_TRIGGER.decode(written), _read_definition(definition))
            except msgspec.MsgspecError as error:
                unreadable[name] = str(error)
                if name in self._by_name:
                    found[name] = self._by_name[name]
                continue
            read[key] = pair
            found[name] = CachedTrigger(name, *pair, path, problem, paused_at, paused_until)
        self._by_name, self._read, self.unreadable = found, read, unreadable

    def get(self, name: str) -> CachedTrigger | None:
        """Return the trigger of this name; None if there is none."""
        return self._by_name.get(name)

    def __iter__(self) -> Iterator[CachedTrigger]:
        return iter(list(self._by_name.values()))


_TRIGGER = msgspec.json.Decoder(Trigger)


def _read_definition(data: bytes) -> Definition:
    return Definition.from_data(msgspec.json.decode(data))
