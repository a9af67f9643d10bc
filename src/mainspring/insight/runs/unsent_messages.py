"""What a run has sent that no broker has yet, in sentences."""

from mainspring.domain.states import MessageState
from mainspring.insight.text.formatting import escape_line, format_count
from mainspring.store.base import StoreReader
from mainspring.store.read.outbox import list_messages_of, list_outbox_queues, unsent_of

_SHOWN = 5


def describe_unsent(reader: StoreReader, run: str) -> list[str]:
    """Return one for each message that was refused, and for each queue that waits; empty = a broker has all of it."""
    waiting = unsent_of(reader, run, _SHOWN)
    told = [
        f"Message {one.id} to {escape_line(one.queue, 80)} was refused: {escape_line(one.fault, 200)}."
        f" Send it again: mainspring failed retry --messages {one.id}"
        for one in list_messages_of(reader, run, _SHOWN)
        if one.state is MessageState.REFUSED
    ]
    faults = {one.name: one.fault for one in list_outbox_queues(reader)} if waiting else {}
    for queue, number in waiting:
        fault = faults.get(queue)
        why = f": {escape_line(fault, 200)}" if fault else ""
        told.append(
            f"{format_count(number, 'message waits', 'messages wait')} to be sent to {escape_line(queue, 80)}{why}."
        )
    return told
