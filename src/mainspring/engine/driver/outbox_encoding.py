"""Encoding of a step's outbox for the store: sealed, events separate from messages."""

from msgspec.structs import replace

from mainspring.domain.runs.outbox import EVENT_RETENTION_MS, OutboxEntry, QueuedMessage
from mainspring.engine.driver.driver_host import DriverHost
from mainspring.store.commands.inbox import PublishEvent


def encode_outbox(
    host: DriverHost, outgoing: tuple[OutboxEntry, ...]
) -> tuple[tuple[PublishEvent, ...], tuple[QueuedMessage, ...]]:
    """Return the events and the messages, each in order.

    Raises:
        SealedError: the codec fails.
    """
    if not outgoing:
        return (), ()
    keep_until = host.clock.now() + EVENT_RETENTION_MS
    events: list[PublishEvent] = []
    messages: list[QueuedMessage] = []
    for entry in outgoing:
        if isinstance(entry, QueuedMessage):
            sealed = host.seal(entry.body) or b""
            messages.append(replace(entry, body=sealed, headers=host.seal(entry.headers)))
        else:
            events.append(PublishEvent(entry.id, entry.name, host.seal(entry.data) or b"", keep_until, entry.key))
    return tuple(events), tuple(messages)
