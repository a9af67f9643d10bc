"""What a step sends as the store takes it: sealed, events apart from messages."""

from msgspec.structs import replace

from mainspring.domain.runs.outbox import EVENT_RETENTION_MS, OutboxEntry, QueuedMessage
from mainspring.engine.driver.driver_host import DriverHost
from mainspring.store.commands.inbox import PublishEvent


def encode_outbox(
    hosting: DriverHost, outgoing: tuple[OutboxEntry, ...]
) -> tuple[tuple[PublishEvent, ...], tuple[QueuedMessage, ...]]:
    """Return the events and the messages, each in order.

    Raises:
        SealedError: the codec fails.
    """
    if not outgoing:
        return (), ()
    keep_until = hosting.clock.now() + EVENT_RETENTION_MS
    events: list[PublishEvent] = []
    messages: list[QueuedMessage] = []
    for one in outgoing:
        if isinstance(one, QueuedMessage):
            sealed = hosting.seal(one.body) or b""
            messages.append(replace(one, body=sealed, headers=hosting.seal(one.headers)))
        else:
            events.append(PublishEvent(one.id, one.name, hosting.seal(one.data) or b"", keep_until, one.key))
    return tuple(events), tuple(messages)
