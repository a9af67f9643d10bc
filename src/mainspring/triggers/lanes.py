"""What a queue's desk holds, as lanes: each is taken in one after the other, all of them at once."""

from collections.abc import Sequence

from mainspring.domain.arrival import Arrival
from mainspring.domain.errors import OptionError
from mainspring.domain.queue_message import QueueMessage, arrival_of
from mainspring.domain.queue_source import Queue

Lane = list[tuple[QueueMessage, Arrival | str]]
"""Messages in the order of the broker, each with what is taken in for it, or why there is nothing."""


def lanes_of(queue: Queue, messages: Sequence[QueueMessage]) -> list[Lane]:
    """Return a lane for each partition, and one for each message without."""
    lanes: dict[str, Lane] = {}
    for number, message in enumerate(messages):
        arrival = _arrival(queue, message)
        partition = arrival.partition if isinstance(arrival, Arrival) else None
        lanes.setdefault(f"#{number}" if partition is None else f"={partition}", []).append((message, arrival))
    return list(lanes.values())


def _arrival(queue: Queue, message: QueueMessage) -> Arrival | str:
    try:
        return arrival_of(queue, message)
    except OptionError as bad:
        return bad.message
