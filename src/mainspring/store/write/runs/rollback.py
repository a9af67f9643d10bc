"""Rollback: which runs can undo their steps, and how a stopped run becomes ready for that alone."""

import msgspec

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.incidents.incident_members import Settlement
from mainspring.domain.states import RunMove, target_state
from mainspring.store.transaction import Transaction
from mainspring.store.write.incidents import members
from mainspring.store.write.runs import partitions, run_keys


class RollbackState(msgspec.Struct, frozen=True):
    """The rollback state of a run. `on_cancel` is that of its automation as last announced."""

    kind: str
    undoing: int
    generation: int
    automation: str
    run_key: str | None
    queue: str
    partition: str | None
    parent: str | None
    on_cancel: str | None

    def should_undo(self, *, undo: bool | None) -> bool:
        """Tell whether a cancel undoes the steps; an explicit `undo` decides. Only a workflow has steps with an undo."""
        is_requested = undo if undo is not None else bool(self.undoing) or self.on_cancel == "undo"
        return is_requested and self.kind == DefinitionKind.WORKFLOW


class UndoneRequests(msgspec.Struct, frozen=True):
    """The undone requests that a run counts as done: the first of these steps, and what the body had received before."""

    request_number: int
    received_rank: int


def read_rollback_state(tx: Transaction, run: str) -> RollbackState:
    """Return the rollback state of an existing run."""
    row = tx.first("read_run_to_undo", (run,))
    assert row is not None
    return RollbackState(*row)


def begin_rollback(tx: Transaction, run: str, state: RollbackState) -> None:
    """Make a stopped run ready for its rollback. A failed undo is tried again; completed ones stay completed."""
    for (ident,) in tx.all("list_failed_undos", (run,)):
        tx.change("supersede_step", (state.generation, run, ident))
        tx.change("supersede_attempts_of", (state.generation, run, ident))
    tx.change("delete_pause_requests", (run,))
    is_held = state.partition is None or partitions.hold_partition(tx, state.queue, state.partition, run, state.parent)
    blocked = None if is_held else "partition"
    tx.change("undo_run", {"run": run, "ready": int(is_held), "blocked": blocked, "now": tx.now})
    members.settle_members_of_run(tx, run, Settlement.CONTINUED)
    tx.change("close_waits", (run,))
    run_keys.revive_key(tx, state.automation, state.run_key, run, target_state(RunMove.UNDO))
    tx.ready |= is_held


def find_undone_requests(tx: Transaction, run: str) -> UndoneRequests | None:
    """Return the undone requests that the run still counts as done."""
    request_number, received_rank = tx.first("find_undone_requests", (run,)) or (None, None)
    if request_number is None or received_rank is None:
        return None
    return UndoneRequests(request_number, received_rank)


def supersede_undone(tx: Transaction, run: str, generation: int, request_number: int, received_rank: int) -> None:
    """Supersede the requests from `request_number` on, and those that failed or were abandoned since the rollback started."""
    values = {
        "generation": generation,
        "run": run,
        "request_number": request_number,
        "received_rank": received_rank,
    }
    tx.change("supersede_undone_attempts", values)
    tx.change("supersede_attempts_from", (generation, run, request_number))
    tx.change("supersede_undone_outcomes", values)
