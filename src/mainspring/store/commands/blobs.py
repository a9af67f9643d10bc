"""Commands for the blobs of large values."""

from mainspring.domain.values.blob import BlobPlace
from mainspring.store.commands.base import BookkeepingCommand
from mainspring.store.commands.results import CommandDone, NumberAnswer


class SweepBlobs(BookkeepingCommand[NumberAnswer], frozen=True):
    """Close the days before `open_from`, and forget blobs of closed days to which no column has referred since `before`.

    Their bytes may be deleted after the commit: a commit that names one of them again is refused. `before` in milliseconds since 1970.
    Answer: NumberAnswer(blobs forgotten, at most `limit`).
    """

    open_from: int
    before: int
    limit: int = 1_000


class RecordSweepTurn(BookkeepingCommand[NumberAnswer], frozen=True):
    """Record `turn`, a random word by which the bucket knows this store, if `former` is a turn of this store too; "" = the bucket has none.

    Answer: NumberAnswer(1), or 0: another copy of the store has written `former`, nothing is recorded.
    """

    turn: str
    former: str = ""


class RecordBlobPlace(BookkeepingCommand[CommandDone], frozen=True):
    """Record where the blobs of this store are, and close the days before the first day of puts there. Answer: CommandDone."""

    place: BlobPlace
