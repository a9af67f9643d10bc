"""Publication of an event: stored once, delivered to each run that waits for it."""

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from mainspring.domain.clock import Clock
from mainspring.domain.duration import to_milliseconds
from mainspring.domain.ids import derive_id
from mainspring.domain.runs.outbox import EVENT_RETENTION_MS, MAX_EVENT_BYTES, check_event_name
from mainspring.domain.runs.run_headers import encode_headers
from mainspring.domain.values.codec import encode
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.domain.values.stored_file import refuse_files
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.inbox import PublishEvent

_RETENTION = timedelta(milliseconds=EVENT_RETENTION_MS)


class PublishResult(NamedTuple):
    """The id of the event, and how many runs it woke when it was first published."""

    id: str
    woken: int


def publish(
    store: Store,
    clock: Clock,
    name: str,
    data: object,
    *,
    act: OperationContext,
    key: str | None = None,
    keep_for: timedelta = _RETENTION,
    sealing: Sealing = PLAIN_SEALING,
    headers: Mapping[str, str] | None = None,
) -> PublishResult:
    """Publish an event with JSON data; the same (name, key) counts once. `headers` = those of the runs that it starts.

    To compare sealed data with what runs wait for, open the store with the same sealing.

    Raises:
        ValueRefusedError: the data cannot be saved, or runs wait for it and none of them can read it.
        ArgumentError: the name or the key is empty, longer than 1,000 characters, or cannot be printed.
        OptionError: the headers cannot be used.
    """
    check_event_name(name, key)
    event = derive_id("e", 0, act.command)
    keep_until = clock.now() + to_milliseconds(keep_for)
    # Inline: the store compares it with what runs wait for, while it holds the lock for writing.
    body = encode(data, value_name=f"event {name}", limit=min(sealing.limit, MAX_EVENT_BYTES))
    sealed = sealing.seal_inline(refuse_files(body, f"event {name}"))
    encoded = None if headers is None else encode_headers(headers)
    sealed_headers = None if encoded is None else sealing.seal_inline(encoded)
    command = PublishEvent(event, name, sealed, keep_until, key, checked=True, headers=sealed_headers)
    woken = perform(store, act, "publish", f"event:{name}", command, {"event": event, "key": key})
    return PublishResult(event, woken.number)
