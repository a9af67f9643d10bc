"""Commands of a run's owner on its journal, attempts and checkpoints."""

from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.runs.outbox import QueuedMessage
from mainspring.domain.states import AttemptState, OutcomeState
from mainspring.store.commands.base import BookkeepingCommand, StoreCommand
from mainspring.store.commands.inbox import PublishEvent
from mainspring.store.commands.results import CommandDone, Refused


class SaveOutcome(StoreCommand[CommandDone | Refused], frozen=True):
    """Append one outcome. `inbox` = the fact that it consumes, deleted by the same commit. Answer: CommandDone, Refused
    claim_lost.

    Also clears the open marks of attempts, the checkpoint and the wait of this ident.
    """

    run: str
    claim: int
    rank: int
    ident: str
    name: str
    kind: OutcomeKind
    state: OutcomeState
    request_number: int
    attempt: int
    generation: int
    started_at: int
    at: int
    duration_us: int
    automation: str
    input: bytes | None = None
    output: bytes | None = None
    failure: Failure | None = None
    undo: str | None = None
    inbox: int | None = None
    marked: bool = False
    """True if the step has recorded attempts, a checkpoint or a wait that this outcome closes."""
    requested_after: int = 0
    """The last rank that the body had received before this request: a request made after a failure is superseded with
    the failure.
    """
    events: tuple[PublishEvent, ...] = ()
    posts: tuple[QueuedMessage, ...] = ()
    """Messages of the step: the same commit publishes and queues them, once."""
    numbers: str | None = None
    """Measured numbers by name, as JSON."""
    first_at: int | None = None
    """Start of the first attempt if it is known to differ from `started_at`: for observers of commits, not stored."""
    spent: int = 0
    """Attempts before a person allowed another try: a success at the first attempt after them was not healed by a
    retry. Not stored.
    """


class SaveAttempt(StoreCommand[CommandDone | Refused], frozen=True):
    """Write or replace one attempt: a start mark, or an end after which the step continues. Answer: CommandDone,
    Refused claim_lost.
    """

    run: str
    claim: int
    ident: str
    name: str
    generation: int
    attempt: int
    state: AttemptState
    request_number: int
    started_at: int
    automation: str
    ended_at: int | None = None
    next_at: int | None = None
    failure: Failure | None = None
    input: bytes | None = None
    undo: str | None = None


class SaveCheckpoint(StoreCommand[CommandDone | Refused], frozen=True):
    """Save a step's last checkpoint and/or progress (None = unchanged). Answer: CommandDone, Refused claim_lost."""

    run: str
    claim: int
    ident: str
    value: bytes | None = None
    done: int | None = None
    total: int | None = None


class RecordStalledAttempt(StoreCommand[CommandDone | Refused], frozen=True):
    """Record an attempt without a sign of life for `silent_ms`. Answer: CommandDone, Refused claim_lost.

    `stack` = its call stack, outermost first: printable lines without secrets. ClearStalledAttempt or the end of the
    session removes the record.
    """

    run: str
    claim: int
    ident: str
    name: str
    attempt: int
    silent_ms: int
    stack: tuple[str, ...]


class ClearStalledAttempt(StoreCommand[CommandDone], frozen=True):
    """Clear a stalled attempt that gave a sign of life, or ended. Answer: CommandDone."""

    run: str
    claim: int
    ident: str
    attempt: int


class RecordProcessGroup(BookkeepingCommand[CommandDone], frozen=True):
    """Record a process group of this session, to be killed before a takeover; `ended` removes it. Answer: CommandDone."""

    pgid: int
    started: str
    run: str | None = None
    ident: str | None = None
    ended: bool = False
