"""Operations on many runs or deliveries: at once, or on record in the background.

At once: a dry run counts them, then each is acted upon and audited on its own. On record (docs/adr/0017): requested once, done in pieces by
whichever process has time, paused, resumed or stopped by people; its parts are those of the moment in which it was requested: what was
counted is what is done. See `chosen` for which.

The command id of each part derives from that of the whole, so that repeating the whole, or a piece that is done twice after a crash or by
two processes, acts once on each part. What one part refuses does not keep the others.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from secrets import token_hex
from typing import Any, Final

import msgspec

from mainspring.domain.bulk import MOST, BulkVerb, check_rate, noun_of, pieces_of
from mainspring.domain.errors import (
    ArgumentError,
    BusyError,
    ConflictError,
    MainspringError,
    NotFoundError,
    OptionError,
)
from mainspring.domain.plain import LATEST
from mainspring.domain.rate import Rate
from mainspring.domain.states import IDLE, REOPENABLE, BulkMove, RunState
from mainspring.service import run as one
from mainspring.service.actor import Act, Actor
from mainspring.service.chosen import Chosen, RunFilter
from mainspring.service.perform import perform, was_done
from mainspring.service.reads import Reads
from mainspring.service.trigger import replay
from mainspring.store.base import Store
from mainspring.store.commands.bulk import BeginBulk, BulkPiece, MoveBulk, NotePiece, TakePiece

_MICROSECOND = timedelta(microseconds=1)
_AT_ONCE = 32
"""Acts that wait for a commit together: they share one, as whatever waits does."""

CANCELLABLE: Final = tuple(sorted({*IDLE, RunState.RUNNING, RunState.NEEDS_ATTENTION}))
RETRYABLE: Final = tuple(sorted(REOPENABLE))
DISCARDABLE: Final = RETRYABLE

LEASE_MS: Final = 30_000
"""A piece whose process died is done by another one after so long."""
_LEASE_BYTES = 10

STATES: Final[dict[BulkVerb, tuple[RunState, ...]]] = {
    BulkVerb.RETRY: RETRYABLE,
    BulkVerb.CANCEL: CANCELLABLE,
    BulkVerb.DISCARD: DISCARDABLE,
}
"""The states in which a run can be acted upon so."""
_DO: Final[dict[BulkVerb, Callable[..., None]]] = {
    BulkVerb.RETRY: one.retry,
    BulkVerb.CANCEL: one.cancel,
    BulkVerb.DISCARD: one.discard,
}
_LISTS: Final = {
    BulkVerb.RETRY: "mainspring failed list",
    BulkVerb.CANCEL: "mainspring runs list",
    BulkVerb.DISCARD: "mainspring failed list",
    BulkVerb.REPLAY: "mainspring triggers show NAME",
}
_AS_LISTED: Final = {BulkVerb.RETRY, BulkVerb.DISCARD}
"""Done to what stands still as the list of what failed has it."""


class Due(msgspec.Struct, frozen=True):
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
        if number and self.at(number - 1) > LATEST:
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
    store: Store, runs: Sequence[str], *, act: Act, dry_run: bool = False, undo: bool | None = None
) -> BulkAnswer:
    """Cancel each of the runs; see `run.cancel`."""
    return act_on_each(runs, lambda run: one.cancel(store, run, act=act.part(run), undo=undo), dry_run=dry_run)


def retry_each(
    store: Store, runs: Sequence[str], *, act: Act, dry_run: bool = False, due: Due | None = None
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

    return act_on_each(runs, retry, dry_run=dry_run)


def discard_each(store: Store, runs: Sequence[str], *, act: Act, dry_run: bool = False) -> BulkAnswer:
    """Give up each of the runs; see `run.discard`."""
    return act_on_each(runs, lambda run: one.discard(store, run, act=act.part(run)), dry_run=dry_run)


def act_on_each(runs: Sequence[str], do: Callable[[str], None], *, dry_run: bool) -> BulkAnswer:
    """Do something to each run; what the store refuses is collected.

    Raises:
        StoreError: the store failed; what was done is done, and repeating the act under the same command id does the rest.
    """
    ids = tuple(dict.fromkeys(runs))
    if dry_run or not ids:
        return BulkAnswer(runs=ids, dry_run=dry_run)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="mainspring-bulk") as threads:
        try:
            errors = list(threads.map(lambda run: _refusal_of(do, run), ids))
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    refused = {run: error.message for run, error in zip(ids, errors, strict=True) if error is not None}
    return BulkAnswer(runs=ids, dry_run=False, done=len(ids) - len(refused), refused=refused)


def _refusal_of(do: Callable[[str], None], run: str) -> MainspringError | None:
    """Return why the store refused, if it did."""
    try:
        do(run)
    except (BusyError, ConflictError, NotFoundError) as error:
        return error
    return None


def runs_for(verb: BulkVerb, states: tuple[RunState, ...], limit: int | None, **rest: Any) -> RunFilter:
    """Return the filter of an act on runs; without states it means all that the verb fits. One more than fits into one act may be found.

    Raises:
        ArgumentError: its parts are no runs.
    """
    if verb not in STATES:
        raise ArgumentError(f"no run is to be had for {verb.value}")
    return RunFilter(states=states or STATES[verb], limit=limit or MOST + 1, stands=verb in _AS_LISTED, **rest)


def was_begun(reads: Reads, verb: BulkVerb, *, act: Act) -> bool:
    """Tell whether this act was asked for before: its parts are those of then, whatever the same filter means by now."""
    return was_done(reads, act, verb.value, f"bulk:{act.command}")


def begin(store: Store, verb: BulkVerb, chosen: Chosen, which: dict[str, Any], *, act: Act, rate: Rate | None) -> str:
    """Put an act on what was chosen on record and return its id, which is the act's command id. `which` = by what they were chosen.

    Raises:
        ArgumentError: they are none, or too many.
        OptionError: at this rate there is no end of it.
    """
    if not chosen.ids:
        raise ArgumentError(f"no {noun_of(verb)} fits, so there is nothing to do", hint=f"Look again: {_LISTS[verb]}")
    if len(chosen.ids) > MOST:
        raise ArgumentError(
            f"more than {MOST:,} fit", hint="Take them in parts: say an automation, a trigger, a time or a limit."
        )
    check_rate(rate, len(chosen.ids))
    pieces, written = pieces_of(rate), None if rate is None else str(rate)
    command = BeginBulk(
        id=act.command,
        verb=verb,
        which=msgspec.json.encode(which),
        automations=chosen.automations,
        parts=tuple(dict.fromkeys(chosen.ids)),
        actor=str(act.actor),
        reason=act.reason,
        rate=written,
        piece=pieces.size,
        every_ms=pieces.every_ms,
    )
    detail = {"parts": len(command.parts), "which": which, "rate": written}
    perform(store, act, verb.value, f"bulk:{act.command}", command, detail)
    return act.command


def move(store: Store, bulk: str, verb: BulkMove, *, act: Act) -> None:
    """Pause, resume or stop one; the piece that is under way is done to its end.

    Raises:
        NotFoundError: there is none of this id.
        ConflictError: it is in no state for that.
    """
    perform(store, act, verb.value, f"bulk:{bulk}", MoveBulk(bulk, verb))


def do_piece(store: Store) -> bool:
    """Do the piece that is due first, of whichever act; False = nothing is due."""
    piece: BulkPiece = store.apply(TakePiece(token_hex(_LEASE_BYTES), LEASE_MS))
    if piece.bulk is None:
        return False
    act = Act(Actor.of(piece.actor), piece.reason, piece.bulk)
    do = partial(_do, store, piece, act)
    answer = act_on_each(piece.parts, do, dry_run=False)
    to = piece.parts[-1] if piece.parts else piece.reached
    store.apply(
        NotePiece(bulk=piece.bulk, reached=piece.reached, to=to, done=answer.done, refused=dict(answer.refused))
    )
    return True


def _do(store: Store, piece: BulkPiece, act: Act, part: str) -> None:
    if piece.verb is BulkVerb.REPLAY:
        replay(store, piece.at, part, act=act.part(part))
    else:
        _DO[piece.verb](store, part, act=act.part(part))
