"""Commands of a run's owner on its journal, attempts and checkpoints."""

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.runs.outbox import QueuedMessage
from mainspring.domain.states import AttemptState, OutcomeState
from mainspring.store.commands.inbox import PublishEvent


class SaveOutcome(msgspec.Struct, frozen=True):
    """Append one outcome. `inbox` = the fact it takes in, deleted by the same commit. Answer: Done, Refused claim_lost.

    Also clears the attempts' open marks, checkpoint and wait of this ident.
    """

    run: str
    claim: int
    rank: int
    ident: str
    name: str
    kind: OutcomeKind
    state: OutcomeState
    asked: int
    attempt: int
    generation: int
    started_at: int
    at: int
    took_us: int
    automation: str
    input: bytes | None = None
    output: bytes | None = None
    failure: Failure | None = None
    undo: str | None = None
    inbox: int | None = None
    marked: bool = False
    """True if the step has attempts, a checkpoint or a wait on record that this outcome closes."""
    asked_after: int = 0
    """The rank that had been handed to the body when it asked: what was asked for after a failure goes when the failure goes."""
    events: tuple[PublishEvent, ...] = ()
    posts: tuple[QueuedMessage, ...] = ()
    """What the step sends: it is published and posted by the same commit, once."""
    first_at: int | None = None
    """When the first attempt began, where that is known not to be `started_at`: for whoever watches commits, it is not kept."""
    spent: int = 0
    """Attempts before somebody let it be done again: what succeeds at the first one after them was not healed by a retry. Not kept."""


class SaveAttempt(msgspec.Struct, frozen=True):
    """Write or replace one attempt: a start mark, or an end that is not the step's last word. Answer: Done, Refused claim_lost."""

    run: str
    claim: int
    ident: str
    name: str
    generation: int
    attempt: int
    state: AttemptState
    asked: int
    started_at: int
    automation: str
    ended_at: int | None = None
    next_at: int | None = None
    failure: Failure | None = None
    input: bytes | None = None
    undo: str | None = None


class SaveCheckpoint(msgspec.Struct, frozen=True):
    """Keep a step's last checkpoint and/or progress (None = unchanged). Answer: Done, Refused claim_lost."""

    run: str
    claim: int
    ident: str
    value: bytes | None = None
    done: int | None = None
    total: int | None = None


class RecordStalledAttempt(msgspec.Struct, frozen=True):
    """Put an attempt on record that has given no sign of life for so long. Answer: Done, Refused claim_lost.

    `stack` = where it stands, outermost first: printable lines without secrets. It goes with ClearStalledAttempt, and with the session.
    """

    run: str
    claim: int
    ident: str
    name: str
    attempt: int
    silent_ms: int
    stack: tuple[str, ...]


class ClearStalledAttempt(msgspec.Struct, frozen=True):
    """The attempt gave a sign of life, or ended. Answer: Done."""

    run: str
    claim: int
    ident: str
    attempt: int


class RecordProcessGroup(msgspec.Struct, frozen=True):
    """Remember a process group of this session, to be killed before a takeover; `ended` forgets it. Answer: Done."""

    pgid: int
    started: str
    run: str | None = None
    ident: str | None = None
    ended: bool = False
