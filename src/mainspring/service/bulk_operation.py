"""A bulk act on record: asked for once, done in pieces by whichever process has time, paused, resumed or stopped by people.

Its parts, runs or deliveries, are those of the moment in which it was asked for: what was counted is what is done. Each of its acts has
the command id of the whole and the part's, and an audit row of its own, so that a piece which is done twice, after a crash or by two
processes, counts once.
"""

from collections.abc import Callable
from functools import partial
from secrets import token_hex
from typing import Any, Final

import msgspec

from mainspring.domain.errors import ArgumentError
from mainspring.domain.runs.bulk_operation import MAX_BULK_PARTS, BulkVerb, check_bulk_rate, part_noun, plan_batches
from mainspring.domain.states import BulkMove, RunState
from mainspring.domain.time.rate import Rate
from mainspring.service.actor import Actor, OperationContext
from mainspring.service.perform import perform, was_performed
from mainspring.service.reads import ServiceReads
from mainspring.service.runs import run as one
from mainspring.service.runs.bulk import CANCELLABLE, DISCARDABLE, RETRYABLE, apply_to_each
from mainspring.service.runs.run_selection import RunFilter, RunSelection
from mainspring.service.triggers.delivery_replay import replay_delivery
from mainspring.store.base import Store
from mainspring.store.commands.bulk_operations import (
    BeginBulkOperation,
    BulkBatch,
    ChangeBulkOperation,
    LeaseBulkBatch,
    RecordBulkBatch,
)

LEASE_MS: Final = 30_000
"""A piece whose process died is done by another one after so long."""
_LEASE_BYTES = 10

STATES: Final[dict[BulkVerb, tuple[RunState, ...]]] = {
    BulkVerb.RETRY: RETRYABLE,
    BulkVerb.CANCEL: CANCELLABLE,
    BulkVerb.DISCARD: DISCARDABLE,
}
"""The states in which a run can be acted upon so."""
_OPERATIONS: Final[dict[BulkVerb, Callable[..., None]]] = {
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


def run_filter_for(verb: BulkVerb, states: tuple[RunState, ...], limit: int | None, **rest: Any) -> RunFilter:
    """Return the filter of an act on runs; without states it means all that the verb fits. One more than fits into one act may be found.

    Raises:
        ArgumentError: its parts are no runs.
    """
    if verb not in STATES:
        raise ArgumentError(f"no run is to be had for {verb.value}")
    return RunFilter(
        states=states or STATES[verb], limit=limit or MAX_BULK_PARTS + 1, stands=verb in _AS_LISTED, **rest
    )


def was_started(reads: ServiceReads, verb: BulkVerb, *, act: OperationContext) -> bool:
    """Tell whether this act was asked for before: its parts are those of then, whatever the same filter means by now."""
    return was_performed(reads, act, verb.value, f"bulk:{act.command}")


def start_bulk_operation(
    store: Store,
    verb: BulkVerb,
    chosen: RunSelection,
    which: dict[str, Any],
    *,
    act: OperationContext,
    rate: Rate | None,
) -> str:
    """Put an act on what was chosen on record and return its id, which is the act's command id. `which` = by what they were chosen.

    Raises:
        ArgumentError: they are none, or too many.
        OptionError: at this rate there is no end of it.
    """
    if not chosen.ids:
        raise ArgumentError(f"no {part_noun(verb)} fits, so there is nothing to do", hint=f"Look again: {_LISTS[verb]}")
    if len(chosen.ids) > MAX_BULK_PARTS:
        raise ArgumentError(
            f"more than {MAX_BULK_PARTS:,} fit",
            hint="Take them in parts: say an automation, a trigger, a time or a limit.",
        )
    check_bulk_rate(rate, len(chosen.ids))
    pieces, written = plan_batches(rate), None if rate is None else str(rate)
    command = BeginBulkOperation(
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


def control_bulk_operation(store: Store, bulk: str, verb: BulkMove, *, act: OperationContext) -> None:
    """Pause, resume or stop one; the piece that is under way is done to its end.

    Raises:
        NotFoundError: there is none of this id.
        ConflictError: it is in no state for that.
    """
    perform(store, act, verb.value, f"bulk:{bulk}", ChangeBulkOperation(bulk, verb))


def run_next_piece(store: Store) -> bool:
    """Do the piece that is due first, of whichever act; False = nothing is due."""
    piece: BulkBatch = store.apply(LeaseBulkBatch(token_hex(_LEASE_BYTES), LEASE_MS))
    if piece.bulk is None:
        return False
    act = OperationContext(Actor.of(piece.actor), piece.reason, piece.bulk)
    do = partial(_apply_to_part, store, piece, act)
    answer = apply_to_each(piece.parts, do, dry_run=False)
    to = piece.parts[-1] if piece.parts else piece.reached
    store.apply(
        RecordBulkBatch(bulk=piece.bulk, reached=piece.reached, to=to, done=answer.done, refused=dict(answer.refused))
    )
    return True


def _apply_to_part(store: Store, piece: BulkBatch, act: OperationContext, part: str) -> None:
    if piece.verb is BulkVerb.REPLAY:
        replay_delivery(store, piece.at, part, act=act.part(part))
    else:
        _OPERATIONS[piece.verb](store, part, act=act.part(part))
