"""How schedules keep their times, as far as the last day ended (UTC): read once a day for each, and kept.

What is kept here is what anybody would read now, but for runs of the day before that began only after it.
"""

from collections.abc import Iterable
from datetime import timedelta

import msgspec

from mainspring.alerting.inputs.baselines import split_names
from mainspring.domain.monitors.inputs import WatchedAutomation
from mainspring.domain.time.punctuality import Punctuality, list_served_slots, measure_punctuality
from mainspring.store.base import StoreReader
from mainspring.store.read.automations import monitor_reads as reads

_DAY_MS = 24 * 3_600_000
_OVER_MS = 28 * _DAY_MS
_SLOTS = 200
"""The newest that are looked at: of what is due each minute those of three hours."""


class _HistoryBasis(msgspec.Struct, frozen=True):
    """By what it is reckoned; `skips` = skipped slots count."""

    before_at: int
    since_at: int
    jitter: timedelta | None
    skips: bool


class PunctualityHistory:
    """`at_once` = of how many schedules one look reads the slots at most; None = all."""

    def __init__(self, reader: StoreReader, at_once: int | None) -> None:
        self._reader = reader
        self._at_once = at_once
        self._known: dict[str, tuple[_HistoryBasis, Punctuality | None]] = {}

    def of(self, automations: Iterable[WatchedAutomation], now_at: int) -> dict[str, Punctuality | None]:
        """Return how each schedule of these automations kept its times; what is not read yet is left out."""
        before_at = now_at - now_at % _DAY_MS
        wanted = {
            cadence.name: _HistoryBasis(
                before_at, cadence.since_at, one.span("jitter"), one.options.get("overlap") != "skip"
            )
            for one in automations
            for cadence in one.cadences
        }
        self._known = {name: known for name, known in self._known.items() if wanted.get(name) == known[0]}
        missing = [name for name in wanted if name not in self._known][: self._at_once]
        for names in split_names(missing):
            slots = reads.slot_starts(self._reader, names, before_at - _OVER_MS, before_at, _SLOTS)
            for name in names:
                basis = wanted[name]
                starts = [one for one in slots.get(name, ()) if one.slot_at >= basis.since_at]
                served = [
                    one for one in list_served_slots(name, starts, basis.jitter) if basis.skips or not one.is_skipped
                ]
                self._known[name] = (basis, measure_punctuality(served, before_at))
        return {name: kept for name, (_, kept) in self._known.items()}
