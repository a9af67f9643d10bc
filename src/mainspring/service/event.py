"""Publishing an event: stored once, given to each run that waits for it."""

from datetime import timedelta
from typing import Any, NamedTuple

from mainspring.domain.clock import Clock
from mainspring.domain.codec import encode
from mainspring.domain.ids import derived_id
from mainspring.service.actor import Act
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.inbox import Publish
from mainspring.store.commands.results import Numbered

_KEPT_FOR = timedelta(days=7)


class Published(NamedTuple):
    """The event's id, and how many runs it woke when it was first published."""

    id: str
    woken: int


def publish(
    store: Store,
    clock: Clock,
    name: str,
    data: Any,
    *,
    act: Act,
    key: str | None = None,
    keep_for: timedelta = _KEPT_FOR,
) -> Published:
    """Publish an event with JSON data; the same (name, key) counts once.

    Events are kept as plain JSON, whatever the codec: the store compares their values with what runs wait for.

    Raises:
        ValueRefusedError: the data cannot be saved.
    """
    event = derived_id("e", 0, act.command)
    keep_until = clock.now() + round(keep_for.total_seconds() * 1000)
    command = Publish(event, name, encode(data, what=f"event {name}"), keep_until, key)
    woken: Numbered = perform(store, act, "publish", f"event:{name}", command, {"event": event, "key": key})
    return Published(event, woken.number)
