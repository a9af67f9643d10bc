"""Handlers of the commands in `store/commands/blobs.py`."""

from typing import Final

from mainspring.store.commands.blobs import RecordBlobPlace, RecordSweepTurn, SweepBlobs
from mainspring.store.transaction import HandlerTable
from mainspring.store.write import blobs

HANDLERS: Final[HandlerTable] = dict(
    (
        SweepBlobs.answered_by(blobs.sweep_blobs),
        RecordBlobPlace.answered_by(blobs.record_blob_place),
        RecordSweepTurn.answered_by(blobs.record_sweep_turn),
    )
)
