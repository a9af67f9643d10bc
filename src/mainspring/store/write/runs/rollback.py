"""Rollback: which runs can undo their steps, and how a stopped run is made ready for that alone."""

import msgspec

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.incidents.incident_members import Settlement
from mainspring.domain.states import RunMove, target_state
from mainspring.store.transaction import Transaction
from mainspring.store.write.incidents import members
from mainspring.store.write.runs import partitions, run_keys


class RollbackState(msgspec.Struct, frozen=True):
    """What a run says of being taken back. `on_cancel` is that of its automation as last announced."""

    kind: str
    undoing: int
    generation: int
    automation: str
    run_key: str | None
    queue: str
    partition: str | None
    parent: str | None
    on_cancel: str | None

    def wanted(self, *, undo: bool | None) -> bool:
        """Tell whether a cancel takes back what was done; whoever says so himself has his way. Only a workflow has steps with an undo."""
        said = undo if undo is not None else bool(self.undoing) or self.on_cancel == "undo"
        return said and self.kind == DefinitionKind.WORKFLOW


class UndoneRequests(msgspec.Struct, frozen=True):
    """What was taken back of what a run counts as done: the first of these steps, and what the body had been handed before."""

    asked: int
    handed: int


def read_rollback_state(tx: Transaction, run: str) -> RollbackState:
    """Return what a run that there is says of being taken back."""
    row = tx.one("read_run_to_undo", (run,))
    assert row is not None
    return RollbackState(*row)


def begin_rollback(tx: Transaction, run: str, what: RollbackState) -> None:
    """Make a stopped run ready to be taken back. An undo that had failed is tried again; those that are done stay done."""
    for (ident,) in tx.all("list_failed_undos", (run,)):
        tx.change("supersede_step", (what.generation, run, ident))
        tx.change("supersede_attempts_of", (what.generation, run, ident))
    held = what.partition is None or partitions.hold_partition(tx, what.queue, what.partition, run, what.parent)
    blocked = None if held else "partition"
    tx.change("undo_run", {"run": run, "ready": int(held), "blocked": blocked, "now": tx.now})
    members.settle_members_of_run(tx, run, Settlement.CONTINUED)
    tx.change("close_waits", (run,))
    run_keys.record_key_state(tx, what.automation, what.run_key, run, target_state(RunMove.UNDO))
    tx.ready |= held


def find_undone_requests(tx: Transaction, run: str) -> UndoneRequests | None:
    """Return what was taken back of what the run still counts as done."""
    row = tx.one("find_undone_requests", (run,))
    return None if row is None or row[0] is None else UndoneRequests(*row)


def supersede_undone(tx: Transaction, run: str, generation: int, asked: int, handed: int) -> None:
    """Count no longer what was asked for from `asked` on, nor what failed or was given up since the rollback began."""
    values = {"generation": generation, "run": run, "asked": asked, "handed": handed}
    tx.change("supersede_undone_attempts", values)
    tx.change("supersede_attempts_from", (generation, run, asked))
    tx.change("supersede_undone_outcomes", values)
