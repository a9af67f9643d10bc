"""The webhooks that are taken in, by path: made of the triggers in the store, so that they outlive the worker that announced them."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from mainspring.domain.json_schema import Misfit, Schema, misfit
from mainspring.domain.webhook import Webhook
from mainspring.triggers.known import KnownTrigger


class Hook(NamedTuple):
    """One webhook, and the schema of its data; None = anything is taken."""

    trigger: str
    webhook: Webhook
    schema: Schema | None

    def misfit(self, data: Any) -> Misfit | None:
        """Return where data does not fit."""
        return None if self.schema is None else misfit(self.schema, data)


class HookTable:
    """Replaced as a whole, so that a request sees the one or the other."""

    def __init__(self) -> None:
        self._by_path: dict[str, Hook] = {}
        self._unreadable: frozenset[str] = frozenset()
        self._made: dict[str, tuple[KnownTrigger, Hook]] = {}
        self.is_read = False
        """Whether the store has told them at least once: before that nobody knows which paths there are."""

    def take(self, known: Iterable[KnownTrigger], unreadable: Iterable[str] = ()) -> None:
        """Take what the store holds now. `unreadable` = paths of webhooks that this process does not understand."""
        made: dict[str, tuple[KnownTrigger, Hook]] = {}
        for one in known:
            if one.path is not None and isinstance(one.trigger.source, Webhook):
                before = self._made.get(one.path)
                made[one.path] = before if before is not None and before[0] == one else (one, hook_of(one))
        self._made = made
        self._by_path = {path: hook for path, (_, hook) in made.items()}
        self._unreadable = frozenset(unreadable)
        self.is_read = True

    def find(self, path: str) -> Hook | None:
        """Return the webhook of exactly this path."""
        return self._by_path.get(path)

    def is_unreadable(self, path: str) -> bool:
        """Whether something is at this path that this process does not understand."""
        return path in self._unreadable

    def __iter__(self) -> Any:
        return iter(self._by_path.values())

    def __len__(self) -> int:
        return len(self._by_path)


def hook_of(known: KnownTrigger) -> Hook:
    """Return the webhook of a trigger, whose source is one."""
    assert isinstance(known.trigger.source, Webhook)
    return Hook(known.name, known.trigger.source, data_schema(known))


def data_schema(known: KnownTrigger) -> Schema | None:
    """Return the schema of what arrives for a trigger; None where its automation takes anything.

    With a filter it is None too: what the filter would leave out need not fit.
    """
    reading, arguments = known.trigger.reading, known.definition.parameters
    parts = {"$defs": arguments["$defs"]} if "$defs" in arguments else {}
    fields: dict[str, Any] = arguments.get("properties", {})
    if known.trigger.filtered:
        return None
    if reading.how == "fields":
        return {"type": "object", "properties": fields, "required": arguments.get("required", []), **parts}
    if reading.how != "data" or reading.parameter not in fields:
        return None
    schema = fields[reading.parameter]
    if reading.many:
        schema = schema.get("items", True)
    return {**schema, **parts} if isinstance(schema, dict) else None
