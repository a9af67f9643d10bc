"""Counts what people did for automations that should go by themselves: retries, results given, runs begun by hand."""

from collections.abc import Iterable

from mainspring.domain.monitors.inputs import ManualHelp, WatchedAutomation
from mainspring.domain.monitors.timing.success_gaps import HOUR_MS
from mainspring.store.base import StoreReader
from mainspring.store.read.automations import monitor_reads as reads

_OVER_MS = 30 * 24 * HOUR_MS


class ManualInterventions:
    """What was helped in the last thirty days, read once an hour of one store; for one thread."""

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._hour_at = -1
        self._found: dict[str, ManualHelp] = {}

    def of(self, automations: Iterable[WatchedAutomation], now_at: int) -> dict[str, ManualHelp]:
        """Return by name what was done by hand, up to the start of this hour; who needed nobody is not in it."""
        hour_at = now_at - now_at % HOUR_MS
        if self._hour_at != hour_at:
            helped, begun = reads.count_manual_interventions(self._reader, hour_at - _OVER_MS)
            # Who has neither schedule nor trigger is made to be started by hand.
            by_itself = {one.name for one in automations if one.cadences or one.listens}
            total = {name: helped.get(name, 0) + begun.get(name, 0) * (name in by_itself) for name in helped | begun}
            started = reads.count_starts_since(self._reader, total, hour_at - _OVER_MS) if total else {}
            self._found = {name: ManualHelp(n, started.get(name, 0)) for name, n in total.items() if n}
            self._hour_at = hour_at
        return self._found
