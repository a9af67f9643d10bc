"""Counts of runs since the store exists, for counters that never decrease.

The first read adds up all that is stored. Later reads add only the last hours to what is cached here. Invariant: no count of one process
ever decreases, whatever is pruned, rolled up or renamed meanwhile.
"""

from collections import Counter

from mainspring.store.base import StoreReader
from mainspring.store.read.automations.totals import Counts, counted

MOST_AUTOMATIONS = 2_000
OTHER = "other"
"""The label of all automations beyond the limit, and of one with this name."""

_HOUR_MS = 3_600_000
_STILL_WRITTEN_MS = _HOUR_MS
"""A commit in progress may still write into minutes up to this age; rollups are far older."""


class RunCounts:
    """The run counts of one process; one thread at a time."""

    def __init__(self, most: int = MOST_AUTOMATIONS) -> None:
        self._most = most
        self._until = 0
        self._closed: Counts = Counter()
        self._reported: Counts = Counter()
        self._labelled: set[str] = set()

    def read(self, reader: StoreReader, names: list[str], now: int) -> Counts:
        """Return the counts of the automations `names` at the instant `now` (ms). An automation keeps its label."""
        until = max(self._until, (now - _STILL_WRITTEN_MS) // _HOUR_MS * _HOUR_MS)
        closed, later = counted(reader, self._until, until)
        self._closed.update(closed)
        self._until = until
        for name in names:
            if len(self._labelled) >= self._most:
                break
            self._labelled.add(name)
        self._labelled.discard(OTHER)
        found: Counts = Counter()
        for (name, kind), count in (self._closed + later).items():
            found[self.label_of(name), kind] += count
        self._reported |= found
        known = {*map(self.label_of, names), OTHER}
        return Counter({key: count for key, count in self._reported.items() if key[0] in known})

    def label_of(self, name: str) -> str:
        """Return the label of an automation."""
        return name if name in self._labelled else OTHER
