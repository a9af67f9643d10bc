"""Transitions of runs: suspend, release, halt for a person, or end with all consequences."""

import json
from collections.abc import Sequence

from mainspring.domain.failures.failure import Failure
from mainspring.domain.states import FailureReason, RunMove, RunState, is_move_legal, target_state
from mainspring.store.commands.results import DONE, CommandDone, Refused
from mainspring.store.commands.runs import (
    AnnotateRun,
    CancelChild,
    CompleteRun,
    FinishRun,
    HaltRun,
    ReleaseRun,
    StartRun,
    SuspendRun,
)
from mainspring.store.run_end_counts import count_end, count_size
from mainspring.store.transaction import Transaction
from mainspring.store.write import subscriptions
from mainspring.store.write.incidents import members
from mainspring.store.write.runs import events, inbox, partitions, queue_capacity, rollback, run_keys
from mainspring.store.write.runs.journal import encode_failure, save_outcome
from mainspring.store.write.runs.ownership import answer_lost_claim, is_run_owner
from mainspring.store.write.runs.start import start_run


def suspend_run(tx: Transaction, command: SuspendRun) -> CommandDone | Refused:
    """Suspend a run. It is ready at once if there is a fact that its owner has not seen."""
    c = command
    tx.hold("run", c.run)
    rows = tx.all(
        "suspend_run",
        {
            "run": c.run,
            "claim": c.claim,
            "session": tx.session,
            "state": c.state.value,
            "due_at": c.due_at,
            "seen": c.seen,
            "rank": c.rank,
            "waiting_for": c.waiting_for,
            "now": tx.now,
        },
    )
    if not rows:
        return answer_lost_claim(tx, c.run, c.claim)
    ready, queue, is_limited = rows[0]
    tx.ready |= bool(ready)
    queue_capacity.announce_capacity(tx, [queue] if is_limited else ())
    return DONE


def release_run(tx: Transaction, command: ReleaseRun) -> CommandDone | Refused:
    """Release a run unharmed."""
    if not tx.change("release_run", (command.rank, tx.now, command.run, command.claim, tx.session)):
        return answer_lost_claim(tx, command.run, command.claim)
    tx.ready = True
    return DONE


def halt_run(tx: Transaction, command: HaltRun) -> CommandDone | Refused:
    """Stop a run until a person decides."""
    c = command
    rows = tx.all(
        "halt_run",
        {
            "run": c.run,
            "claim": c.claim,
            "session": tx.session,
            "rank": c.rank,
            "now": tx.now,
            "reason": c.reason.value,
            "failure": encode_failure(c.failure),
            "failed_ident": c.failed_ident,
            "detail": c.detail,
        },
    )
    if not rows:
        return answer_lost_claim(tx, c.run, c.claim)
    automation, run_key, queue, is_limited = rows[0]
    tx.ended.append(c.run)
    run_keys.record_key_state(tx, automation, run_key, c.run, target_state(RunMove.HALT))
    tx.count(automation, attention=1)
    tx.detail(automation, f"reason:{c.reason}")
    if c.pass_partition:
        partitions.release_partitions(tx, c.run)
    queue_capacity.announce_capacity(tx, [queue] if is_limited else ())
    return DONE


def finish_run(tx: Transaction, command: FinishRun) -> CommandDone | Refused:
    """End a run by its owner."""
    c = command
    failure = encode_failure(c.failure)
    rows = tx.all(
        "finish_run",
        (
            c.state.value,
            c.rank,
            tx.now,
            c.result,
            failure,
            c.reason,
            c.failed_ident,
            c.detail,
            c.run,
            c.claim,
            tx.session,
            c.output_size,
        ),
    )
    if not rows:
        return answer_lost_claim(tx, c.run, c.claim)
    row: Sequence[object] = rows[0][:-1]
    queue, is_limited = str(row[6]), rows[0][-1]
    if c.then is not None:
        row = _start_successor(tx, c.run, c.then, row)
    settle_end(tx, c.run, row, c.state, c.result, c.failure, c.reason, c.unheard)
    count_size(tx, str(row[0]), c.output_size)
    queue_capacity.announce_capacity(tx, [queue] if is_limited else ())
    return DONE


def complete_run(tx: Transaction, command: CompleteRun) -> CommandDone | Refused:
    """End a run of one step with the outcome of that step. It requested nothing else: it has no open wait and no child."""
    c = command
    saved = save_outcome(tx, c.outcome())
    if isinstance(saved, Refused):
        return saved
    state = target_state(RunMove.SUCCEED)
    values = (state.value, 1, tx.now, c.output, None, None, None, None, c.run, c.claim, tx.session, c.output_size)
    rows = tx.all("finish_run", values)
    if not rows:
        return answer_lost_claim(tx, c.run, c.claim)
    *row, is_limited = rows[0]
    _announce_end(tx, c.run, row, state, c.output, None, None)
    count_size(tx, row[0], c.output_size)
    queue_capacity.announce_capacity(tx, [row[6]] if is_limited else ())
    return DONE


def _start_successor(tx: Transaction, run: str, then: StartRun, row: Sequence[object]) -> Sequence[object]:
    """Start the run that continues this one; it takes over the parent, which continues to wait. Return the ended row,
    now without parent.
    """
    if row[1] is not None:
        partitions.release_partitions(tx, run)
    if isinstance(start_run(tx, then, continues=True), Refused):
        return row
    tx.change("inherit_run_links", {"heir": then.id, "run": run})
    # Facts that were sent and not yet consumed are for the successor; its waits find events.
    events.free_inbox_events(tx, run)
    tx.change("move_rejected_facts_to_successor", {"heir": then.id, "run": run})
    tx.change("move_facts_to_successor", {"heir": then.id, "run": run})
    tx.change("move_waits_to_successor", {"heir": then.id, "run": run})
    return (*row[:2], None, None, *row[4:7], False, row[8])


def end_idle_run(
    tx: Transaction,
    run: str,
    move: RunMove,
    *,
    result: bytes | None = None,
    failure: Failure | None = None,
    reason: FailureReason | None = None,
) -> bool:
    """End a run without an owner, by a move of a person. False = its state does not allow it."""
    tx.hold("run", run)
    found = tx.first("read_receiving_state", (run,))
    if found is None or not is_move_legal(move, RunState(found[0])):
        return False
    state = target_state(move)
    values = {
        "run": run,
        "state": state.value,
        "now": tx.now,
        "result": result,
        "failure": encode_failure(failure),
        "reason": reason,
    }
    rows = tx.all("end_idle_run", values)
    if not rows:
        return False
    if found[3]:
        tx.change_backlog(found[4], -1)
    settle_end(tx, run, rows[0], state, result, failure, reason)
    return True


def settle_end(
    tx: Transaction,
    run: str,
    row: Sequence[object],
    state: RunState,
    result: bytes | None,
    failure: Failure | None,
    reason: FailureReason | None,
    unheard: Sequence[str] = (),
) -> None:
    """Apply all consequences of an end in the same commit; `unheard` = requests of children whose failure nothing
    awaited.
    """
    tx.change("close_waits", (run,))
    _announce_end(tx, run, row, state, result, failure, reason)
    close_children(tx, run)
    if state is not RunState.FAILED:
        tx.change("insert_unhandled_child_failures", (run, json.dumps(unheard)))


def _announce_end(
    tx: Transaction,
    run: str,
    row: Sequence[object],
    state: RunState,
    result: bytes | None,
    failure: Failure | None,
    reason: FailureReason | None,
) -> None:
    """Deliver an end to all that wait for it, and count it."""
    automation, partition, parent, parent_ident, run_key, started_at, _, has_subscribers, is_member = row
    tx.ended.append(run)
    if partition is not None:
        partitions.release_partitions(tx, run)
    if run_key is not None:
        run_keys.record_key_state(tx, str(automation), str(run_key), run, state)
    if parent is not None:
        inbox.deliver_end_to_parent(tx, run, str(automation), str(parent), str(parent_ident), state, result, failure)
    inbox.deliver_end_to_waiting_runs(tx, run, str(automation), state, result, failure)
    if has_subscribers:
        subscriptions.deliver_run_end(tx, run, str(automation), state)
    if is_member:
        members.settle_members_of_ends(tx, [(run, state)])
    count_end(tx, str(automation), state, None if started_at is None else int(str(started_at)), reason)


def close_children(tx: Transaction, run: str) -> None:
    """Cancel the unfinished children of a run that ended, unless they are to be kept."""
    for child, _, _, policy, _ in tx.all("list_open_children", (run,)):
        if policy == "cancel":
            request_cancel(tx, child, f"close:{run}", "its parent run ended")


def cancel_child(tx: Transaction, command: CancelChild) -> CommandDone | Refused:
    """Cancel the child of an abandoned request."""
    c = command
    if not is_run_owner(tx, c.run, c.claim):
        return answer_lost_claim(tx, c.run, c.claim)
    child = tx.first("find_child_of_step", (c.run, c.ident))
    if child is not None and not child[2]:
        request_cancel(tx, child[0], f"gave-up:{c.run}:{c.ident}", "its parent no longer awaits it")
    return DONE


def supersede_children(tx: Transaction, run: str, generation: int, from_request: int) -> None:
    """Supersede the children that a run requested from a request on. They are cancelled unless they are kept or have a
    key.
    """
    for child, ended, policy, run_key in tx.all("list_children_requested_from", (run, from_request)):
        tx.change("supersede_child", (generation, child))
        tx.change("delete_child_fact", (run, child))
        if not ended and policy == "cancel" and run_key is None:
            request_cancel(
                tx, child, f"superseded:{run}:{generation}", "its parent run was continued from an earlier step"
            )


def request_cancel(
    tx: Transaction, run: str, source: str, reason: str | None, *, undo: bool | None = None
) -> CommandDone | Refused:
    """Stop a run: at once if it never started, or waits for a person and has nothing to undo; else by a fact.

    A run that stopped and has something to undo becomes ready for that, and a further cancel does not stop its
    rollback.
    """
    tx.hold("run", run)
    found = tx.first("read_receiving_state", (run,))
    if found is None:
        return DONE
    state, _, session, fresh, *_ = found
    rollback_state = rollback.read_rollback_state(tx, run)
    if is_move_legal(RunMove.UNDO, RunState(state)) and rollback_state.should_undo(undo=undo):
        rollback.begin_rollback(tx, run, rollback_state)
        close_children(tx, run)
        return DONE
    if rollback_state.undoing and state != RunState.NEEDS_ATTENTION:
        if undo is not False or end_idle_run(tx, run, RunMove.CANCEL_IDLE):
            return DONE
        return Refused("wrong_state", f"run {run} is rolling back")
    is_idle = state == RunState.NEEDS_ATTENTION or (bool(fresh) and session is None)
    if not (is_idle and end_idle_run(tx, run, RunMove.CANCEL_IDLE)):
        inbox.cancel_fact(tx, run, source, reason, undo=undo)
    return DONE


def find_successor(tx: Transaction, run: str) -> str | None:
    """Return the unfinished run that continues this one."""
    row = tx.first("find_newest_of_chain", (run,))
    if row is None or row[0] == run:
        return None
    found = tx.first("read_receiving_state", (row[0],))
    return None if found is None or found[1] else str(row[0])


def annotate_run(tx: Transaction, command: AnnotateRun) -> CommandDone | Refused:
    """Save the annotations of a running body."""
    c = command
    if tx.change("annotate_run", (c.tags, c.progress, c.published, c.detail, c.run, c.claim, tx.session)):
        return DONE
    return answer_lost_claim(tx, c.run, c.claim)
