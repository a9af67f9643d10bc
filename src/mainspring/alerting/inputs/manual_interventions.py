"""Manual interventions for automations that should run by themselves: retries, results given and runs started by a person."""

from collections.abc import Iterable

from mainspring.domain.monitors.inputs import ManualHelp, WatchedAutomation
from mainspring.domain.monitors.timing.success_gaps import HOUR_MS
from mainspring.store.base import StoreReader
from mainspring.store.read.automations import monitor_reads

_OVER_MS = 30 * 24 * HOUR_MS


class ManualInterventions:
    """The interventions of the last 30 days in one store, read once an hour; for one thread."""

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._hour_at = -1
        self._found: dict[str, ManualHelp] = {}

    def of(self, automations: Iterable[WatchedAutomation], now_at: int) -> dict[str, ManualHelp]:
        """Return the interventions by name, up to the start of this hour, without automations that needed none."""
        hour_at = now_at - now_at % HOUR_MS
        if self._hour_at != hour_at:
            helped, manual_starts = monitor_reads.count_manual_interventions(self._reader, hour_at - _OVER_MS)
            # An automation without schedule and trigger is made to be started by a person.
            automatic = {automation.name for automation in automations if automation.cadences or automation.listens}
            total = {
                name: helped.get(name, 0) + manual_starts.get(name, 0) * (name in automatic)
                for name in helped | manual_starts
            }
            started = monitor_reads.count_starts_since(self._reader, total, hour_at - _OVER_MS) if total else {}
            self._found = {name: ManualHelp(count, started.get(name, 0)) for name, count in total.items() if count}
            self._hour_at = hour_at
        return self._found
