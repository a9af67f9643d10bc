"""Tracing of `[otel]`: spans of a worker's commits, and the thread that exports them."""

import logging

from mainspring.alerting.otlp.collector import TRACES, WITHIN_S, Collector
from mainspring.alerting.traces.exporter import TraceExporter
from mainspring.alerting.traces.span_maker import SpanMaker
from mainspring.alerting.traces.span_queue import SpanQueue
from mainspring.alerting.traces.traced_database import TracedDatabase
from mainspring.app.setup.process_log import process_name
from mainspring.config.settings import Settings
from mainspring.domain.clock import Clock
from mainspring.domain.errors import ConfigError
from mainspring.domain.runs.trace_span import SpanAttribute
from mainspring.resources.error_text import ErrorText
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.resources.secret_store import SecretStore
from mainspring.store.base import Database
from mainspring.version import __version__

_LOG = logging.getLogger("mainspring.traces")


class Tracing:
    """The traces of one worker, which begin when its store is opened."""

    def __init__(self, exporter: TraceExporter, queue: SpanQueue, clock: Clock) -> None:
        self._exporter = exporter
        self._queue = queue
        self._clock = clock

    def wrap(self, database: Database) -> Database:
        """Return a database whose commits are traced, or the given one if no traces can be sent: a worker works without traces."""
        try:
            self._exporter.start()
        except ConfigError as error:
            _LOG.error("no traces are sent: %s. %s", error.message, error.hint)
            return database
        return TracedDatabase(database, SpanMaker(), self._queue, self._clock)

    def close(self) -> None:
        """Export the remaining spans, for two seconds at most."""
        self._exporter.close()


def make_tracing(settings: Settings, secrets: SecretStore, clock: Clock) -> Tracing | None:
    """Return the traces of a worker that is about to be created; None if no collector is configured."""
    if settings.otel.endpoint is None:
        return None
    queue = SpanQueue()
    exporter = TraceExporter(
        queue, make_collector(settings, secrets, TRACES), resource_attributes(settings), KNOWN_SECRETS.redact
    )
    return Tracing(exporter, queue, clock)


def make_collector(settings: Settings, secrets: SecretStore, path: str, within_s: float = WITHIN_S) -> Collector:
    """Return a client of the configured collector; no secret is read yet."""
    otel = settings.otel
    secret = None if otel.headers_secret is None else otel.headers_secret.removeprefix("secret:")
    return Collector(otel.endpoint or "", secret, ErrorText(secrets), path=path, within_s=within_s)


def resource_attributes(settings: Settings) -> dict[str, SpanAttribute]:
    """Return the attributes that everything from this process shares."""
    return {
        "service.name": settings.otel.service,
        "service.version": __version__,
        "service.instance.id": process_name(),
        "deployment.environment.name": settings.project.environment,
    }
