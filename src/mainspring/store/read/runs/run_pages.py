"""Lists of runs in a filter that no index has for itself: of some automations, of one queue, healed. What one page looks at is bounded.

Runs of some automations are the newest of each of them, put together; runs of one queue, and healed ones, are looked for among so many of
the newest. Where a page holds fewer than were asked for and there is a cursor, the rest lies behind what was looked at.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

import msgspec

from mainspring.domain.states import RunState
from mainspring.store.base import StoreReader
from mainspring.store.read.list_bounds import NEWEST
from mainspring.store.read.runs.run_views import IN_STATE, first_created_at, place_in, row_of
from mainspring.store.views import RunPage, RunRow, columns

LOOKED_AT: Final = 10_000
"""So many of the newest runs of a state, or of an automation, are looked at for those of a queue, or that were healed."""
_EACH: Final = 40
"""Of up to so many automations the newest runs are looked up one by one; of more, among the newest of all."""
_AT_ONCE: Final = 400
_COLUMNS = columns(RunRow)
# As a bare condition a server would compare each run with each name.
_AMONG = "(automation in (select value from json_each(?))) is not false"
# A value that is asked for run by run: as a condition (exists) a server may turn it round and begin at all that was ever healed.
_HEALED = """(select 1 from journal indexed by journal_healed
    where journal.run = runs.id and journal.state = {{succeeded}} and journal.attempt > 1 limit 1) = 1"""
_OVER = {RunState.FAILED, RunState.CANCELLED}
"""States whose runs of one automation have no index."""


class _Source(NamedTuple):
    """Runs in the order of one index: what stands behind "from", the values in it, and by what they are compared with a place."""

    text: str
    values: tuple[Any, ...] = ()
    place: str = "seq"


def run_page(
    reader: StoreReader,
    *,
    states: Sequence[RunState] = (),
    names: Sequence[str] | None = None,
    queue: str | None = None,
    healed: bool = False,
    since_at: int | None = None,
    until_at: int | None = None,
    limit: int = 50,
    cursor: int | None = None,
) -> RunPage:
    """Return a page of runs, newest first, after `cursor`: of these automations (None = of all), in this queue.

    `healed` = those alone of which a step succeeded at a later attempt than its first. Created from `since_at` to before `until_at` (ms).
    """
    if names is not None and (len(names) > _EACH or set(states) & _OVER):
        listed = msgspec.json.encode(names).decode()
        sources, filters = _sources(states, [None]), {_AMONG: [listed]}
    else:
        sources, filters = _sources(states, [None] if names is None else names), {}
    if queue is not None:
        filters["queue = ?"] = [queue]
    if healed:
        filters[_HEALED] = []
    before = NEWEST if cursor is None else cursor
    if until_at is not None:
        before = min(before, first_created_at(reader, until_at))
    lowest = _lowest(reader, sources, before) if filters else 0
    values = (before, lowest, *chain.from_iterable(filters.values()), limit + 1)
    rows: list[RunRow] = []
    for first in range(0, len(sources), _AT_ONCE):
        some = sources[first : first + _AT_ONCE]
        parts = [_part(one, filters) for one in some]
        text = f"select {_COLUMNS} from runs where seq in ({' union all '.join(parts)}) order by seq desc limit ?"  # noqa: S608 - our words
        found = reader.read_text(text, (*(value for one in some for value in (*one.values, *values)), limit + 1))
        rows += [row_of(row) for row in found]
    rows = sorted(rows, key=lambda row: -row.seq)[: limit + 1]
    # Commit order is the order of creation: the first one that is too old ends the list.
    wanted = [row for row in rows if since_at is None or row.created_at >= since_at]
    if len(wanted) > limit:
        return RunPage(wanted[:limit], wanted[limit - 1].seq)
    return RunPage(wanted, None if lowest == 0 or len(wanted) < len(rows) else lowest)


def _part(one: _Source, filters: Iterable[str]) -> str:
    conditions = " and ".join([f"{one.place} < ?", f"{one.place} >= ?", *filters])
    text = f"select seq from {one.text} and {conditions} order by {one.place} desc limit ?"  # noqa: S608 - our words
    return f"select seq from ({text}) as part"  # noqa: S608


def _sources(states: Sequence[RunState], names: Sequence[str | None]) -> list[_Source]:
    found = []
    for name in names:
        found += [_of(state, name) for state in dict.fromkeys(states)]
        if not states:
            found.append(_Source("runs where 1 = 1") if name is None else _Source("runs where automation = ?", (name,)))
    return found


def _of(state: RunState, name: str | None) -> _Source:
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
    """Return the number down to which all sources are looked at; 0 = to their end."""
    found = []
    for one in sources:
        text = f"select seq from {one.text} and {one.place} < ? order by {one.place} desc limit 1 offset ?"  # noqa: S608 - our words
        found += [row[0] for row in reader.read_text(text, (*one.values, before, LOOKED_AT))]
    return max(found, default=0)
