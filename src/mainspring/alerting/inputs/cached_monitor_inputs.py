"""Cached inputs of monitors, for a process that evaluates on request: it reads history once, as a watcher does, and caches it."""

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
"""Most automations whose history one evaluation reads; the others stay unsure until a later one."""
_FRESH_MS = 1_000
"""A request that follows sooner gets the same snapshot."""


class CachedMonitorInputs:
    """The inputs of one store; for any thread, one at a time. Cached history equals what a new read would return."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._facts: tuple[StoreReader, FactsReader] | None = None
        self._snapshot: tuple[int, MonitorSnapshot] | None = None

    def read(
        self, reader: StoreReader, now: int, *, tunings: TuningTable, own: TuningOverrides, secrets: Iterable[DueSecret]
    ) -> MonitorSnapshot:
        """Return the inputs at the instant `now` (ms); `secrets` = the secrets that are due by the configuration."""
        with self._lock:
            if self._facts is None or self._facts[0] is not reader:
                self._facts = (reader, FactsReader(reader, at_once=_AT_ONCE, secrets=secrets))
                self._snapshot = None
            if self._snapshot is None or not 0 <= now - self._snapshot[0] < _FRESH_MS:
                snapshot = read_monitor_inputs(
                    self._facts[1], reader, now, tunings=tunings, redact=KNOWN_SECRETS.redact, own=own
                )
                self._snapshot = (now, snapshot)
            return self._snapshot[1]
