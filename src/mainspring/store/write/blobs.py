"""Blobs that no column refers to any more. The triggers of the databases write all other changes of the two tables."""

from typing import Final

from mainspring.domain.values.blob import MOVING_KEY, PLACE_KEY, TURNS_KEY
from mainspring.store.commands.blobs import RecordBlobPlace, RecordSweepTurn, SweepBlobs
from mainspring.store.commands.results import DONE, CommandDone, NumberAnswer
from mainspring.store.transaction import Transaction

_RECORDED_TURNS: Final = 200
"""More than the workers that sweep at the same moment."""


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


def record_blob_place(tx: Transaction, command: RecordBlobPlace) -> CommandDone:
    """Record the place, and forget the turns of the former one, and the move that ends with this commit.

    A program that does not know it yet puts into a day that is closed now, so its commit is refused.
    """
    tx.change("put_meta", (PLACE_KEY, command.place.encode()))
    tx.change("delete_meta", (TURNS_KEY,))
    tx.change("delete_meta", (MOVING_KEY,))
    tx.change("close_blob_days", (f"{command.place.first_day:08d}",))
    return DONE


def record_sweep_turn(tx: Transaction, command: RecordSweepTurn) -> NumberAnswer:
    """Record a turn, and the one that the bucket has before it: however many sweeps fail, that one stays known."""
    turns = (tx.value("read_meta", (TURNS_KEY,), str) or "").split()
    last = [turn for turn in (command.former, command.turn) if turn]
    if command.former and command.former not in turns:
        return NumberAnswer(0)
    earlier = [turn for turn in turns if turn not in last]
    tx.change("put_meta", (TURNS_KEY, " ".join([*earlier, *last][-_RECORDED_TURNS:])))
    return NumberAnswer(1)
