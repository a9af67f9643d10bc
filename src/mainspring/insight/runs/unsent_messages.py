"""Unsent messages of a run, in sentences."""

from mainspring.domain.states import MessageState
from mainspring.insight.text.formatting import escape_line, format_count
from mainspring.store.base import StoreReader
from mainspring.store.read.outbox import list_messages_of, list_outbox_queues, unsent_of

_MAX_LISTED = 5


def describe_unsent(reader: StoreReader, run: str) -> list[str]:
    """Return a sentence for each refused message, and for each queue with waiting messages; empty = all are sent."""
    waiting = unsent_of(reader, run, _MAX_LISTED)
    sentences = [
        f"Message {message.id} to {escape_line(message.queue, 80)} was refused: {escape_line(message.fault, 200)}."
        f" Send it again: mainspring failed retry --messages {message.id}"
        for message in list_messages_of(reader, run, _MAX_LISTED)
        if message.state is MessageState.REFUSED
    ]
    faults = {outbox_queue.name: outbox_queue.fault for outbox_queue in list_outbox_queues(reader)} if waiting else {}
    for queue, number in waiting:
        fault = faults.get(queue)
        suffix = f": {escape_line(fault, 200)}" if fault else ""
        sentences.append(
            f"{format_count(number, 'message waits', 'messages wait')} to be sent to {escape_line(queue, 80)}{suffix}."
        )
    return sentences
