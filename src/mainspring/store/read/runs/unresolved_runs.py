"""Reads of runs that stand still: by one error, counted up to a cap and listed page by page, however many failures there ever were; and
those of which nothing is told, counted.
"""

import heapq
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from mainspring.domain.states import RunState
from mainspring.store.base import StoreReader
from mainspring.store.read.list_bounds import NEWEST
from mainspring.store.read.runs.run_views import row_of
from mainspring.store.views import Capped, RunRow

Cause = tuple[str, str]
"""Automation and fingerprint."""
_LEAST, _PART = 5, 200
"""A part of the failures of one cause begins small, for of many causes few are needed of each, and grows."""
_PARTS = 20
"""So many parts of the failures of one cause are looked through for a page."""
_MOST = 1_000
"""Where counting of what nothing is told of stops."""


def count_unresolved(
    reader: StoreReader, cause: Cause, cap: int, state: RunState | None = None, since_at: int = 0
) -> Capped:
    """Return how many runs stand still by one error since then (ms); it looks at the newest `cap` failures."""
    wanted = (*cause, cap, None if state is None else state.value, since_at)
    number, came = reader.read("count_unresolved_of_error", wanted)[0]
    return Capped(number, came >= cap)


def unresolved_runs(
    reader: StoreReader,
    causes: Sequence[Cause],
    *,
    state: RunState | None = None,
    since_at: int = 0,
    limit: int = 50,
    cursor: int | None = None,
) -> list[tuple[int, RunRow]]:
    """Return runs that stand still by these since then, the newest failure first, each with its place.

    `cursor` = the place of the last one before.
    """
    before = NEWEST if cursor is None else cursor
    first = max(_LEAST, limit // max(len(causes), 1))
    parts = (_of(reader, cause, before, (state, since_at), first) for cause in causes)
    found = heapq.merge(*parts, key=lambda one: -one[0])
    return [one for one, _ in zip(found, range(limit), strict=False)]


def _of(
    reader: StoreReader, cause: Cause, before: int, fits: tuple[RunState | None, int], part: int
) -> Iterator[tuple[int, RunRow]]:
    state, since_at = fits
    for _ in range(_PARTS):
        wanted = (*cause, before, part, None if state is None else state.value, since_at)
        rows: list[tuple[Any, ...]] = reader.read("list_unresolved_of_error", wanted)
        for place, _, *row in rows:
            if row[0] is not None:
                yield place, row_of(tuple(row))
        # What came before all of a part that is too old is too old as well.
        if len(rows) < part or all(row[1] < since_at for row in rows):
            return
        before, part = rows[-1][0], min(2 * part, _PART)


def unresolved_among(reader: StoreReader, runs: Sequence[str]) -> dict[str, RunRow]:
    """Return those of the runs that stand still."""
    rows = reader.read("list_unresolved_among", (msgspec.json.encode(runs).decode(),))
    return {row[1]: row_of(row) for row in rows}


def count_stopped_without_incident(reader: StoreReader, automations: Collection[str] | None = None) -> Capped:
    """Return how many runs need a person and are part of no incident that is not resolved; it stops at 1,000.

    `automations` = only theirs, None = those of all; so with the next one.
    """
    return _capped(reader.read("count_stopped_without_incident", (_MOST + 1, _listed(automations)))[0][0])


def undecided_failures(reader: StoreReader, automations: Collection[str] | None = None) -> Capped:
    """Return how many runs failed and are open members of an incident; it stops at 1,000."""
    return _capped(reader.read("count_undecided_failures", (_MOST + 1, _listed(automations)))[0][0])


def count_stopped_runs(reader: StoreReader, automations: Collection[str] | None = None) -> Capped:
    """Return how many runs need a person; it stops at 1,000."""
    return _capped(reader.read("count_stopped_runs", (_MOST + 1, _listed(automations)))[0][0])


def count_unfinished_runs(reader: StoreReader, automation: str) -> Capped:
    """Return how many runs of an automation have not ended; it stops at 1,000."""
    return _capped(reader.read("count_unfinished_of", (automation, _MOST + 1))[0][0])


def count_idle_runs(reader: StoreReader, automations: Collection[str]) -> dict[str, Capped]:
    """Return how many runs of each of these have not ended and are held by no process, if any; each number stops at 1,000."""
    if not automations:
        return {}
    rows = reader.read("count_idle_of", (_listed(automations), _MOST + 1))
    return {name: _capped(number) for name, number in sorted(rows) if number}


class OverdueRuns(NamedTuple):
    """Runs of an automation in a queue whose deadline passed, but which a pause keeps from ending: how many, and the id of the first."""

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
    asked = (now_at, _listed(paused_automations), _listed(paused_queues), _MOST + 1)
    return [
        OverdueRuns(automation, queue, _capped(number), first)
        for automation, queue, number, first in reader.read("list_overdue_paused_runs", asked)
    ]


def _listed(automations: Collection[str] | None) -> str | None:
    return None if automations is None else msgspec.json.encode(sorted(automations)).decode()


def _capped(number: int) -> Capped:
    return Capped(min(number, _MOST), number > _MOST)
