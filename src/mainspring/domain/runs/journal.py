"""The journal of a run: saved outcomes in rank order, and external facts that the run has not yet read."""

from collections.abc import Callable
from enum import StrEnum

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.domain.states import AttemptState, OutcomeState


class OutcomeKind(StrEnum):
    """The kind of a request."""

    STEP = "step"
    TIMER = "timer"
    SIGNAL = "signal"
    EVENT = "event"
    ANSWER = "answer"
    CHILD = "child"
    START = "start"
    """A run that was started; no one awaits its end."""
    FLAG = "flag"
    """The answer of a flag."""
    VERSION = "version"
    """The version of a change that the run takes."""
    UNDO = "undo"
    UPDATE = "update"
    """An accepted update: its handler starts."""
    REPLY = "reply"
    """The end of a handler: the reply to an update."""
    SEND = "send"
    """A signal to another run."""
    CANCEL = "cancel"
    """A received cancel: raised in the body as CancelledError."""
    DEADLINE = "deadline"
    """The run's deadline: raised in the body as CancelledError, the run then fails."""
    CLEANUP_TIMEOUT = "cleanup_timeout"
    """The time for cleanup after a cancel or the deadline is over: each further call is refused."""


CLEANUP_DETAIL = "cleanup"
"""The key, in the detail of an ended run, of the stop that ended its cleanup."""
CHILD_UNDO = "its own undos"
"""The undo of a child that is rolled back as a run, where an outcome has the name of an undo function."""
STOP_KINDS = frozenset({OutcomeKind.CANCEL, OutcomeKind.DEADLINE, OutcomeKind.CLEANUP_TIMEOUT})
"""Outcomes that stop a body, which it did not request."""


class FactKind(StrEnum):
    """The kind of a fact in the inbox of a run."""

    SIGNAL = "signal"
    EVENT = "event"
    ANSWER = "answer"
    CHILD = "child"
    UPDATE = "update"
    """A request that gets a reply. Its source is the id of the update."""
    CANCEL = "cancel"
    RESULT = "result"
    """A person gave the result of a step."""
    PAUSE = "pause"
    """A person pauses the run. Its payload is plain JSON: who and why (`RunPauseRequest`). Never in the journal."""
    RESUME = "resume"
    """The request to pause the run is withdrawn: its owner continues. Never in the journal."""


class Outcome(msgspec.Struct, frozen=True):
    """One row of the journal.

    `rank` counts from 1 within a run; `request_number` is the order of requests; `at` is the run time (ms UTC) once the body has it;
    values are codec bytes.
    """

    rank: int
    ident: str
    name: str
    kind: OutcomeKind
    state: OutcomeState
    request_number: int = msgspec.field(name="asked")
    attempt: int
    generation: int
    started_at: int
    at: int
    duration_us: int = msgspec.field(name="took_us")
    input: bytes | None = None
    output: bytes | None = None
    failure: Failure | None = None
    undo: str | None = None
    superseded: int | None = None


def origin_of(outcome: Outcome) -> tuple[int, str | int | None]:
    """Return when the event or signal of an outcome happened (ms), and the event's id or the signal's place in the inbox.

    Runs of earlier versions stored less: the time alone, or nothing.
    """
    stored = None if outcome.input is None else msgspec.json.decode(outcome.input)
    match stored:
        case [int(at), str() | int() as source]:
            return at, source
        case int(at):
            return at, None
    return outcome.at, None


class QuestionPlan(msgspec.Struct, frozen=True):
    """The assignee of a question, and the times of its reminders. Spans are counted from the opening of the question.

    `assignee` = the name of a person or team; from `escalate_ms` on it is `escalate_to`.
    """

    assignee: str | None = None
    remind_ms: int | None = None
    escalate_ms: int | None = None
    escalate_to: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is planned: the question is one of all of its automation."""
        return self.assignee is None and self.remind_ms is None and self.escalate_ms is None

    def assignee_at(self, opened_at: int, now_at: int) -> str | None:
        """Return who is to answer the question at an instant; None = anyone who may."""
        is_escalated = self.escalate_ms is not None and now_at >= opened_at + self.escalate_ms
        return self.escalate_to if is_escalated else self.assignee


NO_PLAN = QuestionPlan()


class AttemptRecord(msgspec.Struct, frozen=True):
    """One row of `attempts`: facts about a step that are not in the journal."""

    ident: str
    name: str
    generation: int
    attempt: int
    state: AttemptState
    request_number: int = msgspec.field(name="asked")
    started_at: int
    ended_at: int | None = None
    next_at: int | None = None
    failure: Failure | None = None
    input: bytes | None = None
    undo: str | None = None
    superseded: int | None = None


class Fact(msgspec.Struct, frozen=True):
    """One row of the inbox. `ident` names the request it answers, if it answers one."""

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
    """A signal, an event or an answer that a run's code could not read, stored until a person decides; `failure` is the reason."""

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
    """All that is needed to resume a run: counted outcomes by rank, attempts of open steps, checkpoints, facts."""

    outcomes: list[Outcome]
    attempts: list[AttemptRecord]
    checkpoints: dict[str, Checkpoint]
    facts: list[Fact]
    superseded: list[Outcome]
    renames: dict[str, str | None] = {}
    """The decision of a person on steps that the code could not request any more: old name -> new name, None = it was removed."""
    children: list[str] = []
    """The requests whose children have not ended."""
    ordered: list[AttemptRecord] = []
    """Attempts of steps that a person requested to run again: each may have had its effect."""
    body_records: dict[str, int] = {}
    """The number of the next record of the body in each stream that it has written to."""
    stream_writers: list[str] = []
    """The steps that have written to a stream."""
    read_input: Callable[[bytes], bytes] | None = None
    """Reads the input of an outcome that is still a reference to a blob; None = all inputs are read."""
