"""Commands for queries: questions to the code of a run about its state. They change no run."""

from mainspring.domain.failures.failure import Failure
from mainspring.store.commands.base import BookkeepingCommand
from mainspring.store.commands.results import CommandDone, QueryStored, Refused


class AskQuery(BookkeepingCommand[QueryStored | Refused], frozen=True):
    """Store a query for a worker to answer within `within_ms`. A run that has ended leads to the run that continues it, if there is one.

    Answer: QueryStored, Refused not_found | no_workflow | sealed_otherwise | busy (no live worker has its code).
    """

    id: str
    run: str
    name: str
    input: bytes
    within_ms: int


class AcceptQuery(BookkeepingCommand[CommandDone | Refused], frozen=True):
    """Accept a query for this session to answer: no other session answers it. Answer: CommandDone, Refused accepted."""

    id: str


class AnswerQuery(BookkeepingCommand[CommandDone], frozen=True):
    """Answer a query; the first answer counts. Answer: CommandDone."""

    id: str
    result: bytes | None
    failure: Failure | None = None
