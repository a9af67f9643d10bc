"""Bulk acts: one act on many runs, done in pieces by whichever process has time."""

import msgspec

from mainspring.domain.bulk import BulkVerb
from mainspring.domain.states import BulkMove


class BeginBulk(msgspec.Struct, frozen=True, kw_only=True):
    """Put an act on many runs on record; the first piece is due at once. Answer: Done.

    `id` = the command id by which it was asked for; begun under it once, it is not begun again. `which` = JSON, by what its runs were
    chosen; `automations` = of whom they are. `rate` is for people, `piece` runs every `every_ms` keep it.
    """

    id: str
    verb: BulkVerb
    which: bytes
    automations: tuple[str, ...]
    runs: tuple[str, ...]
    actor: str
    reason: str | None
    rate: str | None
    piece: int
    every_ms: int


class BulkPiece(msgspec.Struct, frozen=True, tag="bulk_piece"):
    """What is to be done next of a bulk act: `verb` to each of `runs`, which stand behind `reached`. None = nothing is due."""

    bulk: str | None = None
    verb: BulkVerb = BulkVerb.RETRY
    actor: str = ""
    reason: str | None = None
    reached: str = ""
    runs: tuple[str, ...] = ()


class TakePiece(msgspec.Struct, frozen=True):
    """Take the piece that is due first and that nobody else has, for `lease_ms` from the commit on. Answer: BulkPiece.

    `lease` = an id of this take: sent again, it gets the same piece.
    """

    lease: str
    lease_ms: int


class NotePiece(msgspec.Struct, frozen=True):
    """Say what became of a piece: its runs stand behind `reached` and end with `to`; `refused` = run -> why. Answer: Done.

    A piece that two processes did counts once: each of its acts has a command id of its own, so they were answered alike.
    """

    bulk: str
    reached: str
    to: str
    done: int
    refused: dict[str, str]


class MoveBulk(msgspec.Struct, frozen=True):
    """Pause, resume or stop a bulk act. Answer: Done, Refused not_found | wrong_state."""

    bulk: str
    move: BulkMove
