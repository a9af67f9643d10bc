"""What `[otel]` makes: spans of what a worker commits, and the thread that tells them."""

import logging

from mainspring import __version__
from mainspring.app.process_log import process_name
from mainspring.config.settings import Settings
from mainspring.domain.clock import Clock
from mainspring.domain.errors import ConfigError
from mainspring.domain.span import Attribute
from mainspring.operations.traces.collector import Collector
from mainspring.operations.traces.committed import SpanMaker
from mainspring.operations.traces.exporter import Exporter
from mainspring.operations.traces.span_queue import SpanQueue
from mainspring.operations.traces.traced_database import TracedDatabase
from mainspring.resources.fault_text import FaultText
from mainspring.resources.hidden import HIDDEN
from mainspring.resources.secret import Secrets
from mainspring.store.base import Database

_LOG = logging.getLogger("mainspring.traces")


class Tracing:
    """The traces of one worker, which begin when its store is opened."""

    def __init__(self, exporter: Exporter, queue: SpanQueue, clock: Clock) -> None:
        self._exporter = exporter
        self._queue = queue
        self._clock = clock

    def wrap(self, database: Database) -> Database:
        """Return a database whose commits are told; the one given where nothing can be told: a worker works without traces."""
        try:
            self._exporter.start()
        except ConfigError as error:
            _LOG.error("no traces are sent: %s. %s", error.message, error.hint)
            return database
        return TracedDatabase(database, SpanMaker(), self._queue, self._clock)

    def close(self) -> None:
        """Tell what is left, for two seconds at most."""
        self._exporter.close()


def tracing_of(settings: Settings, secrets: Secrets, clock: Clock) -> Tracing | None:
    """Return the traces of a worker that is about to be made, None where no collector is named."""
    otel = settings.otel
    if otel.endpoint is None:
        return None
    queue = SpanQueue()
    resource: dict[str, Attribute] = {
        "service.name": otel.service,
        "service.version": __version__,
        "service.instance.id": process_name(),
        "deployment.environment.name": settings.project.environment,
    }
    secret = None if otel.headers_secret is None else otel.headers_secret.removeprefix("secret:")
    collector = Collector(otel.endpoint, secret, FaultText(secrets))
    return Tracing(Exporter(queue, collector, resource, HIDDEN.redact), queue, clock)
