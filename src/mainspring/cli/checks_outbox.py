"""The check of what steps have sent: no message waits for long, and none for a person."""

from collections.abc import Iterator

from mainspring.cli.checks import Check, ok
from mainspring.cli.context import Invocation
from mainspring.insight.standstill import Unsent, of_outbox
from mainspring.store.base import Reader


def outbox(invocation: Invocation) -> Iterator[Check]:
    """Messages are with their brokers."""
    from mainspring.store.reads.outbox import list_outbox_queues, refused_messages

    def unsent(reader: Reader) -> list[Unsent]:
        return list(of_outbox(list_outbox_queues(reader), refused_messages(reader), invocation.clock.now()))

    found = [Check("outbox", "problem", *one) for one in invocation.rows_if_made(unsent)]
    yield from found or [ok("outbox", "no message waits")]
