"""What comes in and what goes out of one process, made of the project's parts: arrivals with their router and desks, and the Sender."""

import asyncio
from collections.abc import Mapping

from mainspring.app.workers.consumers import ConsumerFactory
from mainspring.app.workers.ingest import Ingest
from mainspring.domain.clock import Clock
from mainspring.domain.values.sealing import Sealing
from mainspring.engine.worker.blocking_calls import BlockingCaller
from mainspring.resources.error_text import ErrorText
from mainspring.resources.secret_store import SecretStore
from mainspring.store.process_store import ProcessStore
from mainspring.triggers.queues.broker_connections import BrokerConnections
from mainspring.triggers.queues.outbox_sender import OutboxSender


class IntakeAndDelivery:
    """Made and used in `loop`'s thread, by the scheduler process and by `App.running()`. `brokers` = addresses by name."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        store: ProcessStore,
        clock: Clock,
        sealing: Sealing,
        off_loop: BlockingCaller,
        brokers: Mapping[str, str],
        secrets: SecretStore,
    ) -> None:
        faults = ErrorText(secrets)
        self._arrivals = Ingest(loop, store, clock, sealing, off_loop, ConsumerFactory(store, clock, secrets))
        self._sender = OutboxSender(
            loop, store, store.reader, clock, sealing, BrokerConnections(brokers, faults.get), faults
        )

    def start(self) -> None:
        """Begin."""
        self._arrivals.start()
        self._sender.start()

    def changed(self) -> None:
        """Something may be new in the store."""
        self._arrivals.changed()
        self._sender.changed()

    async def close(self) -> None:
        """Take nothing in and send nothing any more."""
        await self._arrivals.close()
        await self._sender.close()
