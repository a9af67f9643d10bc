"""Blobs that no column refers to any more. The triggers of the databases write all other changes of the two tables."""

from mainspring.store.commands.blobs import SweepBlobs
from mainspring.store.commands.results import NumberAnswer
from mainspring.store.transaction import Transaction


def sweep_blobs(tx: Transaction, command: SweepBlobs) -> NumberAnswer:
    """Close days, and forget blobs that were without reference long enough.

    A sweep closes at most one day more, so that a clock that is ahead for an hour closes no day of puts.
    """
    last = tx.value("read_open_day", (), int) or 0
    open_from = command.open_from if last == 0 else min(command.open_from, last + 1)
    tx.change("close_blob_days", (f"{open_from:08d}",))
    tx.change("note_lost_blobs", (tx.now,))
    tx.change("note_referenced_blobs")
    tx.change("note_unreferenced_blobs", (tx.now,))
    return NumberAnswer(tx.change("forget_blobs", (command.before, command.limit)))
