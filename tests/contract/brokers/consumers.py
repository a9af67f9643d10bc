"""A store that remembers what it accepted, and consumers in front of it."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.integrations.base.broker import QueueSource
from mainspring.integrations.base.queue_address import resolve_server
from mainspring.integrations.brokers import open_source, parse_broker_queue
from mainspring.store.commands.results import DONE, Refused
from mainspring.triggers.queues.consumer_state import QueueConsumerState
from mainspring.triggers.queues.queue_consumer import QueueConsumer
from tests.brokers.server import BrokerServer, Sent

WITHIN_S = 40
TRIGGER = "orders/queue"
GROUP = "mainspring-orders"


class Intake:
    """Counts each key once, as a store does. `refuses` says what is refused; the first `away` calls commit and then fail."""

    def __init__(self) -> None:
        self.first: dict[str, IncomingDelivery] = {}
        self.all: list[IncomingDelivery] = []
        self.refuses: Callable[[IncomingDelivery], Refused | None] = lambda _: None
        self.away = 0
        self.refused: list[str] = []
        self.reported: list[tuple[str, str]] = []
        self.changed = asyncio.Event()

    async def accept(self, trigger: str, delivery: IncomingDelivery) -> object:
        assert trigger == TRIGGER
        for _ in range(hash(delivery.key) % 5):  # arrivals of one batch overtake each other
            await asyncio.sleep(0)
        answer = self.refuses(delivery)
        self.changed.set()
        if answer is not None:
            self.refused.append(delivery.key)
            return answer
        self.all.append(delivery)
        self.first.setdefault(delivery.key, delivery)
        if self.away:
            self.away -= 1
            raise StoreUnavailableError("the answer to the commit was lost")
        return DONE

    async def refuse(self, trigger: str, reason: str, note: str, delivery: IncomingDelivery) -> None:
        self.reported.append((reason, delivery.headers["message-id"]))


class RunningConsumer:
    """One running consumer and what it reported."""

    def __init__(self, queue: BrokerQueue, intake: Intake, secrets: dict[str, str]) -> None:
        self.intake = intake
        self.states: list[QueueConsumerState] = []
        self.consumer = QueueConsumer(
            TRIGGER, queue, intake, _Secrets(secrets), report=self._report, clock=SystemClock()
        )
        self.task = asyncio.create_task(self.consumer.run())

    def _report(self, state: QueueConsumerState) -> None:
        self.states.append(state)
        self.intake.changed.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until something is so; looked at after each arrival and each report."""
        until = asyncio.get_running_loop().time() + WITHIN_S
        while not is_so():
            assert not self.task.done(), self.task
            left = until - asyncio.get_running_loop().time()
            assert left > 0, f"this was waited for in vain; the desk told {self.states}"
            self.intake.changed.clear()
            waiting = asyncio.create_task(self.intake.changed.wait())
            await asyncio.wait({waiting, self.task}, return_when=asyncio.FIRST_COMPLETED, timeout=left)
            waiting.cancel()

    async def wait_for_accepted(self, count: int) -> None:
        """Wait until so many keys were accepted, and the broker was reported every message."""
        await self.until(lambda: len(self.intake.first) >= count)
        await self.until_settled()

    async def until_settled(self) -> None:
        """Wait until the broker was reported everything that this consumer holds."""
        async with asyncio.timeout(WITHIN_S):
            while self.consumer._held:
                await asyncio.sleep(0.005)

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


class _Secrets:
    def __init__(self, values: dict[str, str]) -> None:
        self._values = values

    def get(self, name: str) -> str:
        return self._values[name]


class RunningConsumers:
    """Makes queues on one broker, sends to them, and opens consumers."""

    def __init__(self, broker: BrokerServer) -> None:
        self.broker = broker
        self.url = ""
        self.secrets: dict[str, str] = {}
        self._open: list[RunningConsumer] = []

    async def queue(self, *, ordered: bool = False, **options: Any) -> BrokerQueue:
        """Make a queue on the broker, with an `ack_wait` that a test can wait for."""
        self.url = await self.broker.new_queue(ordered=ordered)
        return parse_broker_queue(self.url, **{"ack_wait": "2s", **options})

    def open(self, queue: BrokerQueue, intake: Intake | None = None) -> RunningConsumer:
        consumer = RunningConsumer(queue, intake or Intake(), self.secrets)
        self._open.append(consumer)
        return consumer

    async def publisher(self, queue: BrokerQueue) -> QueueSource:
        """Connect to publish."""
        source = open_source(queue, resolve_server(queue.server, lambda name: name), None)
        await source.connect()
        return source

    async def send(self, queue: BrokerQueue, *messages: Sent) -> None:
        """Publish each message once."""
        source = await self.publisher(queue)
        for message in messages:
            await source.publish(message.key, message.body, message.headers)
        await source.close()

    async def left(self, queue: BrokerQueue, count: int = 0) -> int:
        """Return how many messages the broker still has; it may need a moment to count what was released."""
        found = -1
        for _ in range(100):
            found = await self.broker.left(queue, GROUP)
            if found == count:
                break
            await asyncio.sleep(0.05)
        return found

    async def close(self) -> None:
        for consumer in self._open:
            await consumer.stop()
