"""How often things happened to runs since the store exists, for counters that never go down.

All that is on record is added up once, when it is first asked for; from then on only the last hours are read, and what came before is
kept here. Invariant: no figure of one process ever goes down, whatever is pruned, folded or renamed meanwhile.
"""

from collections import Counter

from mainspring.store.base import StoreReader
from mainspring.store.read.automations.totals import Counts, counted

MOST_AUTOMATIONS = 2_000
OTHER = "other"
"""Stands for all automations beyond the most, and for one of this name."""

_HOUR_MS = 3_600_000
_STILL_WRITTEN_MS = _HOUR_MS
"""A commit that is on its way may still write into minutes that are no older; far younger than what is folded."""


class RunCounts:
    """The counts of one process; one thread at a time."""

    def __init__(self, most: int = MOST_AUTOMATIONS) -> None:
        self._most = most
        self._until = 0
        self._closed: Counts = Counter()
        self._told: Counts = Counter()
        self._own: set[str] = set()

    def read(self, reader: StoreReader, names: list[str], now: int) -> Counts:
        """Return the counts of the automations `names` at the instant `now` (ms); an automation keeps the place that it once has."""
        until = max(self._until, (now - _STILL_WRITTEN_MS) // _HOUR_MS * _HOUR_MS)
        closed, later = counted(reader, self._until, until)
        self._closed.update(closed)
        self._until = until
        for name in names:
            if len(self._own) >= self._most:
                break
            self._own.add(name)
        self._own.discard(OTHER)
        found: Counts = Counter()
        for (name, what), n in (self._closed + later).items():
            found[self.label_of(name), what] += n
        self._told |= found
        known = {*map(self.label_of, names), OTHER}
        return Counter({key: n for key, n in self._told.items() if key[0] in known})

    def label_of(self, name: str) -> str:
        """Return what stands for an automation."""
        return name if name in self._own else OTHER
