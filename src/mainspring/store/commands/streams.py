"""Commands on the streams of runs: records of steps and bodies, and the marks of repeated attempts."""

from mainspring.domain.runs.stream import DEFAULT_LIMITS, StreamLimits, StreamPart
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.results import CommandDone, Refused


class WriteStream(StoreCommand[CommandDone | Refused], frozen=True):
    """Append records to a stream of `target`, by the owner of the run `part.source`. Answer: CommandDone, Refused
    claim_lost | too_many_streams.

    Records whose `n` is stored already are not stored again. The first ones of another attempt or generation follow a mark.
    """

    target: str
    claim: int
    stream: str
    part: StreamPart
    limits: StreamLimits = DEFAULT_LIMITS


class SupersedeRecords(StoreCommand[CommandDone | Refused], frozen=True):
    """Mark what a new attempt or generation makes again in streams of `target`. Answer: CommandDone, Refused claim_lost.

    `source`, `ident`, `name`, `generation` and `attempt` are those of the writer. `counts` = how many records of each
    stream it keeps; streams that are not named keep none.
    """

    target: str
    claim: int
    source: str
    ident: str
    name: str
    generation: int
    attempt: int
    counts: tuple[tuple[str, int], ...] = ()
