"""Which runs an act on many is for: a filter, read page by page to its end, of what whoever asks may see."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from mainspring.alerting.inputs.failure_groups import failure_fingerprint
from mainspring.domain.failures.fingerprint import fingerprint_of
from mainspring.domain.states import REOPENABLE_STATES, RunState
from mainspring.service.reads import ServiceReads
from mainspring.store.read.incidents import LastFailure
from mainspring.store.views import RunRow

_PAGE: Final = 500


class RunFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which runs: in one of `states`, of automation `name`, in `queue`; the newest `limit`. Spans begin at their first instant (ms).

    `since_at`, `until_at` = when they were created; `ended_since_at`, `ended_until_at` = when they ended, or stood still for a person.
    `error` = the fingerprint of what they failed by, or a beginning of it. `stands` = those that are open members of an
    incident, as the list of what failed has them: not a child whose parent handled it, nor what a later success or a person has settled.
    """

    states: tuple[RunState, ...]
    name: str | None = None
    queue: str | None = None
    since_at: int | None = None
    until_at: int | None = None
    ended_since_at: int | None = None
    ended_until_at: int | None = None
    limit: int | None = None
    error: str | None = None
    stands: bool = False

    @property
    def has_end(self) -> bool:
        """Whether it asks when they ended."""
        return self.ended_since_at is not None or self.ended_until_at is not None


class RunSelection(msgspec.Struct, frozen=True):
    """Ids, oldest first, and of which automations they are. `left_out` = of those that fit, so many are not acted upon."""

    ids: tuple[str, ...]
    automations: tuple[str, ...]
    left_out: int = 0


def select_run_ids(reads: ServiceReads, wanted: RunFilter) -> list[str]:
    """Return the ids of the runs that the filter means, oldest first."""
    return list(select_runs(reads, wanted).ids)


def select_runs(reads: ServiceReads, wanted: RunFilter, sees: Callable[[str], bool] = lambda _: True) -> RunSelection:
    """Return the runs that the filter means, as far as whoever asks `sees` their automations."""
    found: list[RunRow] = []
    cursor: int | None = None
    while wanted.limit is None or len(found) < wanted.limit:
        page = reads.list_runs(
            states=wanted.states,
            name=wanted.name,
            since_at=wanted.since_at,
            until_at=wanted.until_at,
            limit=_PAGE,
            cursor=cursor,
        )
        rows = [row for row in page.runs if _matches(row, wanted) and sees(row.automation)]
        found += _filter_by_failure(reads, rows, wanted) if wanted.stands or wanted.error or wanted.has_end else rows
        cursor = page.cursor
        if cursor is None:
            break
    found = found[: wanted.limit][::-1]
    return RunSelection(tuple(row.id for row in found), tuple(sorted({row.automation for row in found})))


def _matches(row: RunRow, wanted: RunFilter) -> bool:
    # Where a span ends is found by commit order, which is that of time but for clocks that were put back.
    is_early = wanted.until_at is None or row.created_at < wanted.until_at
    return is_early and wanted.queue in (None, row.queue)


def _filter_by_failure(reads: ServiceReads, rows: Sequence[RunRow], wanted: RunFilter) -> list[RunRow]:
    """Return those that ended when, and by what, is wanted."""
    is_asked = wanted.stands or wanted.has_end
    faults = {one.run: one for one in reads.last_faults([row.id for row in rows])} if is_asked else {}
    error = wanted.error or ""
    if wanted.stands:
        rows = [
            row
            for row in rows
            if (fault := faults.get(row.id)) and _is_undecided(fault) and _failure_fingerprint(fault).startswith(error)
        ]
    elif error:
        failures = reads.failures_of([row.id for row in rows])
        rows = [row for row in rows if row.id in failures and fingerprint_of(failures[row.id]).id.startswith(error)]
    if not wanted.has_end:
        return list(rows)
    span = (wanted.ended_since_at, wanted.ended_until_at)
    return [row for row in rows if _is_within(_ended_at(row, faults.get(row.id)), *span)]


def _is_undecided(fault: LastFailure) -> bool:
    """Tell whether no one has decided on it: a failure that is settled asks for nothing any more."""
    return fault.settled is None


def _failure_fingerprint(fault: LastFailure) -> str:
    return failure_fingerprint(fault).id if fault.fingerprint is None else fault.fingerprint


def _ended_at(row: RunRow, fault: LastFailure | None) -> int | None:
    """Return when it ended, or stood still; None = it goes on."""
    return row.finished_at if fault is None or row.state not in REOPENABLE_STATES else fault.at


def _is_within(at: int | None, since_at: int | None, until_at: int | None) -> bool:
    return at is not None and (since_at is None or at >= since_at) and (until_at is None or at < until_at)
