"""One act on many runs: a dry run counts them, then each is acted upon and audited on its own. See `chosen` for which.

The command ids of the parts derive from that of the whole, so that repeating the whole, with the same runs or a selection that has
shifted, acts once on each run. What one run refuses does not keep the others.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final

import msgspec

from mainspring.domain.errors import BusyError, ConflictError, MainspringError, NotFoundError, OptionError
from mainspring.domain.states import IDLE_STATES, REOPENABLE_STATES, RunState
from mainspring.domain.time.rate import Rate
from mainspring.domain.values.plain_json import LATEST_INSTANT
from mainspring.service.actor import OperationContext
from mainspring.service.runs import run as one
from mainspring.store.base import Store

_MICROSECOND = timedelta(microseconds=1)
_AT_ONCE = 32
"""Acts that wait for a commit together: they share one, as whatever waits does."""

CANCELLABLE: Final = tuple(sorted({*IDLE_STATES, RunState.RUNNING, RunState.NEEDS_ATTENTION}))
RETRYABLE: Final = tuple(sorted(REOPENABLE_STATES))
DISCARDABLE: Final = RETRYABLE


class BulkDueTimes(msgspec.Struct, frozen=True):
    """When each of several runs is due: the first at `first_at` (ms), the others after it, evenly, at a rate (None = together).

    The times are on record before anything starts, so nobody has to stay and count.
    """

    first_at: int
    rate: Rate | None = None

    def at(self, place: int) -> int:
        """Return when the one at `place` (from 0) is due."""
        if self.rate is None:
            return self.first_at
        return self.first_at + place * (self.rate.per // _MICROSECOND) // (self.rate.count * 1_000)

    def check(self, number: int) -> None:
        """Take it for so many runs.

        Raises:
            OptionError: no calendar reaches to the last of them, so nothing could show it.
        """
        if number and self.at(number - 1) > LATEST_INSTANT:
            raise OptionError(
                f"the last of {number:,} runs would be due after the year 9998", hint="Choose a higher rate."
            )


class BulkAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a bulk act did. `runs` were selected; of a dry run nothing else is set. `refused` = run -> why."""

    runs: tuple[str, ...]
    dry_run: bool
    done: int = 0
    refused: dict[str, str] = {}


def cancel_each(
    store: Store, runs: Sequence[str], *, act: OperationContext, dry_run: bool = False, undo: bool | None = None
) -> BulkAnswer:
    """Cancel each of the runs; see `run.cancel`."""
    return apply_to_each(runs, lambda run: one.cancel(store, run, act=act.part(run), undo=undo), dry_run=dry_run)


def retry_each(
    store: Store, runs: Sequence[str], *, act: OperationContext, dry_run: bool = False, due: BulkDueTimes | None = None
) -> BulkAnswer:
    """Continue each of the runs from where it failed, at once or when it is `due`; see `run.retry`.

    Raises:
        OptionError: the last would be due beyond all calendars.
    """
    places = {run: place for place, run in enumerate(dict.fromkeys(runs))}
    if due is not None:
        due.check(len(places))

    def retry(run: str) -> None:
        one.retry(store, run, act=act.part(run), due_at=None if due is None else due.at(places[run]))

    return apply_to_each(runs, retry, dry_run=dry_run)


def discard_each(store: Store, runs: Sequence[str], *, act: OperationContext, dry_run: bool = False) -> BulkAnswer:
    """Give up each of the runs; see `run.discard`."""
    return apply_to_each(runs, lambda run: one.discard(store, run, act=act.part(run)), dry_run=dry_run)


def apply_to_each(runs: Sequence[str], do: Callable[[str], None], *, dry_run: bool) -> BulkAnswer:
    """Do something to each run; what the store refuses is collected.

    Raises:
        StoreError: the store failed; what was done is done, and repeating the act under the same command id does the rest.
    """
    ids = tuple(dict.fromkeys(runs))
    if dry_run or not ids:
        return BulkAnswer(runs=ids, dry_run=dry_run)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="mainspring-bulk") as threads:
        try:
            errors = list(threads.map(lambda run: _find_refusal(do, run), ids))
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    refused = {run: error.message for run, error in zip(ids, errors, strict=True) if error is not None}
    return BulkAnswer(runs=ids, dry_run=False, done=len(ids) - len(refused), refused=refused)


def _find_refusal(do: Callable[[str], None], run: str) -> MainspringError | None:
    """Return why the store refused, if it did."""
    try:
        do(run)
    except (BusyError, ConflictError, NotFoundError) as error:
        return error
    return None
