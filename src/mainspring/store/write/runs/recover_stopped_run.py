"""Recover a stopped run: continue it, give a result, cancel it, mark it done, discard it.

Nothing of a journal is deleted: an entry that no longer counts is superseded by the number of the generation that does
not count it.
"""

import msgspec

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.effects.errors import EffectInDoubtError
from mainspring.domain.incidents.incident_members import Settlement
from mainspring.domain.runs.journal import FactKind, OutcomeKind
from mainspring.domain.runs.superseded_outcomes import CountedOutcome, find_superseded_ranks
from mainspring.domain.states import (
    REOPENABLE_STATES,
    AttemptState,
    FailureReason,
    OutcomeState,
    RunMove,
    RunState,
    is_move_legal,
    target_state,
)
from mainspring.store.commands.results import DONE, CommandDone, Refused
from mainspring.store.commands.runs import CancelRun, DiscardRun, GiveResult, MarkRunDone, ReopenRun
from mainspring.store.schema.runs.journal import CURRENT_OUTCOME, CurrentOutcome
from mainspring.store.schema.runs.runs import STOPPED_RUN, StoppedRun
from mainspring.store.transaction import Transaction
from mainspring.store.write import effects
from mainspring.store.write.incidents import members
from mainspring.store.write.runs import (
    events,
    inbox,
    partitions,
    rejected_facts,
    rollback,
    run_keys,
    run_transitions,
)
from mainspring.store.write.runs.ownership import read_receiving_run

_UNSETTLED = {
    OutcomeState.IN_DOUBT: "in doubt: it may or may not have had its effect",
    OutcomeState.REFUSED: "done, but its result could not be saved or read",
}
_GIVABLE = frozenset({OutcomeState.REFUSED, OutcomeState.IN_DOUBT, OutcomeState.FAILED})
_UNSURE = frozenset({AttemptState.IN_DOUBT, AttemptState.STARTED, AttemptState.LOST, AttemptState.FAILED})


def reopen_run(tx: Transaction, command: ReopenRun) -> CommandDone | Refused:
    """Continue a run from its failure or from a chosen request; a rolled-back run from the first step that was undone."""
    run = _read_stopped_run(tx, command.run)
    if isinstance(run, Refused):
        is_plain = (
            not command.accept and command.rename is None and command.from_ident is None and command.due_at is None
        )
        return DONE if is_plain and rejected_facts.read_again(tx, command.run) else run
    rejected_facts.read_again(tx, run.id)
    generation, chosen = run.generation, None
    accepts = bool(command.accept or command.rename)
    if accepts:
        refusal = _accept(tx, run, command)
        if refusal is not None:
            return refusal
    if command.from_ident is not None:
        chosen = _find_outcome(tx, run, command.from_ident) or _find_started_request(tx, run, command.from_ident)
        if chosen is None:
            return Refused("no_such_step", f"run {run.id} has no step {command.from_ident!r} that started")
    undoes = _is_rollback(tx, run, chosen)
    undone = None if undoes or accepts else rollback.find_undone_requests(tx, run.id)
    if undone is not None:
        # Undone steps no longer count: steps that depend on them are repeated too.
        generation += 1
        from_request = undone.request_number if chosen is None else min(undone.request_number, chosen.request_number)
        supersede_undone(tx, run.id, generation, from_request, undone)
        if chosen is None:
            supersede_causes(tx, run, generation)
    elif chosen is not None:
        generation += 1
        supersede_from(tx, run.id, generation, chosen.request_number)
    elif not accepts:
        refusal = _supersede_failing(tx, run, undoes=undoes)
        if refusal is not None:
            return refusal
    if not undoes:
        # A rollback that continues needs the cancel or deadline that started it.
        tx.change("supersede_stops", (generation, run.id))
    return _make_ready(tx, run, generation, command.due_at, undoes=undoes)


def supersede_undone(
    tx: Transaction, run: str, generation: int, from_request: int, undone: rollback.UndoneRequests
) -> None:
    """Supersede what a run requested from a request on, its undos included: steps were undone."""
    rollback.supersede_undone(tx, run, generation, from_request, undone.received_rank)
    run_transitions.supersede_children(tx, run, generation, from_request)
    events.supersede_waits(tx, run, from_request)


def supersede_from(tx: Transaction, run: str, generation: int, from_request: int) -> None:
    """Supersede all that a run requested from a request on."""
    tx.change("supersede_requests_from", (generation, run, from_request))
    tx.change("supersede_attempts_from", (generation, run, from_request))
    run_transitions.supersede_children(tx, run, generation, from_request)
    events.supersede_waits(tx, run, from_request)


def _find_outcome(tx: Transaction, run: StoppedRun, ident: str) -> CurrentOutcome | None:
    return CURRENT_OUTCOME.read_first(tx.all("find_current_outcome", (run.id, ident)))


class _StartedRequest(msgspec.Struct, frozen=True):
    """A step or child that started and has no outcome."""

    request_number: int
    kind: None = None


def _find_started_request(tx: Transaction, run: StoppedRun, ident: str) -> _StartedRequest | None:
    request_number = None if ident.startswith("undo:") else tx.value("find_request_of_step", (run.id, ident), int)
    return None if request_number is None else _StartedRequest(request_number)


def _is_rollback(tx: Transaction, run: StoppedRun, chosen: CurrentOutcome | _StartedRequest | None) -> bool:
    """Tell whether the rollback continues: the run stopped at an undo, or exists only for its rollback."""
    found = chosen
    if chosen is None and run.failed_ident is not None:
        found = _find_outcome(tx, run, run.failed_ident)
    return found.kind is OutcomeKind.UNDO if found is not None else run.undoing


def _read_stopped_run(tx: Transaction, run: str) -> StoppedRun | Refused:
    tx.hold("run", run)
    found = STOPPED_RUN.read_first(tx.all("read_run_to_reopen", (run,)))
    if found is None:
        return Refused("not_found", f"there is no run {run}")
    if found.state not in REOPENABLE_STATES:
        return Refused("wrong_state", f"run {run} is {found.state}")
    if found.kind == DefinitionKind.EXEC:  # no worker could ever claim it
        return Refused("wrapped", f"run {run} is a wrapped command: only its caller can run it again")
    if found.run_key is not None:
        tx.hold("key", found.automation, found.run_key)
        newer = tx.value("find_run_of_key", (found.automation, found.run_key), str)
        if newer is not None and newer != run:
            return Refused("wrong_state", f"key {found.run_key!r} of run {run} belongs to the newer run {newer}")
    return found


def _list_failing(run: StoppedRun) -> list[str]:
    """Return the requests whose failures led to the end."""
    failing = _read_detail(run).get("failing")
    if failing is not None:
        return msgspec.convert(failing, list[str])
    return [] if run.failed_ident is None else [run.failed_ident]


def _supersede_failing(tx: Transaction, run: StoppedRun, *, undoes: bool) -> Refused | None:
    """Supersede the failures that led to the end; a step without an outcome only gets its attempts back."""
    ident = run.failed_ident
    found = None if ident is None else _find_outcome(tx, run, ident)
    if found is not None and ident is not None and _is_doubt_decided(tx, run.id, ident, found):
        tx.change("supersede_step", (run.generation, run.id, ident))
        tx.change("supersede_attempts_of", (run.generation, run.id, ident))
    elif found is not None and found.state in _UNSETTLED:
        # Its effect has, or may have, happened: only a decision about this very step may repeat it.
        return Refused("unsettled", f"step {ident!r} of run {run.id} is {_UNSETTLED[found.state]}")
    if ident is not None and (found is None or undoes):
        tx.change("supersede_attempts_of", (run.generation, run.id, ident))
    if not undoes:
        supersede_causes(tx, run, run.generation)
    elif ident is not None:
        tx.change("supersede_step", (run.generation, run.id, ident))
    return None


def _is_doubt_decided(tx: Transaction, run: str, ident: str, outcome: CurrentOutcome) -> bool:
    """Tell whether the step stopped for an effect, and no effect of it is in doubt any more: then the ledger decides what it repeats."""
    code = None if outcome.failure is None else outcome.failure.code
    is_effect = outcome.state is OutcomeState.IN_DOUBT and code == EffectInDoubtError.code
    return is_effect and not tx.values("list_doubts_of_step", (run, ident), str)


def supersede_causes(tx: Transaction, run: StoppedRun, generation: int, failing: list[str] | None = None) -> None:
    """Supersede the failures that led to the end, by default all of them, and what followed from them."""
    failing = _list_failing(run) if failing is None else failing
    rows = tx.all("list_current_outcomes_from", (run.id, msgspec.json.encode(failing).decode()))
    ranks = find_superseded_ranks(msgspec.convert(rows, list[CountedOutcome]), failing)
    if ranks:
        values = (generation, run.id, msgspec.json.encode(ranks).decode())
        tx.change("supersede_attempts_of_ranks", values)
        tx.change("supersede_ranks", values)


def _read_detail(run: StoppedRun) -> dict[str, object]:
    """Return the engine's details of the end, besides the failure."""
    detail = msgspec.json.decode(run.detail) if run.detail else {}
    return detail if isinstance(detail, dict) else {}


def _accept(tx: Transaction, run: StoppedRun, command: ReopenRun) -> Refused | None:
    """Replace the saved inputs of drifted steps by the new ones, and record the decision on a renamed or removed step."""
    detail = _read_detail(run)
    drift, renamed = detail.get("drift"), detail.get("renamed")
    drift = drift if isinstance(drift, dict) else {}
    renamed = renamed if isinstance(renamed, dict) else {}
    if command.rename is not None:
        old, new = command.rename
        if renamed.get("old") != old:
            return Refused("no_such_step", f"run {run.id} did not stop because of a renamed step {old!r}")
        tx.change("save_step_rename", (run.id, old, new, tx.now))
    for ident in command.accept:
        if ident in drift:
            tx.change("accept_input", (msgspec.convert(drift[ident], bytes, strict=False), run.id, ident))
        elif ident == renamed.get("ident"):
            tx.change("save_step_rename", (run.id, renamed["old"], None, tx.now))
        else:
            return Refused("no_such_step", f"run {run.id} has no drift of {ident!r} to accept")
    return None


def _make_ready(tx: Transaction, run: StoppedRun, generation: int, due_at: int | None, *, undoes: bool) -> CommandDone:
    from mainspring.store.write.runs import updates  # noqa: PLC0415 - not loaded for a run that only ends

    if generation > run.generation:
        tx.change("delete_checkpoints_of_run", (run.id,))  # attempts from now on have other keys than these checkpoints
    tx.change("delete_pause_requests", (run.id,))  # it stopped before it could be paused
    updates.return_superseded_updates(tx, run.id)
    blocked = None
    if run.partition is not None and not partitions.hold_partition(tx, run.queue, run.partition, run.id, run.parent):
        blocked = "partition"
    ready = blocked is None and (due_at is None or due_at <= tx.now)
    values = {
        "run": run.id,
        "ready": int(ready),
        "blocked": blocked,
        "due_at": due_at,
        "now": tx.now,
        "generation": generation,
        "undoing": int(run.undoing and undoes),
    }
    tx.change("reopen_run", values)
    tx.change("reset_run_retries", (run.id,))
    if run.state == RunState.NEEDS_ATTENTION:
        members.settle_members_of_run(tx, run.id, Settlement.CONTINUED)
    run_keys.revive_key(tx, run.automation, run.run_key, run.id, target_state(RunMove.REOPEN))
    tx.ready |= blocked is None  # also a later due time: a worker has to know the instant
    return DONE


def give_result(tx: Transaction, command: GiveResult) -> CommandDone | Refused:
    """Replace an outcome by a person's result, and continue the run."""
    c = command
    if tx.again and tx.first("has_fact_receipt", (c.run, FactKind.RESULT, c.command)) is not None:
        return DONE
    run = _read_stopped_run(tx, c.run)
    if isinstance(run, Refused):
        return run
    outcome = _find_outcome(tx, run, c.ident)
    attempt_state = tx.value("find_open_attempt", (c.run, c.ident), str)
    if attempt_state not in _UNSURE if outcome is None else outcome.state not in _GIVABLE:
        return Refused("no_such_step", f"run {c.run} has no refused, in-doubt or failed {c.ident!r}")
    if c.again and (blocked := effects.find_blocking_doubt(tx, c.run, c.ident)) is not None:
        return blocked
    undoes = outcome.kind is OutcomeKind.UNDO if outcome is not None else c.ident.startswith("undo:")
    if not undoes and (run.undoing or rollback.find_undone_requests(tx, c.run) is not None):
        return Refused("undone", f"run {c.run} has undone steps, so the result of {c.ident!r} cannot be set alone")
    if outcome is not None and outcome.state is OutcomeState.FAILED and not undoes:
        supersede_causes(tx, run, run.generation, [c.ident])  # the body received this failure, and continued with it
    elif outcome is not None:
        tx.change("supersede_step", (run.generation, c.run, c.ident))
    tx.change("supersede_attempts_of", (run.generation, c.run, c.ident))
    if not undoes:
        tx.change("supersede_stops", (run.generation, c.run))
    happened = not c.again and c.failure is None
    effects.settle_doubts_of_step(tx, c.run, c.ident, happened=happened)
    done = _make_ready(tx, run, run.generation, None, undoes=undoes)
    tx.change("insert_fact_receipt", (c.run, FactKind.RESULT, c.command))
    if not c.again:
        inbox.insert_fact(tx, c.run, FactKind.RESULT, c.ident, c.ident, c.output, c.failure, c.command)
    return done


def cancel_run(tx: Transaction, command: CancelRun) -> CommandDone | Refused:
    """Stop a run."""
    c = command
    tx.hold("run", c.run)
    found = read_receiving_run(tx, c.run)
    if found is None:
        return Refused("not_found", f"there is no run {c.run}")
    if found.is_finished and (successor := run_transitions.find_successor(tx, c.run)) is not None:
        return run_transitions.request_cancel(tx, successor, c.command, c.why, undo=c.undo, insists=True)
    if found.is_finished and not (
        is_move_legal(RunMove.UNDO, found.state)
        and rollback.read_rollback_state(tx, c.run).should_undo(undo=c.undo is True)
    ):
        state = target_state(RunMove.CANCEL)
        return DONE if tx.again and found.state == state else Refused("finished", f"run {c.run} is {found.state}")
    return run_transitions.request_cancel(tx, c.run, c.command, c.why, undo=c.undo, insists=True)


def mark_run_done(tx: Transaction, command: MarkRunDone) -> CommandDone | Refused:
    """Mark an unfinished run without an owner as done."""
    if run_transitions.end_idle_run(tx, command.run, RunMove.MARK_DONE, result=command.result):
        return DONE
    return _not_ended(tx, command.run, RunMove.MARK_DONE)


def discard_run(tx: Transaction, command: DiscardRun) -> CommandDone | Refused:
    """Discard a run that needs attention, or settle a failed one that no one will continue."""
    if run_transitions.end_idle_run(tx, command.run, RunMove.DISCARD, reason=FailureReason.DISCARDED):
        members.settle_members_of_run(tx, command.run, Settlement.DISCARDED, command.by)
        return DONE
    found = read_receiving_run(tx, command.run)
    if found is None or found.state != RunState.FAILED:
        return _not_ended(tx, command.run, RunMove.DISCARD)
    if members.settle_members_of_run(tx, command.run, Settlement.DISCARDED, command.by) or tx.again:
        return DONE
    return Refused("wrong_state", f"run {command.run} failed and is settled already")


def _not_ended(tx: Transaction, run: str, move: RunMove) -> CommandDone | Refused:
    found = read_receiving_run(tx, run)
    if found is None:
        return Refused("not_found", f"there is no run {run}")
    if tx.again and found.state == target_state(move):
        return DONE
    return Refused("wrong_state", f"run {run} is {found.state}")
