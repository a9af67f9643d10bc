"""Reader of the metrics of a store: one query for each kind, over all automations, queues or sessions."""

from collections.abc import Mapping
from pathlib import Path

from mainspring.alerting.metrics.run_counts import RunCounts
from mainspring.alerting.metrics.series import MetricSnapshot, RunMetrics, StoreSpace
from mainspring.store.base import StoreReader
from mainspring.store.read.incidents import count_open_incidents, unsent_alerts
from mainspring.store.read.status.queue_loads import queue_loads
from mainspring.store.read.status.status import automations, late_slots, sessions
from mainspring.store.read.triggers import consumers, undecided_since
from mainspring.store.sqlite.filesystem import free_bytes

_MOST_SESSIONS = 10_000
_LATE_MS = 60_000


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
