"""Pauses of single runs: a person pauses and resumes a run; a run that a session owns is paused by its owner."""

import msgspec

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.runs.journal import FactKind
from mainspring.domain.states import RunMove, RunState, is_move_legal
from mainspring.store.commands.results import DONE, PAUSE_WITHDRAWN, CommandDone, Refused
from mainspring.store.commands.run_control import EnterPause, PauseRun, ResumeRun, RunPauseRequest
from mainspring.store.schema.runs.run_pauses import RUN_PAUSE
from mainspring.store.schema.runs.runs import RESUMABLE_RUN, SUSPENDED_RUN
from mainspring.store.transaction import Transaction
from mainspring.store.write.runs import inbox, partitions, queue_capacity
from mainspring.store.write.runs.ownership import answer_lost_claim, is_run_owner, read_receiving_run


def pause_run(tx: Transaction, command: PauseRun) -> CommandDone | Refused:
    """Pause a run without an owner; ask the owner of another one to pause it."""
    c = command
    tx.hold("run", c.run)
    receiver = read_receiving_run(tx, c.run)
    if receiver is None or receiver.is_finished:
        successor = tx.value("find_newest_of_chain", (c.run,), str)
        if successor is not None and successor != c.run:
            return pause_run(tx, msgspec.structs.replace(c, run=successor))
        missing = Refused("not_found", f"there is no run {c.run}")
        return missing if receiver is None else Refused("finished", f"run {c.run} is {receiver.state}")
    if tx.first("is_cancel_requested", (c.run,)) is not None:
        return Refused("wrong_state", f"run {c.run} is being cancelled")
    if is_move_legal(RunMove.PAUSE_IDLE, receiver.state):
        tx.change("delete_pause_requests", (c.run,))
        _insert_pause(tx, c.run, c.request)
        tx.change("pause_idle_run", {"run": c.run, "now": tx.now})
        tx.ready = True  # the next run of its concurrency key may have its slot
        return DONE
    if is_move_legal(RunMove.PAUSE, receiver.state) and receiver.kind != DefinitionKind.EXEC:
        if tx.first("find_pause_request", (c.run,)) is None:
            tx.change("delete_pause_requests", (c.run,))
            payload = msgspec.json.encode(c.request)
            inbox.insert_fact_once(tx, c.run, FactKind.PAUSE, "", c.command, payload=payload)
        return DONE
    if receiver.state is RunState.PAUSED:
        return DONE
    if receiver.kind == DefinitionKind.EXEC:
        return Refused("wrong_state", f"run {c.run} is a command of `mainspring exec`, which cannot be paused")
    return Refused("wrong_state", f"run {c.run} is {receiver.state}")


def _insert_pause(tx: Transaction, run: str, request: RunPauseRequest) -> None:
    tx.change("insert_run_pause", {"run": run, "now": tx.now, "by": request.by, "reason": request.reason})


def enter_pause(tx: Transaction, command: EnterPause) -> CommandDone | Refused:
    """Pause a run by its owner, unless the request was withdrawn."""
    c = command
    tx.hold("run", c.run)
    payload = tx.value("find_pause_request", (c.run,), bytes)
    if payload is None or tx.first("is_cancel_requested", (c.run,)) is not None:
        return PAUSE_WITHDRAWN if is_run_owner(tx, c.run, c.claim) else answer_lost_claim(tx, c.run, c.claim)
    values = {
        "run": c.run,
        "claim": c.claim,
        "session": tx.session,
        "rank": c.rank,
        "waiting_for": c.waiting_for,
        "is_returned": int(c.is_returned),
        "now": tx.now,
    }
    rows = tx.all("pause_owned_run", values)
    if not rows:
        return answer_lost_claim(tx, c.run, c.claim)
    _insert_pause(tx, c.run, msgspec.json.decode(payload, type=RunPauseRequest))
    tx.change("delete_pause_requests", (c.run,))
    run = SUSPENDED_RUN.read(rows[0])
    tx.ready |= run.has_concurrency_key
    queue_capacity.announce_capacity(tx, [run.queue] if run.is_limited else ())
    return DONE


def resume_run(tx: Transaction, command: ResumeRun) -> CommandDone | Refused:
    """Resume a paused run, or withdraw the request to pause it."""
    run = command.run
    tx.hold("run", run)
    receiver = read_receiving_run(tx, run)
    if receiver is None or receiver.is_finished:
        successor = tx.value("find_newest_of_chain", (run,), str)
        if successor is not None and successor != run:
            return resume_run(tx, msgspec.structs.replace(command, run=successor))
    if receiver is None:
        return Refused("not_found", f"there is no run {run}")
    if receiver.state is RunState.PAUSED:
        make_paused_run_ready(tx, run)
        return DONE
    if tx.first("find_pause_request", (run,)) is not None:
        tx.change("delete_pause_requests", (run,))
        inbox.insert_fact(tx, run, FactKind.RESUME, "", None, None, None, command.command)
        return DONE
    if tx.again:
        return DONE
    return Refused("not_paused", f"run {run} is not paused: it is {receiver.state}")


def make_paused_run_ready(tx: Transaction, run: str) -> None:
    """End the pause of a run: it is ready now, or when it is due and has its partition."""
    pause = RUN_PAUSE.read(tx.all("read_run_pause", (run,))[0])
    paused = RESUMABLE_RUN.read(tx.all("read_resumable_run", (run,))[0])
    due_at = pause.due_at if pause.due_at is not None and pause.due_at > tx.now else None
    blocked = "key" if paused.fresh and tx.first("waits_for_key_holder", (run,)) else None
    # A later start holds no partition before it is due; a run that was continued takes its place in the line at once.
    if (
        blocked is None
        and (due_at is None or not paused.fresh)
        and paused.partition is not None
        and not partitions.enter_partition(tx, paused.queue, paused.partition, run, paused.parent)
    ):
        blocked = "partition"
    ready = int(due_at is None and blocked is None)
    tx.change("resume_run", {"run": run, "ready": ready, "blocked": blocked, "due_at": due_at, "now": tx.now})
    tx.change("delete_run_pause", (run,))
    tx.ready |= blocked is None  # also a later due time: a worker has to know the instant
