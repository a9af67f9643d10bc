"""Commands for the blobs of large values."""

from mainspring.store.commands.base import BookkeepingCommand
from mainspring.store.commands.results import NumberAnswer


class SweepBlobs(BookkeepingCommand[NumberAnswer], frozen=True):
    """Close the days before `open_from`, and forget blobs of closed days to which no column has referred since `before`.

    Their bytes may be deleted after the commit: a commit that names one of them again is refused. `before` in milliseconds since 1970.
    Answer: NumberAnswer(blobs forgotten, at most `limit`).
    """

    open_from: int
    before: int
    limit: int = 1_000
