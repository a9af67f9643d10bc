"""What a run has behind it: saved outcomes in rank order, and facts from outside that it has not yet taken in."""

from enum import StrEnum

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.domain.states import AttemptState, OutcomeState


class OutcomeKind(StrEnum):
    """What was asked for."""

    STEP = "step"
    TIMER = "timer"
    SIGNAL = "signal"
    EVENT = "event"
    ANSWER = "answer"
    CHILD = "child"
    UNDO = "undo"
    CANCEL = "cancel"
    """A cancel taken in: handed to the body as CancelledError."""
    DEADLINE = "deadline"
    """The run's deadline: handed to the body as CancelledError, the run then fails."""


class FactKind(StrEnum):
    """What may lie in the inbox of a run."""

    SIGNAL = "signal"
    EVENT = "event"
    ANSWER = "answer"
    CHILD = "child"
    CANCEL = "cancel"
    RESULT = "result"
    """A person gave the result of a step."""


class Outcome(msgspec.Struct, frozen=True):
    """One row of the journal.

    `rank` counts from 1 within a run; `asked` is the order of asking; `at` is the run time (ms UTC) from its handing over on; values are
    codec bytes.
    """

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
    input: bytes | None = None
    output: bytes | None = None
    failure: Failure | None = None
    undo: str | None = None
    superseded: int | None = None


def origin_of(outcome: Outcome) -> tuple[int, str | int | None]:
    """Return when the event or signal of an outcome happened (ms), and the event's id or the signal's place in the inbox.

    Runs of earlier versions kept less: the time alone, or nothing.
    """
    kept = None if outcome.input is None else msgspec.json.decode(outcome.input)
    match kept:
        case [int(at), str() | int() as source]:
            return at, source
        case int(at):
            return at, None
    return outcome.at, None


class AttemptRecord(msgspec.Struct, frozen=True):
    """One row of `attempts`: what the journal does not tell of a step."""

    ident: str
    name: str
    generation: int
    attempt: int
    state: AttemptState
    asked: int
    started_at: int
    ended_at: int | None = None
    next_at: int | None = None
    failure: Failure | None = None
    input: bytes | None = None
    undo: str | None = None
    superseded: int | None = None


class Fact(msgspec.Struct, frozen=True):
    """One row of the inbox. `ident` names the request it answers, where it answers one."""

    seq: int
    run: str
    kind: FactKind
    name: str
    at: int
    ident: str | None = None
    payload: bytes | None = None
    failure: Failure | None = None
    source: str | None = None


class RejectedFact(msgspec.Struct, frozen=True):
    """A signal or event that a run's code could not read, kept until a person decides; `failure` says why."""

    seq: int
    run: str
    kind: FactKind
    name: str
    at: int
    rejected_at: int
    failure: Failure
    payload: bytes | None = None


class Checkpoint(msgspec.Struct, frozen=True):
    """The last value a step saved about its own progress."""

    ident: str
    value: bytes | None
    done: int | None
    total: int | None
    at: int


class History(msgspec.Struct, frozen=True):
    """All that is needed to continue a run: counted outcomes by rank, attempts of open steps, checkpoints, facts."""

    outcomes: list[Outcome]
    attempts: list[AttemptRecord]
    checkpoints: dict[str, Checkpoint]
    facts: list[Fact]
    superseded: list[Outcome]
    renames: dict[str, str | None] = {}
    """What a person decided on steps that the code could not ask for any more: old name -> new name, None = it is gone."""
    children: list[str] = []
    """The requests whose children have not ended."""
    ordered: list[AttemptRecord] = []
    """Attempts of steps that a person told to run again: each may have had its effect."""
