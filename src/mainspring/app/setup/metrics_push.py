"""Metrics push of `[otel] metrics_every`: the thread that sends the metrics of a store to the collector."""

import logging
from typing import TYPE_CHECKING

from mainspring.config.settings import Settings
from mainspring.domain.errors import ConfigError
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.resources.secret_store import SecretStore
from mainspring.store.process_store import ProcessStore

if TYPE_CHECKING:
    from mainspring.alerting.metrics.pusher import MetricsPusher

_LOG = logging.getLogger("mainspring.metrics")


def start_metrics_push(settings: Settings, secrets: SecretStore, store: ProcessStore) -> "MetricsPusher | None":
    """Start to send the metrics of an open store. Return None if none are configured, or none can be sent: the watch continues without."""
    every = settings.otel.metrics_every
    if settings.otel.endpoint is None or every is None:
        return None
    from mainspring.alerting.metrics.metrics_reader import MetricsReader
    from mainspring.alerting.metrics.pusher import MetricsPusher
    from mainspring.alerting.otlp.collector import METRICS
    from mainspring.app.setup.tracing import make_collector, resource_attributes

    # Web processes count the requests to webhooks, and only they report them.
    reader = MetricsReader(None if settings.store.is_remote else settings.store.path, {})
    pusher = MetricsPusher(
        lambda: reader.read(store.reader, store.clock.now()),
        make_collector(settings, secrets, METRICS),
        resource_attributes(settings),
        KNOWN_SECRETS.redact,
        every_s=every.total_seconds(),
    )
    try:
        pusher.start()
    except ConfigError as error:
        _LOG.error("no metrics are sent: %s. %s", error.message, error.hint)
        return None
    return pusher
