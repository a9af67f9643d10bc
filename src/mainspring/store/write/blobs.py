"""Blobs that no column refers to any more. The triggers of the databases write all other changes of the two tables."""

from mainspring.store.commands.blobs import SweepBlobs
from mainspring.store.commands.results import NumberAnswer
from mainspring.store.transaction import Transaction


def sweep_blobs(tx: Transaction, command: SweepBlobs) -> NumberAnswer:
    """Close days, and forget blobs that were without reference long enough."""
    tx.change("close_blob_days", (f"{command.open_from:08d}",))
    tx.change("note_referenced_blobs")
    tx.change("note_unreferenced_blobs", (tx.now,))
    return NumberAnswer(tx.change("forget_blobs", (command.before, command.limit)))
