"""The history of the punctuality of schedules up to the end of the last day (UTC): read once a day for each, and cached.

A cached value is what a new reader would read, except for runs of the day before that started later.
"""

from collections.abc import Iterable
from datetime import timedelta

import msgspec

from mainspring.alerting.inputs.baselines import split_names
from mainspring.domain.monitors.inputs import WatchedAutomation
from mainspring.domain.time.punctuality import Punctuality, list_served_slots, measure_punctuality
from mainspring.store.base import StoreReader
from mainspring.store.read.automations import monitor_reads

_DAY_MS = 24 * 3_600_000
_OVER_MS = 28 * _DAY_MS
_SLOTS = 200
"""Most slots that are read, the newest: three hours of a schedule that is due each minute."""


class _HistoryBasis(msgspec.Struct, frozen=True):
    """The values on which a history depends; `skips` = skipped slots count."""

    before_at: int
    since_at: int
    jitter: timedelta | None
    skips: bool


class PunctualityHistory:
    """The history of one store. `at_once` = most schedules whose slots one evaluation reads; None = all."""

    def __init__(self, reader: StoreReader, at_once: int | None) -> None:
        self._reader = reader
        self._at_once = at_once
        self._known: dict[str, tuple[_HistoryBasis, Punctuality | None]] = {}

    def of(self, automations: Iterable[WatchedAutomation], now_at: int) -> dict[str, Punctuality | None]:
        """Return the punctuality of each schedule of these automations, without those that are not read yet."""
        before_at = now_at - now_at % _DAY_MS
        bases = {
            cadence.name: _HistoryBasis(
                before_at, cadence.since_at, automation.span("jitter"), automation.options.get("overlap") != "skip"
            )
            for automation in automations
            for cadence in automation.cadences
        }
        self._known = {name: entry for name, entry in self._known.items() if bases.get(name) == entry[0]}
        missing = [name for name in bases if name not in self._known][: self._at_once]
        for names in split_names(missing):
            slots = monitor_reads.slot_starts(self._reader, names, before_at - _OVER_MS, before_at, _SLOTS)
            for name in names:
                basis = bases[name]
                starts = [slot for slot in slots.get(name, ()) if slot.slot_at >= basis.since_at]
                served = [
                    slot for slot in list_served_slots(name, starts, basis.jitter) if basis.skips or not slot.is_skipped
                ]
                self._known[name] = (basis, measure_punctuality(served, before_at))
        return {name: punctuality for name, (_, punctuality) in self._known.items()}
