"""A consumer as a process of its own, to be killed: it tells each key that it accepted, and is stuck before the broker is reported any.

python -m tests.contract.brokers.consumer_process URL
"""

import asyncio
import sys

from mainspring.domain.clock import SystemClock
from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.integrations.brokers import parse_broker_queue
from mainspring.store.commands.results import DONE
from mainspring.triggers.queues.queue_consumer import QueueConsumer


class Intake:
    """Accepts, and never answers."""

    def get(self, name: str) -> str:
        raise LookupError(name)

    async def accept(self, trigger: str, delivery: IncomingDelivery) -> object:
        print(delivery.key, flush=True)
        await asyncio.Event().wait()
        return DONE

    async def refuse(self, trigger: str, reason: str, note: str, delivery: IncomingDelivery) -> None:
        raise NotImplementedError


def main(url: str) -> None:
    intake = Intake()
    queue = parse_broker_queue(url, ack_wait="2s", prefetch=10)
    consumer = QueueConsumer("orders/queue", queue, intake, intake, report=lambda _: None, clock=SystemClock())
    asyncio.run(consumer.run())


if __name__ == "__main__":
    main(sys.argv[1])
