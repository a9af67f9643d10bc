"""The journal: outcomes, attempts and checkpoints that a run's owner writes. Each statement checks the claim itself."""

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import AttemptState, OutcomeState
from mainspring.store.commands.journal import (
    ClearStalledAttempt,
    RecordStalledAttempt,
    SaveAttempt,
    SaveCheckpoint,
    SaveOutcome,
)
from mainspring.store.commands.results import CLAIM_LOST, DONE, CommandDone, Refused
from mainspring.store.run_end_counts import count_retried_success
from mainspring.store.transaction import Transaction
from mainspring.store.write import outbox
from mainspring.store.write.runs import events
from mainspring.store.write.runs.ownership import answer_lost_claim, is_run_owner

_encode = msgspec.json.encode
STEPS = frozenset({OutcomeKind.STEP, OutcomeKind.UNDO})
"""The kinds of outcomes that are counted as steps."""
UPDATE_KINDS = frozenset({OutcomeKind.UPDATE, OutcomeKind.REPLY})
"""The kinds of outcomes that change an update."""


def encode_failure(failure: Failure | None) -> bytes | None:
    """Return the failure as it is stored in a row."""
    return None if failure is None else _encode(failure)


def save_outcome(tx: Transaction, command: SaveOutcome) -> CommandDone | Refused:
    """Append one outcome, consume its fact, close its open rows, send its messages and save its numbers."""
    c = command
    if c.events:
        tx.hold_all("event", {(event.name,) for event in c.events})
    run, ident = c.run, c.ident
    failure = None if c.failure is None else _encode(c.failure)
    if not tx.change(
        "save_outcome",
        (run, c.rank, ident, c.name, c.kind, c.state, c.request_number, c.attempt, c.generation, c.claim, c.input, c.output, failure,
         c.undo, c.started_at, c.at, c.duration_us, tx.session, c.requested_after),
    ):  # fmt: skip
        return _not_saved(tx, command)
    if c.kind in UPDATE_KINDS:
        _record_update(tx, c)
    if c.inbox is not None:
        tx.later("consume_fact", (c.inbox, run))
    if c.marked:
        _close_request(tx, run, ident, c.state)
    for event in c.events:
        events.publish_event(tx, event)
    outbox.insert_message(tx, run, ident, c.posts)
    if c.numbers is not None:
        tx.change("save_measurements", (run, c.rank, c.numbers))
    if c.kind in STEPS:
        if c.state is OutcomeState.FAILED:
            tx.count(c.automation, steps=1, step_errors=1)
        else:
            tx.count(c.automation, steps=1)
            if c.state is OutcomeState.SUCCEEDED:
                count_retried_success(tx, c.automation, c.attempt - c.spent)
    return DONE


def _record_update(tx: Transaction, command: SaveOutcome) -> None:
    """Record that an update was accepted, or its reply."""
    from mainspring.store.write.runs import updates  # noqa: PLC0415 - few runs have updates

    if command.kind is OutcomeKind.REPLY:
        updates.save_reply(tx, command)
    elif command.inbox is not None:
        updates.accept_update(tx, command.run, command.ident, command.inbox)


def _close_request(tx: Transaction, run: str, ident: str, state: OutcomeState) -> None:
    """Close the open rows of a request with its outcome. A step that did not succeed may be continued: it keeps its
    checkpoint.
    """
    tx.later("delete_started_attempts", (run, ident))
    tx.later("close_wait", (run, ident))
    if state is OutcomeState.SUCCEEDED:
        tx.later("delete_checkpoint", (run, ident))


def _not_saved(tx: Transaction, command: SaveOutcome) -> CommandDone | Refused:
    if tx.first("find_outcome", (command.run, command.rank, command.claim, command.ident)) is not None:
        if command.marked and is_run_owner(tx, command.run, command.claim):
            # The repeated group may have opened it again before this command.
            _close_request(tx, command.run, command.ident, command.state)
        return DONE
    if is_run_owner(tx, command.run, command.claim):
        return Refused("rank_taken", f"run {command.run} has another outcome at rank {command.rank}")
    return CLAIM_LOST


def save_attempt(tx: Transaction, command: SaveAttempt) -> CommandDone | Refused:
    """Write or replace one attempt."""
    c = command
    if not tx.change(
        "save_attempt",
        (c.run, c.ident, c.generation, c.attempt, c.name, c.state, c.request_number, c.claim, encode_failure(c.failure), c.undo, c.input,
         c.started_at, c.ended_at, c.next_at, tx.session),
    ):  # fmt: skip
        return answer_lost_claim(tx, c.run, c.claim)
    if c.state is AttemptState.FAILED:
        tx.count(c.automation, step_errors=1)
    return DONE


def save_checkpoint(tx: Transaction, command: SaveCheckpoint) -> CommandDone | Refused:
    """Save a step's checkpoint and progress."""
    c = command
    if tx.change("save_checkpoint", (c.run, c.ident, c.claim, c.value, c.done, c.total, tx.now, tx.session)):
        return DONE
    return answer_lost_claim(tx, c.run, c.claim)


def record_stalled_attempt(tx: Transaction, command: RecordStalledAttempt) -> CommandDone | Refused:
    """Record an attempt that gives no sign of life."""
    c = command
    if tx.change(
        "record_stalled_attempt",
        (c.run, c.ident, c.claim, c.name, c.attempt, tx.now - c.silent_ms, _encode(c.stack), tx.session),
    ):
        return DONE
    return answer_lost_claim(tx, c.run, c.claim)


def clear_stalled_attempt(tx: Transaction, command: ClearStalledAttempt) -> CommandDone:
    """Remove the record. The current owner of the run may have recorded another attempt."""
    c = command
    tx.change("clear_stalled_attempt", (c.run, c.ident, c.claim, c.attempt, tx.session))
    return DONE
