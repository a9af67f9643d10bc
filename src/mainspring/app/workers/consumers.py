"""Which desk a trigger needs, made of the project's parts: secrets, clock, and the store that is told how it stands."""

import logging

from msgspec.structs import replace

from mainspring.app.workers.reporting_consumer import ReportingConsumer, SendReport
from mainspring.domain.clock import Clock
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.domain.triggers.watched_folder import WatchedFolder
from mainspring.resources.secret_store import SecretStore
from mainspring.store.commands.triggers import ReportConsumer
from mainspring.store.process_store import ProcessStore
from mainspring.triggers.consumer import Consumer
from mainspring.triggers.delivery_outcomes import DeliveryOutcomes
from mainspring.triggers.intake import DeliveryIntake
from mainspring.triggers.queues.consumer_state import QueueConsumerState
from mainspring.triggers.queues.exclusive_consumer import ExclusiveConsumer
from mainspring.triggers.trigger_cache import CachedTrigger

_LOG = logging.getLogger("mainspring.desks")


class ConsumerFactory:
    """Makes the desks of one process."""

    def __init__(self, store: ProcessStore, clock: Clock, secrets: SecretStore) -> None:
        self._store = store
        self._clock = clock
        self._secrets = secrets
        self._told: dict[str, ReportConsumer] = {}
        self._logged: dict[str, ReportConsumer] = {}

    def __call__(self, known: CachedTrigger, intake: DeliveryIntake) -> Consumer:
        """Return the desk of a trigger of a kind in FETCHED."""
        source = known.trigger.source
        if isinstance(source, BrokerQueue):
            return self._of_queue(known, source, intake)
        from mainspring.triggers.files.folder_watcher import FolderWatcher  # noqa: PLC0415

        assert isinstance(source, WatchedFolder)
        ends = DeliveryOutcomes(self._store.reader, intake)
        return ReportingConsumer(
            lambda report: FolderWatcher(known.name, source, intake, ends, report, self._clock), self._tell_of_folder
        )

    def _of_queue(self, known: CachedTrigger, queue: BrokerQueue, intake: DeliveryIntake) -> Consumer:
        # Imported late: most projects have no broker.
        from mainspring.triggers.queues.queue_consumer import QueueConsumer  # noqa: PLC0415

        def make(report: SendReport) -> Consumer:
            desk = QueueConsumer(
                known.name,
                queue,
                intake,
                self._secrets,
                report=lambda state: report(_consumer_report(state)),
                clock=self._clock,
            )
            return desk if queue.partition is None else ExclusiveConsumer(desk, known.name, intake)

        return ReportingConsumer(make, lambda told: self._tell(told, queue.shown))

    def _tell_of_folder(self, told: ReportConsumer) -> None:
        """What is left out of a folder that is there is logged by its desk, file by file."""
        self._tell(told, "its folder", logged=told if told.connected_at is None else replace(told, why=None))

    def _tell(self, told: ReportConsumer, what: str, *, logged: ReportConsumer | None = None) -> None:
        """Tell the store how a desk stands, and the log when a broker or folder goes away or comes back, and what it leaves out."""
        if self._told.get(told.trigger) == told:
            return
        self._told[told.trigger] = told
        self._store.submit(told, lambda _result: None)
        logged = logged or told
        if self._logged.get(told.trigger) == logged:
            return
        self._logged[told.trigger] = logged
        if logged.away_since is not None:
            _LOG.warning("trigger %s cannot fetch from %s: %s", logged.trigger, what, logged.why)
        elif logged.why:
            _LOG.warning("trigger %s fetches from %s, but: %s", logged.trigger, what, logged.why)
        else:
            _LOG.info("trigger %s fetches from %s", logged.trigger, what)


def _consumer_report(state: QueueConsumerState) -> ReportConsumer:
    """Return what people are told of a queue's desk."""
    why = state.why or (f"it waits for {state.waits_for}" if state.waits_for else "") or state.last_refusal
    connected_at, away_since = (state.since_at, None) if state.connected else (None, state.since_at)
    return ReportConsumer(state.trigger, connected_at, away_since, why or None)
