"""Batches by partition: messages of one batch are accepted one after the other, the batches at the same time."""

from collections.abc import Sequence

from mainspring.domain.errors import OptionError
from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.domain.triggers.queues.queue_message import QueueMessage, make_delivery
from mainspring.domain.triggers.queues.queue_source import BrokerQueue

PartitionBatch = list[tuple[QueueMessage, IncomingDelivery | str]]
"""Messages in the order of the broker, each with its delivery, or the reason why it has none."""


def batch_by_partition(queue: BrokerQueue, messages: Sequence[QueueMessage]) -> list[PartitionBatch]:
    """Return a batch for each partition, and one for each message without a partition."""
    batches: dict[str, PartitionBatch] = {}
    for number, message in enumerate(messages):
        delivery = _read_delivery(queue, message)
        partition = delivery.partition if isinstance(delivery, IncomingDelivery) else None
        batches.setdefault(f"#{number}" if partition is None else f"={partition}", []).append((message, delivery))
    return list(batches.values())


def _read_delivery(queue: BrokerQueue, message: QueueMessage) -> IncomingDelivery | str:
    try:
        return make_delivery(queue, message)
    except OptionError as error:
        return error.message
