"""Intake and delivery of one process, made from the project's parts: the ingest with its router and consumers, and the outbox sender."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from mainspring.app.workers.consumers import ConsumerFactory
from mainspring.domain.clock import Clock
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.driver.blocking_calls import BlockingCaller
from mainspring.engine.worker.scans import pause, wait_for_next_round
from mainspring.resources.error_text import ErrorText
from mainspring.resources.secret_store import SecretStore
from mainspring.store.process_store import ProcessStore
from mainspring.triggers.consumer import Consumer
from mainspring.triggers.intake import DeliveryIntake
from mainspring.triggers.queues.broker_connections import BrokerConnections
from mainspring.triggers.queues.outbox_sender import OutboxSender
from mainspring.triggers.router import Router
from mainspring.triggers.trigger_cache import CachedTrigger, TriggerCache

_LOG = logging.getLogger("mainspring.ingest")
_MIN_WAKEUP_INTERVAL_S = 0.01
"""Seconds in which many changes cause one check."""
_POLL_INTERVAL_S = 1.0
_REOPEN_DELAY_S = 5.0


MakeConsumer = Callable[[CachedTrigger, DeliveryIntake], Consumer]


class Ingest:
    """The router and the consumers of one process. Created and used in the thread of `loop`.

    The scheduler process hosts it, and so does a program that is its own worker (`App.running()`).
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: ProcessStore,
        clock: Clock,
        sealing: Sealing,
        off_loop: BlockingCaller,
        make_consumer: MakeConsumer,
    ) -> None:
        self._loop = loop
        self.known = TriggerCache(store.reader)
        self.intake = DeliveryIntake(store, self.known, clock, sealing)
        self._router = Router(loop, store, store.reader, self.known, clock, sealing, off_loop)
        self._make_consumer = make_consumer
        self._consumers: dict[str, tuple[CachedTrigger, asyncio.Task[None]]] = {}
        self._planned = False
        self._next_at = 0.0
        self._consumer_task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the router and the consumers."""
        self._router.poll()
        self._consumer_task = self._loop.create_task(self._keep_consumers())

    def changed(self) -> None:
        """Check for news in the store: now, but not as often as a busy store changes."""
        if not self._planned:
            self._planned = True
            self._loop.call_later(max(self._next_at - self._loop.time(), 0), self._check_router)

    async def close(self) -> None:
        """Stop the router and all consumers."""
        self._router.close()
        tasks = [task for _, task in self._consumers.values()]
        tasks += [self._consumer_task] if self._consumer_task is not None else []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @pause
    def _check_router(self) -> None:
        self._planned = False
        self._next_at = self._loop.time() + _MIN_WAKEUP_INTERVAL_S
        self._router.poll()

    async def _keep_consumers(self) -> None:
        """Keep one consumer for each trigger that has one, as it is announced now. The router reads the triggers."""
        while True:
            announced = {known.name: known for known in self.known}
            for name, (known, task) in list(self._consumers.items()):
                if announced.get(name) != known or task.done():
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                    del self._consumers[name]
            for name, known in announced.items():
                if known.trigger.source.is_fetched and name not in self._consumers:
                    self._consumers[name] = known, self._loop.create_task(self._run(known))
            await wait_for_next_round(_POLL_INTERVAL_S)

    async def _run(self, known: CachedTrigger) -> None:
        """Open and run the consumer of a trigger. Reopen one that fails."""
        try:
            await self._make_consumer(known, self.intake).run()
        except Exception:  # noqa: BLE001  a fault in one consumer must not end the others
            _LOG.exception("the consumer of trigger %s failed; it is restarted in %g s", known.name, _REOPEN_DELAY_S)
            await asyncio.sleep(_REOPEN_DELAY_S)


class IntakeAndDelivery:
    """The intake and delivery of the scheduler process or of `App.running()`.

    Created and used in the thread of `loop`. `brokers` = addresses by name. `make_consumer`, `connections` = in place of those that reach
    brokers and folders.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: ProcessStore,
        clock: Clock,
        sealing: Sealing,
        off_loop: BlockingCaller,
        brokers: Mapping[str, str],
        secrets: SecretStore,
        *,
        make_consumer: MakeConsumer | None = None,
        connections: BrokerConnections | None = None,
    ) -> None:
        error_texts = ErrorText(secrets)
        make_consumer = make_consumer or ConsumerFactory(store, clock, secrets)
        self.ingest = Ingest(loop, store, clock, sealing, off_loop, make_consumer)
        connections = connections or BrokerConnections(brokers, error_texts.get)
        self._sender = OutboxSender(loop, store, store.reader, clock, sealing, connections, error_texts)

    def start(self) -> None:
        """Start both."""
        self.ingest.start()
        self._sender.start()

    def changed(self) -> None:
        """Check for news in the store."""
        self.ingest.changed()
        self._sender.changed()

    async def close(self) -> None:
        """Stop the intake and the sending."""
        await self.ingest.close()
        await self._sender.close()
