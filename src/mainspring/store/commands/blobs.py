"""Commands for the blobs of large values."""

from mainspring.domain.values.blob import BlobPlace
from mainspring.store.commands.base import BookkeepingCommand
from mainspring.store.commands.results import CommandDone, NumberAnswer


class SweepBlobs(BookkeepingCommand[NumberAnswer], frozen=True):
    """Close the days before `open_from`, record `turn`, and forget blobs of closed days to which no column has referred since `before`.

    Their bytes may be deleted after the commit: a commit that names one of them again is refused. `before` in milliseconds since 1970.
    `turn` = a random word of the sweep, by which its place knows this store; "" = none.
    Answer: NumberAnswer(blobs forgotten, at most `limit`).
    """

    open_from: int
    before: int
    limit: int = 1_000
    turn: str = ""


class RecordBlobPlace(BookkeepingCommand[CommandDone], frozen=True):
    """Record where the blobs of this store are, and close the days before the first day of puts there. Answer: CommandDone."""

    place: BlobPlace
