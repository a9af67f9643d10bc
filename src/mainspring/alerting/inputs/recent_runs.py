"""The newest ends of runs, kept between looks: only those are read again of which figures changed."""

from collections.abc import Collection

from mainspring.domain.monitors.inputs import RunCompletion
from mainspring.domain.monitors.outcomes.fail_rate import LAST_RUN_COUNT
from mainspring.domain.monitors.outcomes.run_duration import NEWEST_COUNT
from mainspring.domain.states import RunState
from mainspring.store.base import StoreReader
from mainspring.store.read.automations import monitor_reads as reads

_SKEW_MS = 600_000
"""Figures stand in the minute of the machine that wrote them."""


class RecentRuns:
    """Of one store; every end is counted in the commit that makes it, so figures tell what is to be read."""

    def __init__(self, reader: StoreReader) -> None:
        self._reader = reader
        self._known: dict[str, tuple[RunCompletion, ...]] = {}
        self._read_at: int | None = None

    def read(self, names: Collection[str], now_at: int) -> dict[str, tuple[RunCompletion, ...]]:
        """Return the newest ends of these automations, newest first; more of those that failed."""
        last_at, self._read_at = self._read_at, now_at
        changed = set(names)
        if last_at is not None and now_at >= last_at:
            ended = reads.ended_since(self._reader, last_at - _SKEW_MS)
            changed = {name for name in names if name in ended or name not in self._known}
        newest = self._of(changed, NEWEST_COUNT)
        # A share of failures hangs on more ends than the rest.
        failing = {name for name, ends in newest.items() if any(end.failed for end in ends)}
        known = self._known | newest | self._of(failing, LAST_RUN_COUNT)
        self._known = {name: known[name] for name in names}
        return self._known

    def _of(self, names: set[str], limit: int) -> dict[str, tuple[RunCompletion, ...]]:
        found: dict[str, list[RunCompletion]] = {name: [] for name in names}
        for one in reads.newest_ends(self._reader, names, limit) if names else ():
            succeeded, failed = one.state is RunState.SUCCEEDED, one.state is RunState.FAILED
            found[one.automation].append(
                RunCompletion(one.run, succeeded, failed, one.started_at, one.finished_at, one.output_size)
            )
        return {name: tuple(ends) for name, ends in found.items()}
