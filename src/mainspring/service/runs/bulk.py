"""Bulk operations in one call: a dry run counts the runs; else each is handled and audited by itself. `run_selection` selects them.

The command ids of the parts derive from that of the whole. So a repetition, with the same runs or a selection that has shifted, affects
each run once. A refusal of one run does not stop the others.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final

import msgspec

from mainspring.domain.errors import BusyError, ConflictError, MainspringError, NotFoundError, OptionError
from mainspring.domain.states import IDLE_STATES, REOPENABLE_STATES, RunState
from mainspring.domain.time.rate import Rate
from mainspring.domain.values.plain_json import LATEST_INSTANT
from mainspring.service.actor import OperationContext
from mainspring.service.refusal import error_for_refusal
from mainspring.service.runs.run import cancel, discard, pause, resume, retry
from mainspring.store.base import Store
from mainspring.store.commands.automations import AuditedCommand
from mainspring.store.commands.results import Refused

_MICROSECOND = timedelta(microseconds=1)
_AT_ONCE = 32
"""Operations that wait for a commit together and share one."""

CANCELLABLE: Final = tuple(sorted({*IDLE_STATES, RunState.RUNNING, RunState.PAUSED, RunState.NEEDS_ATTENTION}))
RETRYABLE: Final = tuple(sorted(REOPENABLE_STATES))
DISCARDABLE: Final = RETRYABLE
PAUSABLE: Final = tuple(sorted({*IDLE_STATES, RunState.RUNNING}))
RESUMABLE: Final = (RunState.PAUSED,)


class BulkDueTimes(msgspec.Struct, frozen=True):
    """Due times of several runs: the first at `first_at` (ms), the others after it, evenly, at a rate (None = together).

    The times are recorded before anything starts, so no process must stay and count.
    """

    first_at: int
    rate: Rate | None = None

    def at(self, place: int) -> int:
        """Return when the run at `place` (from 0) is due."""
        if self.rate is None:
            return self.first_at
        return self.first_at + place * (self.rate.per // _MICROSECOND) // (self.rate.count * 1_000)

    def check(self, number: int) -> None:
        """Check the times for this many runs.

        Raises:
            OptionError: no calendar reaches the last of them, so nothing could show it.
        """
        if number and self.at(number - 1) > LATEST_INSTANT:
            raise OptionError(
                f"the last of {number:,} runs would be due after the year 9998", hint="Choose a higher rate."
            )


class BulkAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a bulk operation. `runs` were selected; a dry run sets nothing else. `refused` = run -> reason."""

    runs: tuple[str, ...]
    dry_run: bool
    done: int = 0
    refused: dict[str, str] = {}


def cancel_each(
    store: Store, runs: Sequence[str], *, act: OperationContext, dry_run: bool = False, undo: bool | None = None
) -> BulkAnswer:
    """Cancel each of the runs; see `run.cancel`."""
    return apply_to_each(runs, lambda run: cancel(store, run, act=act.part(run), undo=undo), dry_run=dry_run)


def retry_each(
    store: Store, runs: Sequence[str], *, act: OperationContext, dry_run: bool = False, due: BulkDueTimes | None = None
) -> BulkAnswer:
    """Continue each of the runs from where it failed, at once or when it is `due`; see `run.retry`.

    Raises:
        OptionError: the last would be due beyond all calendars.
    """
    positions = {run: position for position, run in enumerate(dict.fromkeys(runs))}
    if due is not None:
        due.check(len(positions))

    def retry_run(run: str) -> None:
        retry(store, run, act=act.part(run), due_at=None if due is None else due.at(positions[run]))

    return apply_to_each(runs, retry_run, dry_run=dry_run)


def discard_each(store: Store, runs: Sequence[str], *, act: OperationContext, dry_run: bool = False) -> BulkAnswer:
    """Discard each of the runs; see `run.discard`."""
    return apply_to_each(runs, lambda run: discard(store, run, act=act.part(run)), dry_run=dry_run)


def pause_each(store: Store, runs: Sequence[str], *, act: OperationContext, dry_run: bool = False) -> BulkAnswer:
    """Pause each of the runs; see `run.pause`."""
    return apply_to_each(runs, lambda run: pause(store, run, act=act.part(run)), dry_run=dry_run)


def resume_each(store: Store, runs: Sequence[str], *, act: OperationContext, dry_run: bool = False) -> BulkAnswer:
    """Resume each of the runs; see `run.resume`."""
    return apply_to_each(runs, lambda run: resume(store, run, act=act.part(run)), dry_run=dry_run)


def apply_to_each(runs: Sequence[str], operation: Callable[[str], None], *, dry_run: bool) -> BulkAnswer:
    """Apply an operation to each run and collect the refusals.

    Raises:
        StoreError: the store failed. Repeat the operation under the same command id to do the rest.
    """
    ids = tuple(dict.fromkeys(runs))
    if dry_run or not ids:
        return BulkAnswer(runs=ids, dry_run=dry_run)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="mainspring-bulk") as threads:
        try:
            errors = list(threads.map(lambda run: _find_refusal(operation, run), ids))
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    refused = {run: error.message for run, error in zip(ids, errors, strict=True) if error is not None}
    return BulkAnswer(runs=ids, dry_run=False, done=len(ids) - len(refused), refused=refused)


def commit_in_order(store: Store, commands: Mapping[str, AuditedCommand[object]]) -> dict[str, str]:
    """Commit the command of each key, in their order; return the reasons of those that were refused.

    Raises:
        StoreError: the store failed. Repeat the operation under the same command id to do the rest.
    """
    refused = {}
    items = list(commands.items())
    for first in range(0, len(items), _AT_ONCE):
        batch = items[first : first + _AT_ONCE]
        answers = store.apply_in_order([command for _, command in batch])
        for (key, command), answer in zip(batch, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            if isinstance(answer, Refused):
                refused[key] = error_for_refusal(answer, f"{command.verb} {command.subject}").message
    return refused


def _find_refusal(operation: Callable[[str], None], run: str) -> MainspringError | None:
    """Return the refusal of the store, if any."""
    try:
        operation(run)
    except (BusyError, ConflictError, NotFoundError) as error:
        return error
    return None
