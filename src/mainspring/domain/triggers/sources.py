"""All kinds of trigger sources, one line for each."""

from importlib import import_module

from mainspring.domain.triggers.trigger_source import TriggerSource

SOURCES = {
    "event": "event_sources.EventSource",
    "run": "event_sources.RunEndSource",
    "webhook": "webhooks.webhook.Webhook",
    "queue": "queues.queue_source.BrokerQueue",
    "files": "watched_folder.WatchedFolder",
    "runs": "event_sources.JoinedRunsSource",
}
"""The class of each kind, below this package. All are imported, since the store may hold each."""


def load_sources() -> dict[str, type[TriggerSource]]:
    """Return the classes of all kinds, by kind."""
    return {kind: _import_source(place) for kind, place in SOURCES.items()}


def _import_source(place: str) -> type[TriggerSource]:
    module, _, name = place.rpartition(".")
    source: type[TriggerSource] = getattr(import_module(f"mainspring.domain.triggers.{module}"), name)
    return source
