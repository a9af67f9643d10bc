"""Selection of the runs of an operation: a filter, read page by page to its end, of what the caller may see."""

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
    """A filter of runs: in one of `states`, of automation `name`, in `queue`; the newest `limit`. Spans include their first instant (ms).

    `since_at`, `until_at` = when they were created; `ended_since_at`, `ended_until_at` = when they ended, or stopped for a person. `error`
    = the fingerprint of their failure, or its start. `unsettled` = only open members of an incident, as in the list of failed runs: not a
    child whose parent handled it, nor what a later success or a person has settled.
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
    unsettled: bool = False

    @property
    def has_end(self) -> bool:
        """Whether it filters by the end of runs."""
        return self.ended_since_at is not None or self.ended_until_at is not None


class RunSelection(msgspec.Struct, frozen=True):
    """Selected ids, oldest first, and their automations. `left_out` = how many matches are not included."""

    ids: tuple[str, ...]
    automations: tuple[str, ...]
    left_out: int = 0


def select_run_ids(reads: ServiceReads, run_filter: RunFilter) -> list[str]:
    """Return the ids of the matching runs, oldest first."""
    return list(select_runs(reads, run_filter).ids)


def select_runs(
    reads: ServiceReads, run_filter: RunFilter, may_view: Callable[[str], bool] = lambda _: True
) -> RunSelection:
    """Return the matching runs whose automations the caller may see."""
    found: list[RunRow] = []
    cursor: int | None = None
    while run_filter.limit is None or len(found) < run_filter.limit:
        page = reads.list_runs(
            states=run_filter.states,
            name=run_filter.name,
            since_at=run_filter.since_at,
            until_at=run_filter.until_at,
            limit=_PAGE,
            cursor=cursor,
        )
        rows = [row for row in page.runs if _matches(row, run_filter) and may_view(row.automation)]
        found += (
            _filter_by_failure(reads, rows, run_filter)
            if run_filter.unsettled or run_filter.error or run_filter.has_end
            else rows
        )
        cursor = page.cursor
        if cursor is None:
            break
    found = found[: run_filter.limit][::-1]
    return RunSelection(tuple(row.id for row in found), tuple(sorted({row.automation for row in found})))


def _matches(row: RunRow, run_filter: RunFilter) -> bool:
    # The end of a span is found by commit order, which is the order of time unless a clock was set back.
    is_early = run_filter.until_at is None or row.created_at < run_filter.until_at
    return is_early and run_filter.queue in (None, row.queue)


def _filter_by_failure(reads: ServiceReads, rows: Sequence[RunRow], run_filter: RunFilter) -> list[RunRow]:
    """Return the rows that match by end and by failure."""
    needs_failures = run_filter.unsettled or run_filter.has_end
    faults = {failure.run: failure for failure in reads.last_faults([row.id for row in rows])} if needs_failures else {}
    error = run_filter.error or ""
    if run_filter.unsettled:
        rows = [
            row
            for row in rows
            if (fault := faults.get(row.id)) and _is_undecided(fault) and _failure_fingerprint(fault).startswith(error)
        ]
    elif error:
        failures = reads.failures_of([row.id for row in rows])
        rows = [row for row in rows if row.id in failures and fingerprint_of(failures[row.id]).id.startswith(error)]
    if not run_filter.has_end:
        return list(rows)
    span = (run_filter.ended_since_at, run_filter.ended_until_at)
    return [row for row in rows if _is_within(_ended_at(row, faults.get(row.id)), *span)]


def _is_undecided(fault: LastFailure) -> bool:
    """Whether no decision settled the failure yet."""
    return fault.settled is None


def _failure_fingerprint(fault: LastFailure) -> str:
    return failure_fingerprint(fault).id if fault.fingerprint is None else fault.fingerprint


def _ended_at(row: RunRow, fault: LastFailure | None) -> int | None:
    """Return when a run ended or stopped; None = it continues."""
    return row.finished_at if fault is None or row.state not in REOPENABLE_STATES else fault.at


def _is_within(at: int | None, since_at: int | None, until_at: int | None) -> bool:
    return at is not None and (since_at is None or at >= since_at) and (until_at is None or at < until_at)
