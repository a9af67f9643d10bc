"""Intake and delivery of one process, made from the project's parts: the ingest with its router and consumers, and the outbox sender."""

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
    """The intake and delivery of the scheduler process or of `App.running()`.

    Created and used in the thread of `loop`. `brokers` = addresses by name.
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
    ) -> None:
        error_texts = ErrorText(secrets)
        self._ingest = Ingest(loop, store, clock, sealing, off_loop, ConsumerFactory(store, clock, secrets))
        self._sender = OutboxSender(
            loop, store, store.reader, clock, sealing, BrokerConnections(brokers, error_texts.get), error_texts
        )

    def start(self) -> None:
        """Start both."""
        self._ingest.start()
        self._sender.start()

    def changed(self) -> None:
        """Check for news in the store."""
        self._ingest.changed()
        self._sender.changed()

    async def close(self) -> None:
        """Stop the intake and the sending."""
        await self._ingest.close()
        await self._sender.close()
