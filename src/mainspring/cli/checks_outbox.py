"""The check of what steps have sent: no message waits for long, and none for a person."""

from collections.abc import Iterator

from mainspring.cli.checks import Check, ok
from mainspring.cli.context import Invocation
from mainspring.cli.standstill import LONG_UNSENT_MS
from mainspring.cli.words import many, one_line, span

_SHOWN = 5


def outbox(invocation: Invocation) -> Iterator[Check]:
    """Messages are with their brokers."""
    from mainspring.store.reads.outbox import list_outbox_queues, list_refused_messages

    now = invocation.clock.now()
    refused = invocation.rows(list_refused_messages)
    waiting = [one for one in invocation.rows(list_outbox_queues) if now - one.oldest_at > LONG_UNSENT_MS]
    for queue in waiting[:_SHOWN]:
        where = f"messages to {one_line(queue.name, 80)} wait, the oldest for {span(now - queue.oldest_at)}"
        if queue.fault:
            why = one_line(queue.fault, 300)
            yield Check("outbox", "problem", f"{where}: {why}", "They go as soon as that is mended.")
        else:
            yield Check("outbox", "problem", f"{where}, and nobody sends them", "mainspring up")
    if refused:
        yield Check(
            "outbox",
            "problem",
            f"{many(len(refused), 'message was', 'messages were')} refused by the broker: {one_line(refused[0].fault, 200)}",
            "mainspring failed list --messages",
        )
    if not waiting and not refused:
        yield ok("outbox", "no message waits")
