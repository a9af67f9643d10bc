"""The most recent ends of runs, cached between evaluations: only those are read again whose counts changed."""

from collections.abc import Collection

from mainspring.domain.monitors.inputs import RunCompletion
from mainspring.domain.monitors.outcomes.fail_rate import LAST_RUN_COUNT
from mainspring.domain.monitors.outcomes.run_duration import NEWEST_COUNT
from mainspring.domain.states import RunState
from mainspring.store.base import StoreReader
from mainspring.store.read.automations import monitor_reads

_SKEW_MS = 600_000
"""Counts are stored in the minute of the machine that wrote them."""


class RecentRuns:
    """The recent runs of one store. Each commit that ends a run also counts it, so counts show what to read again."""

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._known: dict[str, tuple[RunCompletion, ...]] = {}
        self._read_at: int | None = None

    def read(self, names: Collection[str], now_at: int) -> dict[str, tuple[RunCompletion, ...]]:
        """Return the newest ends of these automations, newest first; more of those that failed."""
        last_at, self._read_at = self._read_at, now_at
        changed = set(names)
        if last_at is not None and now_at >= last_at:
            ended = monitor_reads.ended_since(self._reader, last_at - _SKEW_MS)
            changed = {name for name in names if name in ended or name not in self._known}
        newest = self._read_newest(changed, NEWEST_COUNT)
        # The fail rate needs more ends than other monitors.
        failing = {name for name, ends in newest.items() if any(end.failed for end in ends)}
        known = self._known | newest | self._read_newest(failing, LAST_RUN_COUNT)
        self._known = {name: known[name] for name in names}
        return self._known

    def _read_newest(self, names: set[str], limit: int) -> dict[str, tuple[RunCompletion, ...]]:
        found: dict[str, list[RunCompletion]] = {name: [] for name in names}
        for run in monitor_reads.newest_ends(self._reader, names, limit) if names else ():
            succeeded, failed = run.state is RunState.SUCCEEDED, run.state is RunState.FAILED
            found[run.automation].append(
                RunCompletion(run.run, succeeded, failed, run.started_at, run.finished_at, run.output_size)
            )
        return {name: tuple(ends) for name, ends in found.items()}
