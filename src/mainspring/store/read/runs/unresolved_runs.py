"""Unresolved runs: stopped runs of one error, counted up to a cap and listed page by page, however many failures there
were; and runs that are part of no notification, counted.
"""

import heapq
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

import msgspec

from mainspring.domain.states import RunState
from mainspring.store.base import StoreReader
from mainspring.store.read.list_bounds import NEWEST
from mainspring.store.schema.row import first_value
from mainspring.store.schema.runs.runs import RUN_ROW
from mainspring.store.transaction import Rows
from mainspring.store.views import Capped, RunRow

Cause = tuple[str, str]
"""Automation and fingerprint."""
_LEAST, _PART = 5, 200
"""A batch of the failures of one cause starts small, because of many causes few rows are needed of each, and grows."""
_PARTS = 20
"""How many batches of the failures of one cause are searched for a page."""
_MOST = 1_000
"""Limit of the counts of runs without a notification."""


def count_unresolved(
    reader: StoreReader, cause: Cause, cap: int, state: RunState | None = None, since_at: int = 0
) -> Capped:
    """Return how many runs are stopped by one error since an instant (ms); it searches the newest `cap` failures."""
    params = (*cause, cap, None if state is None else state.value, since_at)
    number, searched = reader.read("count_unresolved_of_error", params)[0]
    return Capped(number, searched >= cap)


def unresolved_runs(
    reader: StoreReader,
    causes: Sequence[Cause],
    *,
    state: RunState | None = None,
    since_at: int = 0,
    limit: int = 50,
    cursor: int | None = None,
) -> list[tuple[int, RunRow]]:
    """Return runs that are stopped by these causes since an instant, the newest failure first, each with its place.

    `cursor` = the place of the last one before.
    """
    before = NEWEST if cursor is None else cursor
    first = max(_LEAST, limit // max(len(causes), 1))
    batches = (_list_unresolved_of(reader, cause, before, (state, since_at), first) for cause in causes)
    found = heapq.merge(*batches, key=lambda placed_run: -placed_run[0])
    return [placed_run for placed_run, _ in zip(found, range(limit), strict=False)]


def _list_unresolved_of(
    reader: StoreReader, cause: Cause, before: int, state_and_since: tuple[RunState | None, int], size: int
) -> Iterator[tuple[int, RunRow]]:
    state, since_at = state_and_since
    for _ in range(_PARTS):
        params = (*cause, before, size, None if state is None else state.value, since_at)
        rows = reader.read("list_unresolved_of_error", params)
        for place, _, run, *rest in rows:
            if run is not None:
                yield place, RUN_ROW.read((run, *rest))
        # Failures before a batch that is completely too old are too old as well.
        if len(rows) < size or all(at < since_at for _, at, *_ in rows):
            return
        before, *_ = rows[-1]
        size = min(2 * size, _PART)


def unresolved_among(reader: StoreReader, runs: Sequence[str]) -> dict[str, RunRow]:
    """Return those of the runs that are stopped."""
    rows = reader.read("list_unresolved_among", (msgspec.json.encode(runs).decode(),))
    return {run.id: run for run in RUN_ROW.read_all(rows)}


def count_stopped_without_incident(reader: StoreReader, automations: Collection[str] | None = None) -> Capped:
    """Return how many runs need a person and are part of no unresolved incident; it stops at 1,000.

    `automations` = only theirs, None = those of all; the same for the next function.
    """
    return _counted(reader.read("count_stopped_without_incident", (_MOST + 1, _listed(automations))))


def undecided_failures(reader: StoreReader, automations: Collection[str] | None = None) -> Capped:
    """Return how many runs failed and are open members of an incident; it stops at 1,000."""
    return _counted(reader.read("count_undecided_failures", (_MOST + 1, _listed(automations))))


def count_stopped_runs(reader: StoreReader, automations: Collection[str] | None = None) -> Capped:
    """Return how many runs need a person; it stops at 1,000."""
    return _counted(reader.read("count_stopped_runs", (_MOST + 1, _listed(automations))))


def count_unfinished_runs(reader: StoreReader, automation: str) -> Capped:
    """Return how many runs of an automation have not ended; it stops at 1,000."""
    return _counted(reader.read("count_unfinished_of", (automation, _MOST + 1)))


def count_idle_runs(reader: StoreReader, automations: Collection[str]) -> dict[str, Capped]:
    """Return how many runs of each of these have not ended and are owned by no process, if any; each number stops at
    1,000.
    """
    if not automations:
        return {}
    rows = reader.read("count_idle_of", (_listed(automations), _MOST + 1))
    return {name: _capped(number) for name, number in sorted(rows) if number}


class OverdueRuns(NamedTuple):
    """Runs of an automation in a queue whose deadline passed, but which a pause keeps from ending: how many, and the id
    of the first.
    """

    automation: str
    queue: str
    number: Capped
    first: str


def overdue_runs(
    reader: StoreReader, now_at: int, paused_automations: Collection[str], paused_queues: Collection[str]
) -> list[OverdueRuns]:
    """Return the runs that would end by their deadline now (ms), if these were not paused; their number stops at 1,000."""
    if not paused_automations and not paused_queues:
        return []
    params = (now_at, _listed(paused_automations), _listed(paused_queues), _MOST + 1)
    return [
        OverdueRuns(automation, queue, _capped(number), first)
        for automation, queue, number, first in reader.read("list_overdue_paused_runs", params)
    ]


def _listed(automations: Collection[str] | None) -> str | None:
    return None if automations is None else msgspec.json.encode(sorted(automations)).decode()


def _counted(rows: Rows) -> Capped:
    """Return the number that a statement counted."""
    return _capped(first_value(rows, int) or 0)


def _capped(number: int) -> Capped:
    return Capped(min(number, _MOST), number > _MOST)
