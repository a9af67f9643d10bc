"""Bulk operations: started once, run in batches by any process with time, paused, resumed or stopped by people.

The parts, runs or deliveries, are fixed when the operation starts: what was counted is what is done. Each part has a command id derived
from the operation and the part, and its own audit row. So a batch that runs twice, after a crash or in two processes, counts once.
"""

from collections.abc import Callable, Mapping
from functools import partial
from secrets import token_hex
from typing import Final, TypedDict, Unpack

import msgspec

from mainspring.domain.errors import ArgumentError
from mainspring.domain.runs.bulk_operation import MAX_BULK_PARTS, BulkVerb, check_bulk_rate, part_noun, plan_batches
from mainspring.domain.states import BulkMove, RunState
from mainspring.domain.time.rate import Rate
from mainspring.service.actor import Actor, OperationContext
from mainspring.service.perform import perform, was_performed
from mainspring.service.reads import ServiceReads
from mainspring.service.runs.bulk import (
    CANCELLABLE,
    DISCARDABLE,
    PAUSABLE,
    RESUMABLE,
    RETRYABLE,
    apply_to_each,
)
from mainspring.service.runs.run import cancel, discard, pause, resume, retry
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
"""If the process of a batch dies, another one takes the batch over after this time."""
_LEASE_BYTES = 10

STATES: Final[dict[BulkVerb, tuple[RunState, ...]]] = {
    BulkVerb.RETRY: RETRYABLE,
    BulkVerb.CANCEL: CANCELLABLE,
    BulkVerb.DISCARD: DISCARDABLE,
    BulkVerb.PAUSE: PAUSABLE,
    BulkVerb.RESUME: RESUMABLE,
}
"""The states in which each operation applies to a run."""
_OPERATIONS: Final[dict[BulkVerb, Callable[..., None]]] = {
    BulkVerb.RETRY: retry,
    BulkVerb.CANCEL: cancel,
    BulkVerb.DISCARD: discard,
    BulkVerb.PAUSE: pause,
    BulkVerb.RESUME: resume,
}
_LISTS: Final = {
    BulkVerb.RETRY: "mainspring failed list",
    BulkVerb.CANCEL: "mainspring runs list",
    BulkVerb.DISCARD: "mainspring failed list",
    BulkVerb.PAUSE: "mainspring runs list",
    BulkVerb.RESUME: "mainspring runs list --state paused",
    BulkVerb.REPLAY: "mainspring triggers show NAME",
}
_AS_LISTED: Final = {BulkVerb.RETRY, BulkVerb.DISCARD}
"""Operations on open failures, as the list of failed runs shows them."""


class RunFilterFields(TypedDict, total=False):
    """The fields of a RunFilter that no operation decides."""

    name: str | None
    queue: str | None
    since_at: int | None
    until_at: int | None
    ended_since_at: int | None
    ended_until_at: int | None
    error: str | None


def run_filter_for(
    verb: BulkVerb, states: tuple[RunState, ...], limit: int | None, **rest: Unpack[RunFilterFields]
) -> RunFilter:
    """Return the filter of an operation on runs; no states = all that the operation fits. It may find one more than the limit.

    Raises:
        ArgumentError: its parts are no runs.
    """
    if verb not in STATES:
        raise ArgumentError(f"no run can be selected for {verb.value}")
    return RunFilter(
        states=states or STATES[verb], limit=limit or MAX_BULK_PARTS + 1, unsettled=verb in _AS_LISTED, **rest
    )


def was_started(reads: ServiceReads, verb: BulkVerb, *, act: OperationContext) -> bool:
    """Whether this operation was started before. Its parts are those of then, whatever the same filter matches now."""
    return was_performed(reads, act, verb.value, f"bulk:{act.command}")


def start_bulk_operation(
    store: Store,
    verb: BulkVerb,
    selection: RunSelection,
    criteria: Mapping[str, object],
    *,
    act: OperationContext,
    rate: Rate | None,
) -> str:
    """Record an operation on a selection and return its id, which is the command id. `criteria` = the filter of it.

    Raises:
        ArgumentError: the selection is empty or too large.
        OptionError: at this rate it would never end.
    """
    if not selection.ids:
        raise ArgumentError(
            f"no {part_noun(verb)} matches, so there is nothing to do", hint=f"Check again: {_LISTS[verb]}"
        )
    if len(selection.ids) > MAX_BULK_PARTS:
        raise ArgumentError(
            f"more than {MAX_BULK_PARTS:,} match",
            hint="Select fewer: by automation, trigger, time or limit.",
        )
    check_bulk_rate(rate, len(selection.ids))
    batches, rate_text = plan_batches(rate), None if rate is None else str(rate)
    command = BeginBulkOperation(
        id=act.command,
        verb=verb,
        selection=msgspec.json.encode(criteria),
        automations=selection.automations,
        parts=tuple(dict.fromkeys(selection.ids)),
        actor=str(act.actor),
        reason=act.reason,
        rate=rate_text,
        piece=batches.size,
        every_ms=batches.every_ms,
    )
    detail = {"parts": len(command.parts), "which": criteria, "rate": rate_text}
    perform(store, act, verb.value, f"bulk:{act.command}", command, detail)
    return act.command


def control_bulk_operation(store: Store, bulk: str, verb: BulkMove, *, act: OperationContext) -> None:
    """Pause, resume or stop an operation; the batch in progress finishes.

    Raises:
        NotFoundError: there is none of this id.
        ConflictError: its state does not allow that.
    """
    perform(store, act, verb.value, f"bulk:{bulk}", ChangeBulkOperation(bulk, verb))


def run_next_piece(store: Store) -> bool:
    """Run the batch that is due first, of any operation; False = none is due."""
    batch = store.apply(LeaseBulkBatch(token_hex(_LEASE_BYTES), LEASE_MS))
    if batch.bulk is None:
        return False
    act = OperationContext(Actor.of(batch.actor), batch.reason, batch.bulk)
    apply_part = partial(_apply_to_part, store, batch, act)
    result = apply_to_each(batch.parts, apply_part, dry_run=False)
    reached = batch.parts[-1] if batch.parts else batch.reached
    store.apply(
        RecordBulkBatch(
            bulk=batch.bulk, reached=batch.reached, to=reached, done=result.done, refused=dict(result.refused)
        )
    )
    return True


def _apply_to_part(store: Store, batch: BulkBatch, act: OperationContext, part: str) -> None:
    if batch.verb is BulkVerb.REPLAY:
        replay_delivery(store, batch.at, part, act=act.part(part))
    else:
        _OPERATIONS[batch.verb](store, part, act=act.part(part))
