"""Bulk operations: one operation on many runs or deliveries, done in batches by any process that has time."""

import msgspec

from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.states import BulkMove


class BeginBulkOperation(msgspec.Struct, frozen=True, kw_only=True):
    """Put an act on many on record; the first piece is due at once. Answer: Done.

    `id` = the command id by which it was asked for; begun under it once, it is not begun again. `parts` = ids of runs, or of deliveries
    for a replay; `which` = JSON, by what they were chosen; `automations` = of whom they are. `rate` is for people, `piece` parts every
    `every_ms` keep it.
    """

    id: str
    verb: BulkVerb
    which: bytes
    automations: tuple[str, ...]
    parts: tuple[str, ...]
    actor: str
    reason: str | None
    rate: str | None
    piece: int
    every_ms: int


class BulkBatch(msgspec.Struct, frozen=True, tag="bulk_piece"):
    """What is to be done next of a bulk act: `verb` to each of `parts`, which stand behind `reached`. None = nothing is due.

    `at` = when it was taken, by the store's clock (ms).
    """

    bulk: str | None = None
    verb: BulkVerb = BulkVerb.RETRY
    actor: str = ""
    reason: str | None = None
    reached: str = ""
    parts: tuple[str, ...] = ()
    at: int = 0


class LeaseBulkBatch(msgspec.Struct, frozen=True):
    """Take the piece that is due first and that nobody else has, for `lease_ms` from the commit on. Answer: BulkBatch.

    `lease` = an id of this take: sent again, it gets the same piece.
    """

    lease: str
    lease_ms: int


class RecordBulkBatch(msgspec.Struct, frozen=True):
    """Say what became of a piece: its parts stand behind `reached` and end with `to`; `refused` = part -> why. Answer: Done.

    A piece that two processes did counts once: each of its acts has a command id of its own, so they were answered alike.
    """

    bulk: str
    reached: str
    to: str
    done: int
    refused: dict[str, str]


class ChangeBulkOperation(msgspec.Struct, frozen=True):
    """Pause, resume or stop a bulk act. Answer: Done, Refused not_found | wrong_state."""

    bulk: str
    move: BulkMove
