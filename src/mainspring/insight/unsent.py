"""What a run has sent that no broker has yet, in sentences."""

from mainspring.domain.states import MessageState
from mainspring.insight.words import many, one_line
from mainspring.store.base import Reader
from mainspring.store.reads.outbox import list_messages_of, list_outbox_queues, unsent_of

_SHOWN = 5


def sentences(reader: Reader, run: str) -> list[str]:
    """Return one for each message that was refused, and for each queue that waits; empty = a broker has all of it."""
    waiting = unsent_of(reader, run, _SHOWN)
    told = [
        f"Message {one.id} to {one_line(one.queue, 80)} was refused: {one_line(one.fault, 200)}."
        f" Send it again: mainspring failed retry --messages {one.id}"
        for one in list_messages_of(reader, run, _SHOWN)
        if one.state is MessageState.REFUSED
    ]
    faults = {one.name: one.fault for one in list_outbox_queues(reader)} if waiting else {}
    for queue, number in waiting:
        fault = faults.get(queue)
        why = f": {one_line(fault, 200)}" if fault else ""
        told.append(f"{many(number, 'message waits', 'messages wait')} to be sent to {one_line(queue, 80)}{why}.")
    return told
