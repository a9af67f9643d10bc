"""Consumers of triggers, made from the project's parts: secrets, clock, and the store that records the state of each consumer."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from mainspring.domain.clock import Clock
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.domain.triggers.watched_folder import WatchedFolder
from mainspring.resources.secret_store import SecretStore
from mainspring.store.commands.triggers import ReportConsumer
from mainspring.store.process_store import ProcessStore
from mainspring.triggers.consumer import Consumer, ExclusiveConsumer
from mainspring.triggers.intake import DeliveryIntake, DeliveryOutcomes
from mainspring.triggers.queues.consumer_state import QueueConsumerState
from mainspring.triggers.trigger_cache import CachedTrigger

_LOG = logging.getLogger("mainspring.consumers")

_REPORT_INTERVAL_S = 1.0

SendReport = Callable[[ReportConsumer], None]


class ReportingConsumer:
    """Runs the consumer that `make` returns, and passes its newest state to `send`, at most once a second: each message may change it."""

    def __init__(
        self,
        make: Callable[[SendReport], Consumer],
        send: SendReport,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._send = send
        self._sleep = sleep
        self._newest: ReportConsumer | None = None
        self._changed = asyncio.Event()
        self._consumer = make(self._report)

    async def run(self) -> None:
        """Fetch without end. Raises what the consumer raises."""
        reporting = asyncio.create_task(self._keep_reporting())
        try:
            await self._consumer.run()
        finally:
            reporting.cancel()

    def _report(self, state: ReportConsumer) -> None:
        self._newest = state
        self._changed.set()

    async def _keep_reporting(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._newest is not None:
                self._send(self._newest)
            await self._sleep(_REPORT_INTERVAL_S)


class ConsumerFactory:
    """Create the consumers of one process."""

    def __init__(self, store: ProcessStore, clock: Clock, secrets: SecretStore) -> None:
        self._store = store
        self._clock = clock
        self._secrets = secrets
        self._reported: dict[str, ReportConsumer] = {}
        self._logged: dict[str, ReportConsumer] = {}

    def __call__(self, known: CachedTrigger, intake: DeliveryIntake) -> Consumer:
        """Return the consumer of a trigger whose source is fetched."""
        source = known.trigger.source
        if isinstance(source, BrokerQueue):
            return self._of_queue(known, source, intake)
        from mainspring.triggers.files.folder_watcher import FolderWatcher  # noqa: PLC0415

        assert isinstance(source, WatchedFolder)
        outcomes = DeliveryOutcomes(self._store.reader, intake)
        return ReportingConsumer(
            lambda report: FolderWatcher(known.name, source, intake, outcomes, report, self._clock), self._report_folder
        )

    def _of_queue(self, known: CachedTrigger, queue: BrokerQueue, intake: DeliveryIntake) -> Consumer:
        # Imported late: most projects have no broker.
        from mainspring.triggers.queues.queue_consumer import QueueConsumer  # noqa: PLC0415

        def make(report: SendReport) -> Consumer:
            consumer = QueueConsumer(
                known.name,
                queue,
                intake,
                self._secrets,
                report=lambda state: report(_consumer_report(state)),
                clock=self._clock,
            )
            return consumer if queue.partition is None else ExclusiveConsumer(consumer, known.name, intake)

        return ReportingConsumer(make, lambda state: self._report(state, queue.label))

    def _report_folder(self, state: ReportConsumer) -> None:
        """Report the state of a folder's consumer. Files that it skips are logged by the consumer itself, file by file."""
        self._report(state, "its folder", logged=state if state.connected_at is None else replace(state, reason=None))

    def _report(self, state: ReportConsumer, source: str, *, logged: ReportConsumer | None = None) -> None:
        """Record a consumer's state in the store. Log when its broker or folder becomes unreachable or returns, and what it skips."""
        if self._reported.get(state.trigger) == state:
            return
        self._reported[state.trigger] = state
        self._store.submit(state, lambda _result: None)
        logged = logged or state
        if self._logged.get(state.trigger) == logged:
            return
        self._logged[state.trigger] = logged
        if logged.unreachable_at is not None:
            _LOG.warning("trigger %s cannot read from %s: %s", logged.trigger, source, logged.reason)
        elif logged.reason:
            _LOG.warning("trigger %s reads from %s, but: %s", logged.trigger, source, logged.reason)
        else:
            _LOG.info("trigger %s reads from %s", logged.trigger, source)


def _consumer_report(state: QueueConsumerState) -> ReportConsumer:
    """Return the reported state of a queue's consumer."""
    reason = state.reason or (f"it waits for {state.waits_for}" if state.waits_for else "") or state.last_refusal
    connected_at, unreachable_at = (state.since_at, None) if state.connected else (None, state.since_at)
    return ReportConsumer(state.trigger, connected_at, unreachable_at, reason or None)
