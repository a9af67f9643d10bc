"""Run pages for filters without an index: some automations, one queue, healed runs. The cost of a page is bounded.

Runs of some automations are the newest of each, merged; runs of one queue, and healed ones, are searched among a
bounded number of the newest. If a page has fewer rows than requested and there is a cursor, the rest lies behind what
was searched.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final, NamedTuple

import msgspec

from mainspring.domain.runs.run_tags import TagPair
from mainspring.domain.states import RunState
from mainspring.store.base import StoreReader
from mainspring.store.read.list_bounds import NEWEST
from mainspring.store.read.runs.run_views import IN_STATE, first_created_at, place_in
from mainspring.store.schema.row import first_values
from mainspring.store.schema.runs.runs import RUN_ROW
from mainspring.store.views import RunPage, RunRow

MOST_SEARCHED: Final = 10_000
"""How many of the newest runs of a state, or of an automation, are searched for those of a queue, or healed ones."""
_EACH: Final = 40
"""Up to this many automations, the newest runs of each are read separately; of more, from the newest of all."""
_AT_ONCE: Final = 400
_COLUMNS = ", ".join(RUN_ROW.expressions)
# As a bare condition, a server would compare each run with each name.
_AMONG = "(automation in (select value from json_each(?))) is not false"
# A subquery per run: as a condition (exists) a server may reverse it and start with all runs that were ever healed.
_HEALED = """(select 1 from journal indexed by journal_healed
    where journal.run = runs.id and journal.state = {{succeeded}} and journal.attempt > 1 limit 1) = 1"""
_TAGGED = "run_tags join runs on runs.id = run_tags.run where run_tags.name = ? and run_tags.value = ?"
_HAS_TAG = "exists (select 1 from run_tags as other where other.run = runs.id and other.name = ? and other.value = ?)"
_IN_STATES = "(runs.state in (select value from json_each(?))) is not false"
_OVER = {RunState.FAILED, RunState.CANCELLED}
"""States whose runs of one automation have no index."""


class _Source(NamedTuple):
    """Runs in the order of one index: the text after "from", its parameters, and the column that gives their place."""

    text: str
    values: tuple[object, ...] = ()
    place: str = "seq"


def run_page(
    reader: StoreReader,
    *,
    states: Sequence[RunState] = (),
    names: Sequence[str] | None = None,
    queue: str | None = None,
    version: int | None = None,
    healed: bool = False,
    tags: Sequence[TagPair] = (),
    since_at: int | None = None,
    until_at: int | None = None,
    limit: int = 50,
    cursor: int | None = None,
) -> RunPage:
    """Return a page of runs, newest first, after `cursor`: of these automations (None = of all), in this queue and of this version.

    `healed` = only those with a step that succeeded at a later attempt than its first. `tags` = only those with all of
    these. Created from `since_at` to before `until_at` (ms).
    """
    sources, filters = _choose_sources(states, names, queue, version, tags)
    if healed:
        filters[_HEALED] = []
    before = NEWEST if cursor is None else cursor
    if until_at is not None:
        before = min(before, first_created_at(reader, until_at))
    lowest = _lowest(reader, sources, before) if filters else 0
    values = (before, lowest, *chain.from_iterable(filters.values()), limit + 1)
    rows: list[RunRow] = []
    for first in range(0, len(sources), _AT_ONCE):
        source_batch = sources[first : first + _AT_ONCE]
        parts = [_part(source, filters) for source in source_batch]
        text = f"select {_COLUMNS} from runs where seq in ({' union all '.join(parts)}) order by seq desc limit ?"  # noqa: S608 - our words
        run_rows = reader.read_text(
            text, (*(value for source in source_batch for value in (*source.values, *values)), limit + 1)
        )
        rows += RUN_ROW.read_all(run_rows)
    rows = sorted(rows, key=lambda row: -row.seq)[: limit + 1]
    # Commit order is the order of creation: the first run that is too old ends the list.
    matches = [row for row in rows if since_at is None or row.created_at >= since_at]
    if len(matches) > limit:
        return RunPage(matches[:limit], matches[limit - 1].seq)
    return RunPage(matches, None if lowest == 0 or len(matches) < len(rows) else lowest)


def count_runs(
    reader: StoreReader,
    *,
    states: Sequence[RunState] = (),
    names: Sequence[str] | None = None,
    queue: str | None = None,
    version: int | None = None,
    tags: Sequence[TagPair] = (),
    since_at: int | None = None,
    until_at: int | None = None,
    most: int,
) -> int:
    """Return how many runs match, at most `most`; by queue, version or a second tag among the newest `MOST_SEARCHED` of a state, an
    automation or a tag.
    """
    sources, filters = _choose_sources(states, names, queue, version, tags)
    lowest = _lowest(reader, sources, NEWEST) if filters else 0
    if since_at is not None:
        lowest = max(lowest, first_created_at(reader, since_at))
    before = NEWEST if until_at is None else first_created_at(reader, until_at)
    values = (before, lowest, *chain.from_iterable(filters.values()), most)
    number = 0
    for source in sources:
        text = f"select count(*) from ({_part(source, filters)}) as counted"  # noqa: S608 - our words
        number += sum(first_values(reader.read_text(text, (*source.values, *values)), int))
    return min(number, most)


def _choose_sources(
    states: Sequence[RunState],
    names: Sequence[str] | None,
    queue: str | None,
    version: int | None,
    tags: Sequence[TagPair],
) -> tuple[list[_Source], dict[str, list[object]]]:
    """Return the sources of a filter, and its conditions without an index, with their values."""
    filters: dict[str, list[object]] = {}
    if tags:  # the index of tags leads; all else are conditions
        if states:
            filters[_IN_STATES] = [msgspec.json.encode([state.value for state in states]).decode()]
        if names is not None:
            filters[_AMONG] = [msgspec.json.encode(names).decode()]
        if len(tags) > 1:
            filters[" and ".join([_HAS_TAG] * (len(tags) - 1))] = [text for tag in tags[1:] for text in tag]
    elif names is not None and (len(names) > _EACH or set(states) & _OVER):
        filters[_AMONG] = [msgspec.json.encode(names).decode()]
        names = None
    if queue is not None:
        filters["queue = ?"] = [queue]
    if version is not None:
        filters["version = ?"] = [version]
    if tags:
        return [_Source(_TAGGED, tags[0], "run_seq")], filters
    return _sources(states, [None] if names is None else names), filters


def _part(source: _Source, filters: Iterable[str]) -> str:
    conditions = " and ".join([f"{source.place} < ?", f"{source.place} >= ?", *filters])
    text = f"select seq from {source.text} and {conditions} order by {source.place} desc limit ?"  # noqa: S608 - our words
    return f"select seq from ({text}) as part"  # noqa: S608


def _sources(states: Sequence[RunState], names: Sequence[str | None]) -> list[_Source]:
    found = []
    for name in names:
        found += [_runs_in_state(state, name) for state in dict.fromkeys(states)]
        if not states:
            found.append(_Source("runs where 1 = 1") if name is None else _Source("runs where automation = ?", (name,)))
    return found


def _runs_in_state(state: RunState, name: str | None) -> _Source:
    """Return the runs of a state, of one automation or of all: each is one range of an index, or nearly all of one."""
    if name is None:
        return _Source(IN_STATE[state], place=place_in(state))
    if state is RunState.SUCCEEDED:
        return _Source("runs where automation = ? and state = {{succeeded}}", (name,))
    return _Source(
        f"runs indexed by runs_unfinished where automation = ? and finished_at is null and state = {{{{{state.value}}}}}",
        (name,),
    )


def _lowest(reader: StoreReader, sources: Sequence[_Source], before: int) -> int:
    """Return the number down to which all sources are searched; 0 = to their end."""
    bounds = []
    for source in sources:
        text = f"select seq from {source.text} and {source.place} < ? order by {source.place} desc limit 1 offset ?"  # noqa: S608 - our words
        bounds += first_values(reader.read_text(text, (*source.values, before, MOST_SEARCHED)), int)
    return max(bounds, default=0)
