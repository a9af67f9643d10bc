"""Reader of the metrics of a store: one query for each kind, over all automations, queues or sessions."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from mainspring.alerting.metrics.series import MetricSnapshot, RunMetrics, StoreSpace
from mainspring.store.base import StoreReader
from mainspring.store.read.automations.totals import Counts, counted
from mainspring.store.read.incidents import count_open_incidents, unsent_alerts
from mainspring.store.read.status.queue_loads import queue_loads
from mainspring.store.read.status.status import automations, late_slots, sessions
from mainspring.store.read.triggers import consumers, undecided_since
from mainspring.store.sqlite.filesystem import free_bytes

_MOST_SESSIONS = 10_000
_LATE_MS = 60_000

MOST_AUTOMATIONS = 2_000
OTHER = "other"
"""The label of all automations beyond the limit, and of one with this name."""

_HOUR_MS = 3_600_000
_STILL_WRITTEN_MS = _HOUR_MS
"""A commit in progress may still write into minutes up to this age; rollups are far older."""


class RunCounts:
    """The run counts of one process; one thread at a time.

    The first read adds up all that is stored. Later reads add only the last hours to what is cached here. Invariant: no count of one
    process ever decreases, whatever is pruned, rolled up or renamed meanwhile.
    """

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


class MetricsReader:
    """Reads the metrics of one process; one thread at a time.

    `file` = the file of the store, None with a server. `answers` = counts of webhook requests.
    """

    def __init__(self, file: Path | None, answers: Mapping[tuple[str, str], int]) -> None:
        self._file = file
        self._answers = answers
        self._counts = RunCounts()

    def read(self, reader: StoreReader, now: int) -> MetricSnapshot:
        """Return the metrics at the instant `now` (ms)."""
        names = [view.name for view in automations(reader)]
        counts = self._counts.read(reader, names, now)
        late = [(self._counts.label_of(name), due_at) for name, due_at in late_slots(reader, now - _LATE_MS)]
        return MetricSnapshot(
            now,
            RunMetrics(counts, list(map(self._counts.label_of, names)), late),
            queue_loads(reader, now),
            sessions(reader, limit=_MOST_SESSIONS),
            consumers(reader),
            undecided_since(reader, filtered=True) | undecided_since(reader, filtered=False),
            self._answers,
            None if self._file is None else _read_space(self._file),
            count_open_incidents(reader),
            unsent_alerts(reader),
        )


def _read_space(file: Path) -> StoreSpace | None:
    """Return the space of a store in a file; None if the file system does not answer."""
    try:
        return StoreSpace(file.stat().st_size, free_bytes(file.parent))
    except OSError:
        return None
