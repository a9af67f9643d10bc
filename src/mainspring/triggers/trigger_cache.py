"""A cache of the triggers that workers announced, read from the store: accepting deliveries needs no user code."""

from collections.abc import Iterator

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.triggers.trigger import Trigger
from mainspring.domain.triggers.webhooks.webhook import Webhook
from mainspring.integrations.verifiers import VERIFIERS
from mainspring.store.base import StoreReader


class CachedTrigger(msgspec.Struct, frozen=True):
    """A trigger with the automation that it starts. `path` None = no webhook, or its path is used by another one (`problem`)."""

    name: str
    trigger: Trigger
    definition: Definition
    path: str | None
    problem: str | None
    paused_at: int | None
    paused_until: int | None


class TriggerCache:
    """The triggers by name as last read; `refresh` reads them again. An unreadable trigger stays as it was read before."""

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._by_name: dict[str, CachedTrigger] = {}
        self._read: dict[tuple[bytes, bytes], tuple[Trigger, Definition]] = {}
        self.unreadable: dict[str, str] = {}
        """Triggers of a version that this one cannot read, with the reason."""

    def refresh(self) -> None:
        """Read the triggers again. Blocking; raises StoreError."""
        by_name: dict[str, CachedTrigger] = {}
        read: dict[tuple[bytes, bytes], tuple[Trigger, Definition]] = {}
        unreadable: dict[str, str] = {}
        for row in self._reader.read("list_triggers"):
            name, _, _, encoded, path, problem, definition, paused_at, paused_until = row
            try:
                key = (encoded, definition)
                pair = self._read.get(key) or (_read_trigger(encoded), _read_definition(definition))
            except msgspec.MsgspecError as error:
                unreadable[name] = str(error)
                if name in self._by_name:
                    by_name[name] = self._by_name[name]
                continue
            read[key] = pair
            by_name[name] = CachedTrigger(name, *pair, path, problem, paused_at, paused_until)
        self._by_name, self._read, self.unreadable = by_name, read, unreadable

    def get(self, name: str) -> CachedTrigger | None:
        """Return the trigger of this name; None if there is none."""
        return self._by_name.get(name)

    def __iter__(self) -> Iterator[CachedTrigger]:
        return iter(list(self._by_name.values()))


_TRIGGER = msgspec.json.Decoder(Trigger)


def _read_trigger(data: bytes) -> Trigger:
    trigger = _TRIGGER.decode(data)
    if isinstance(trigger.source, Webhook) and trigger.source.verify.kind not in VERIFIERS:
        raise msgspec.ValidationError(f"Invalid value {trigger.source.verify.kind!r} - at `$.source.verify.type`")
    return trigger


def _read_definition(data: bytes) -> Definition:
    return Definition.from_data(msgspec.json.decode(data))
