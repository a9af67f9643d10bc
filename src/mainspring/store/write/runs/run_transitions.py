"""Transitions of runs: suspend, release, halt for a person, or end with all consequences."""

import json
from collections.abc import Sequence

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.domain.states import FailureReason, RunMove, RunState, is_move_legal, target_state
from mainspring.store.commands.results import CLAIM_LOST, DONE, CommandDone, Refused, StartAnswer
from mainspring.store.commands.runs import (
    AnnotateRun,
    CancelChild,
    CompleteRun,
    FinishRun,
    HaltRun,
    ReleaseRun,
    SaveChangeVersions,
    StartRun,
    SuspendRun,
    UndoChild,
)
from mainspring.store.run_end_counts import count_end, count_size
from mainspring.store.schema.runs.runs import (
    CHILD_OF_STEP,
    ENDED_RUN,
    HALTED_RUN,
    REQUESTED_CHILD,
    SUSPENDED_RUN,
    EndedRun,
)
from mainspring.store.transaction import Transaction
from mainspring.store.write import subscriptions
from mainspring.store.write.incidents import members
from mainspring.store.write.runs import events, inbox, partitions, queue_capacity, rollback, run_keys
from mainspring.store.write.runs.journal import encode_failure, save_outcome
from mainspring.store.write.runs.ownership import answer_lost_claim, is_run_owner, read_receiving_run
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
    run = SUSPENDED_RUN.read(rows[0])
    tx.ready |= run.ready or run.has_concurrency_key
    queue_capacity.announce_capacity(tx, [run.queue] if run.is_limited else ())
    return DONE


def release_run(tx: Transaction, command: ReleaseRun) -> CommandDone | Refused:
    """Release a run unharmed."""
    c = command
    values = {"rank": c.rank, "now": tx.now, "run": c.run, "claim": c.claim, "session": tx.session}
    if not tx.change("release_run", values | {"is_returned": int(c.is_returned)}):
        return answer_lost_claim(tx, c.run, c.claim)
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
    run = HALTED_RUN.read(rows[0])
    tx.ready |= run.has_concurrency_key
    tx.ended.append(c.run)
    run_keys.record_key_state(tx, run.automation, run.run_key, c.run, target_state(RunMove.HALT))
    tx.count(run.automation, attention=1)
    tx.detail(run.automation, f"reason:{c.reason}")
    if c.pass_partition:
        partitions.release_partitions(tx, c.run)
    queue_capacity.announce_capacity(tx, [run.queue] if run.is_limited else ())
    return DONE


def finish_run(tx: Transaction, command: FinishRun) -> CommandDone | Refused:
    """End a run by its owner."""
    c = command
    if c.state is RunState.FAILED:
        from mainspring.store.write.runs.run_retries import retry_failed_run  # noqa: PLC0415 - it imports this module

        if retry_failed_run(tx, c):
            return DONE
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
    ended = ENDED_RUN.read(rows[0])
    if c.then is not None:
        ended = _start_successor(tx, c.run, c.then, ended)
    settle_end(tx, c.run, ended, c.state, c.result, c.failure, c.reason, c.unhandled)
    count_size(tx, ended.automation, c.output_size)
    queue_capacity.announce_capacity(tx, [ended.queue] if ended.is_limited else ())
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
    ended = ENDED_RUN.read(rows[0])
    _announce_end(tx, c.run, ended, state, c.output, None, None)
    count_size(tx, ended.automation, c.output_size)
    queue_capacity.announce_capacity(tx, [ended.queue] if ended.is_limited else ())
    return DONE


def _start_successor(tx: Transaction, run: str, then: StartRun, ended: EndedRun) -> EndedRun:
    """Start the run that continues this one; it takes over the parent, which continues to wait. Return the ended run,
    now without parent.
    """
    if ended.partition is not None:
        partitions.release_partitions(tx, run)
    answer = start_run(tx, then, continues=True)
    if isinstance(answer, Refused):
        return ended
    if then.run_key is not None:
        run_keys.hand_over_key(tx, then.automation, then.run_key, run, then.id, RunState(answer.state))
    tx.change("inherit_run_links", {"successor": then.id, "run": run})
    tx.change("copy_run_retry", {"successor": then.id, "run": run})
    from mainspring.store.write.runs.streams import carry_streams  # noqa: PLC0415 - few runs continue another one

    carry_streams(tx, run, then.id)
    # Facts that were sent and not yet consumed are for the successor; its waits find events.
    events.free_inbox_events(tx, run)
    tx.change("move_rejected_facts_to_successor", {"successor": then.id, "run": run})
    tx.change("move_facts_to_successor", {"successor": then.id, "run": run})
    if ended.has_open_updates:
        tx.change("move_updates_to_successor", {"successor": then.id, "run": run})
    tx.change("move_waits_to_successor", {"successor": then.id, "run": run})
    return msgspec.structs.replace(ended, parent=None, parent_ident=None, has_subscribers=False)


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
    found = read_receiving_run(tx, run)
    if found is None or not is_move_legal(move, found.state):
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
    if found.fresh:
        tx.change_backlog(found.queue, -1)
    if found.state is RunState.PAUSED:
        tx.change("delete_run_pause", (run,))
    ended = ENDED_RUN.read(rows[0])
    settle_end(tx, run, ended, state, result, failure, reason)
    return True


def settle_end(
    tx: Transaction,
    run: str,
    ended: EndedRun,
    state: RunState,
    result: bytes | None,
    failure: Failure | None,
    reason: FailureReason | None,
    unhandled: Sequence[str] = (),
) -> None:
    """Apply all consequences of an end in the same commit; `unhandled` = requests of children whose failure nothing
    awaited.
    """
    tx.later("close_waits", (run,))
    if ended.has_open_updates:
        from mainspring.store.write.runs import updates  # noqa: PLC0415 - few runs have updates

        updates.end_open_updates(tx, run)
    tx.ahead((("list_waits_for_run", (run,)), ("list_open_children", (run,))))
    _announce_end(tx, run, ended, state, result, failure, reason)
    close_children(tx, run)
    if state is not RunState.FAILED:
        tx.change("insert_unhandled_child_failures", (run, json.dumps(unhandled)))


def _announce_end(
    tx: Transaction,
    run: str,
    ended: EndedRun,
    state: RunState,
    result: bytes | None,
    failure: Failure | None,
    reason: FailureReason | None,
) -> None:
    """Deliver an end to all that wait for it, and count it."""
    automation = ended.automation
    tx.ended.append(run)
    tx.ready |= ended.has_concurrency_key
    inbox.deliver_end_to_waiting_runs(tx, run, automation, state, result, failure)
    if ended.partition is not None:
        partitions.release_partitions(tx, run)
    run_keys.record_key_state(tx, automation, ended.run_key, run, state)
    if ended.parent is not None and ended.parent_ident is not None and not _was_parent_notified(tx, ended):
        inbox.deliver_end_to_parent(tx, run, automation, ended.parent, ended.parent_ident, state, result, failure)
    if ended.has_subscribers:
        subscriptions.deliver_run_end(tx, run, automation, state)
    if ended.is_member:
        members.settle_members_of_ends(tx, [(run, state)])
    count_end(tx, automation, state, ended.started_at, reason)


def _was_parent_notified(tx: Transaction, ended: EndedRun) -> bool:
    """Tell whether the parent has received an end of this child, which was undone since."""
    return ended.undoing and tx.first("has_outcome_of_request", (ended.parent, ended.parent_ident)) is not None


def close_children(tx: Transaction, run: str, *, undo: bool | None = None) -> None:
    """Cancel the unfinished children of a run that ended or rolls back, unless they are to be kept."""
    for child in REQUESTED_CHILD.read_all(tx.all("list_open_children", (run,))):
        if child.close_policy == "cancel":
            request_cancel(tx, child.id, f"close:{run}", "its parent run ended", undo=undo)


def cancel_child(tx: Transaction, command: CancelChild) -> CommandDone | Refused:
    """Cancel the child of an abandoned request."""
    c = command
    if not is_run_owner(tx, c.run, c.claim):
        return answer_lost_claim(tx, c.run, c.claim)
    child = CHILD_OF_STEP.read_first(tx.all("find_child_of_step", (c.run, c.ident)))
    if child is not None and not child.is_finished:
        request_cancel(tx, child.id, f"gave-up:{c.run}:{c.ident}", "its parent no longer awaits it", undo=c.undo)
    return DONE


def undo_child(tx: Transaction, command: UndoChild) -> StartAnswer | CommandDone | Refused:
    """Let the child of a request undo its steps. A cancelled one has done what its cancel decided."""
    c = command
    if not is_run_owner(tx, c.run, c.claim):
        return CLAIM_LOST
    child = tx.value("find_child_to_undo", (c.run, c.ident, c.generation), str)
    receiving = None if child is None else read_receiving_run(tx, child)
    if child is None or receiving is None:
        return DONE
    tx.hold("run", child)
    state = rollback.read_rollback_state(tx, child)
    if not receiving.is_finished:
        request_cancel(tx, child, f"undo:{c.run}:{c.ident}", "its parent rolls back", undo=not c.waits_only)
    elif is_move_legal(RunMove.UNDO_CHILD, receiving.state) and not c.waits_only and not state.undoing:
        if not state.should_undo(undo=True) or not tx.first("has_undo", (child,)):
            return DONE
        rollback.begin_rollback(tx, child, state)
    return StartAnswer(child, created=False, state=target_state(RunMove.UNDO_CHILD))


def supersede_children(tx: Transaction, run: str, generation: int, from_request: int) -> None:
    """Supersede the children that a run requested from a request on. They are cancelled unless they are kept or have a
    key.
    """
    for child in REQUESTED_CHILD.read_all(tx.all("list_children_requested_from", (run, from_request))):
        tx.change("supersede_child", (generation, child.id))
        tx.change("delete_child_fact", (run, child.id))
        if not child.is_finished and child.close_policy == "cancel" and child.run_key is None:
            request_cancel(
                tx, child.id, f"superseded:{run}:{generation}", "its parent run was continued from an earlier step"
            )


def request_cancel(
    tx: Transaction, run: str, source: str, reason: str | None, *, undo: bool | None = None, insists: bool = False
) -> CommandDone | Refused:
    """Stop a run: at once if it never started, or waits for a person and has nothing to undo; else by a fact.

    A second cancel ends the cleanup of its code; only one that `insists` is a second one. A run that stopped and has something to undo
    becomes ready for that, and a further cancel does not stop its rollback.
    """
    tx.hold("run", run)
    found = read_receiving_run(tx, run)
    if found is None:
        return DONE
    rollback_state = rollback.read_rollback_state(tx, run)
    if is_move_legal(RunMove.UNDO, found.state) and rollback_state.should_undo(undo=undo):
        if found.is_finished and (refusal := _refuse_rollback(tx, run, rollback_state)) is not None:
            return refusal
        rollback.begin_rollback(tx, run, rollback_state)
        close_children(tx, run, undo=True)
        return DONE
    if rollback_state.undoing and found.state != RunState.NEEDS_ATTENTION:
        if undo is not False:
            _end_pause(tx, run, found.state)
            return DONE
        if end_idle_run(tx, run, RunMove.CANCEL_IDLE):
            return DONE
        return Refused("wrong_state", f"run {run} is rolling back")
    is_idle = found.state == RunState.NEEDS_ATTENTION or (found.fresh and found.session is None)
    if not (is_idle and end_idle_run(tx, run, RunMove.CANCEL_IDLE)):
        tx.change("delete_pause_requests", (run,))
        if insists or not tx.first("is_being_cancelled", (run,)):
            inbox.cancel_fact(tx, run, source, reason, undo=undo)
        _end_pause(tx, run, found.state)
    return DONE


def _refuse_rollback(tx: Transaction, run: str, state: rollback.RollbackState) -> Refused | None:
    """Refuse to undo the steps of an ended run while another one of its key, which may have the same effects, lives."""
    return run_keys.refuse_if_other_lives(tx, state.automation, state.run_key, run)


def _end_pause(tx: Transaction, run: str, state: RunState) -> None:
    """Resume a paused run that is cancelled, for its code cleans up."""
    if state is RunState.PAUSED:
        from mainspring.store.write.runs.pauses import make_paused_run_ready  # noqa: PLC0415 - few runs are paused

        make_paused_run_ready(tx, run)


def find_successor(tx: Transaction, run: str) -> str | None:
    """Return the unfinished run that continues this one."""
    successor = tx.value("find_newest_of_chain", (run,), str)
    if successor is None or successor == run:
        return None
    found = read_receiving_run(tx, successor)
    return None if found is None or found.is_finished else successor


def annotate_run(tx: Transaction, command: AnnotateRun) -> CommandDone | Refused:
    """Save the annotations of a running body."""
    from mainspring.store.write.runs import run_tags  # noqa: PLC0415 - few runs are annotated

    c = command
    tags = None if c.tags is None else run_tags.add_tags(tx, c.run, c.tags)
    if tx.change("annotate_run", (tags, c.progress, c.published, c.detail, c.run, c.claim, tx.session)):
        if tags is not None:
            run_tags.index_tags(tx, c.run, tags)
        return DONE
    return answer_lost_claim(tx, c.run, c.claim)


def save_change_versions(tx: Transaction, command: SaveChangeVersions) -> CommandDone | Refused:
    """Save what is known of the versions of changes in a run."""
    c = command
    if tx.change("save_change_versions", (c.versions, c.run, c.claim, tx.session)):
        return DONE
    return answer_lost_claim(tx, c.run, c.claim)
