"""What a queue's desk holds, as lanes: each is taken in one after the other, all of them at once."""

from collections.abc import Sequence

from mainspring.domain.errors import OptionError
from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.domain.triggers.queues.queue_message import QueueMessage, make_delivery
from mainspring.domain.triggers.queues.queue_source import BrokerQueue

PartitionBatch = list[tuple[QueueMessage, IncomingDelivery | str]]
"""Messages in the order of the broker, each with what is taken in for it, or why there is nothing."""


def batch_by_partition(queue: BrokerQueue, messages: Sequence[QueueMessage]) -> list[PartitionBatch]:
    """Return a lane for each partition, and one for each message without."""
    lanes: dict[str, PartitionBatch] = {}
    for number, message in enumerate(messages):
        arrival = _read_arrival(queue, message)
        partition = arrival.partition if isinstance(arrival, IncomingDelivery) else None
        lanes.setdefault(f"#{number}" if partition is None else f"={partition}", []).append((message, arrival))
    return list(lanes.values())


def _read_arrival(queue: BrokerQueue, message: QueueMessage) -> IncomingDelivery | str:
    try:
        return make_delivery(queue, message)
    except OptionError as bad:
        return bad.message
