"""What monitors judge by, for a process that is asked for it again and again: history is read once, as a watcher does, and then kept."""

from collections.abc import Iterable
from threading import Lock

from mainspring.alerting.inputs.facts import FactsReader
from mainspring.alerting.inputs.monitor_inputs import MonitorSnapshot, read_monitor_inputs
from mainspring.domain.monitors.inputs import DueSecret
from mainspring.domain.monitors.registry import TuningTable
from mainspring.domain.monitors.tuning_overrides import TuningOverrides
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.store.base import StoreReader

_AT_ONCE = 2_000
"""Of so many automations one look reads the history; the others are unsure until a later one."""
_FRESH_MS = 1_000
"""Whoever asks again sooner is told the same."""


class CachedMonitorInputs:
    """For any thread, one at a time. What is kept of history is only what a new look would read too."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: tuple[StoreReader, FactsReader] | None = None
        self._seen: tuple[int, MonitorSnapshot] | None = None

    def see(
        self, reader: StoreReader, now: int, *, tunings: TuningTable, own: TuningOverrides, secrets: Iterable[DueSecret]
    ) -> MonitorSnapshot:
        """Return what there is to judge by at the instant `now` (ms); `secrets` = those that the configuration says are due."""
        with self._lock:
            if self._known is None or self._known[0] is not reader:
                self._known = (reader, FactsReader(reader, at_once=_AT_ONCE, secrets=secrets))
                self._seen = None
            if self._seen is None or not 0 <= now - self._seen[0] < _FRESH_MS:
                found = read_monitor_inputs(
                    self._known[1], reader, now, tunings=tunings, redact=KNOWN_SECRETS.redact, own=own
                )
                self._seen = (now, found)
            return self._seen[1]
