"""Requests of a body. A request has its identity from the call on and waits until its outcome is delivered or it is cancelled.

Identity = branch + name + explicit key, or nth use of that name in that branch; never a position.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.failures.failure import Failure
from mainspring.domain.flags.flag import FlagQuestion
from mainspring.domain.runs.journal import CHILD_UNDO, NO_PLAN, OutcomeKind, QuestionPlan
from mainspring.domain.values.function_signature import Signature
from mainspring.engine.attempts.isolation import name_undo
from mainspring.engine.body.deterministic_loop import Timer
from mainspring.engine.definitions.step_plan import StepPlan

if TYPE_CHECKING:
    from mainspring.engine.body.body import Body

WAIT_TIMER_SUFFIX = "!within"
"""Suffix of a wait's identity for the timer that ends the wait."""

_MAX_REFUSALS, _MAX_REFUSALS_PER_TASK = 1_000, 100


class RefusalLimit:
    """The refusals of one body. `are_over` = the limit is reached: none of its requests is registered any more.

    A loop of `try: ... except BaseException: pass` swallows every refusal and repeats its request without end, so that
    the worker's loop would never turn again. Code that cleans up gets a few refusals; far beyond that number the
    refusals stop, and a request gets no answer at all: the code waits, and the worker's loop turns again.
    """

    def __init__(self) -> None:
        self.are_over = False
        self._left: int | None = None

    def refuse(self, body: "Body") -> None:
        """Raise the error that ends the requesting code, unless the body may continue, is shielded, or reached the limit."""
        task = body.loop.current()
        if body.loop.closed:
            refusal: BaseException = Unloaded()
        elif body.stop.cleanup_end is None or body.rolling_back or task is None:
            return
        elif not task.shields or body.stop.breaks_shields:
            refusal = asyncio.CancelledError(str(body.stop.cleanup_end))
        else:
            return
        self.count(body, refusal)

    def count(self, body: "Body", refusal: BaseException) -> None:
        """Raise a refusal, unless the body reached the limit."""
        if self._left is None:
            self._left = _MAX_REFUSALS + _MAX_REFUSALS_PER_TASK * len(body.loop.tasks)
        self._left -= 1
        self.are_over = self.are_over or self._left < 0
        if not self.are_over:
            raise refusal

    def renew(self) -> None:
        """Reset the count: it starts at a cancel, and again at the unloading."""
        self._left = None


class StepCall(msgspec.Struct, frozen=True):  # created for each step: a frozen data class is slower
    """One call of a step: the live function, its arguments as a replay reads them, and their bytes."""

    fn: Callable[..., Any]
    signature: Signature
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    input: bytes
    plan: StepPlan


@dataclass(frozen=True, slots=True)
class TimerCall:
    """An instant of run time (ms UTC) to wait for."""

    due_at: int
    timer: Timer


class AwaitedSignal(NamedTuple):
    """A signal of `run.receive_any`: how its value is read, with its name, and the JSON schema of its type."""

    read: Callable[[bytes], tuple[str, Any]]
    schema: bytes | None


@dataclass(frozen=True, slots=True)
class SignalCall:
    """The next message of this name to this run; `schema` = the JSON schema of the type in the code. `any_of` = of one of these names."""

    until_at: int | None
    schema: bytes | None = None
    any_of: Mapping[str, AwaitedSignal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SendCall:
    """A signal to another run, by its id or by (automation, run key). `input` = all of it as JSON."""

    input: bytes
    run: str
    key: tuple[str, str] | None
    name: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class EventCall:
    """The next event of this name whose data has these values at these dotted paths; `since_at` None = from the start of the run."""

    where: Mapping[str, Any]
    since_at: int | None
    until_at: int | None
    schema: bytes | None = None


@dataclass(frozen=True, slots=True)
class AskCall:
    """A question to people. `plan` = who is to answer it, and when they are reminded."""

    question: bytes
    until_at: int | None
    plan: QuestionPlan = NO_PLAN


@dataclass(frozen=True, slots=True)
class ChildCall:
    """Another automation as a child, or (`step` set) one step as a run that any worker may take."""

    input: bytes
    plan: StepPlan
    definition: Definition | None = None
    step: str | None = None
    arguments: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})
    """Arguments, as a replay reads them, and keyword arguments."""

    @property
    def undo(self) -> str | None:
        """The name of what a rollback calls: its undo function, or the undos of the child; None = nothing."""
        if self.plan.undo is not None:
            return name_undo(self.plan.undo)
        definition = self.definition
        if definition is None or definition.kind is not DefinitionKind.WORKFLOW or self.plan.close == "keep":
            return None
        is_shared = self.plan.run_key is not None or definition.option("key") is not None
        return None if is_shared else CHILD_UNDO

    @property
    def automation(self) -> str:
        """The readable name of the child."""
        return self.definition.name if self.definition is not None else self.step or ""


@dataclass(frozen=True, slots=True)
class StartCall:
    """Another automation as a run of its own. `input` = its arguments as JSON."""

    input: bytes
    plan: StepPlan
    definition: Definition


@dataclass(frozen=True, slots=True)
class UndoChildCall:
    """The rollback of the child of a request; `generation` = that of the request's outcome. `waits_only` = the child only has to end."""

    ident: str
    generation: int
    waits_only: bool = False


@dataclass(frozen=True, slots=True)
class FlagCall:
    """A question about a flag; `is_fresh` = the answer is that of now, and counts for this request only."""

    question: FlagQuestion
    is_fresh: bool


@dataclass(frozen=True, slots=True)
class VersionCall:
    """The question which version of a change the run takes. `newest` = that of the code of now; `answer` = that which the body has."""

    newest: int
    answer: int | None


@dataclass(frozen=True, slots=True)
class ReplyCall:
    """The reply of the handler of an update: `input` = the result as JSON, or the text of its error."""

    input: bytes
    signature: Signature
    error: BaseException | None = None


RequestCall = (
    StepCall
    | TimerCall
    | SignalCall
    | EventCall
    | AskCall
    | ChildCall
    | StartCall
    | UndoChildCall
    | FlagCall
    | VersionCall
    | ReplyCall
    | SendCall
)


class Request:
    """One request of a body.

    `take(value, failure)` delivers the outcome to the body; `decode` reads a saved value with the current type. `offered` turns true when
    the body first comes to rest with the request open: from then on its effect may have started. `request_number` counts the requests of
    the body, `requested_after` = rank of the newest outcome then, `requested_at` = run time of the request, `base_at` = instant of that
    outcome: behind `requested_at` if the clock was put back. `detached`: a run that must start although the body no longer awaits it.
    """

    __slots__ = (
        "base_at",
        "call",
        "decode",
        "detached",
        "ident",
        "kind",
        "name",
        "offered",
        "open",
        "outcome",
        "request_number",
        "requested_after",
        "requested_at",
        "take",
        "task",
    )

    def __init__(
        self,
        kind: OutcomeKind,
        ident: str,
        name: str,
        call: RequestCall,
        decode: Callable[[bytes], Any] | None,
        take: Callable[[Any, Failure | None], None],
    ) -> None:
        self.kind = kind
        self.ident = ident
        self.name = name
        self.call = call
        self.decode = decode
        self.take = take
        self.request_number = 0
        self.requested_after = 0
        self.requested_at = self.base_at = 0
        self.open = True
        self.offered = False
        self.detached = False
        self.outcome: Any = None
        self.task: asyncio.Task[Any] | None = None

    def read(self, name: str, data: bytes) -> Any:
        """Return the value of an outcome of this name. Raises whatever its type raises; KeyError: the code does not await this name."""
        if isinstance(self.call, SignalCall) and self.call.any_of:
            return self.call.any_of[name].read(data)
        assert self.decode is not None
        return self.decode(data)

    def receives(self, name: str) -> bool:
        """Whether it waits for a signal of this name."""
        if self.kind is not OutcomeKind.SIGNAL:
            return False
        awaited = self.call.any_of if isinstance(self.call, SignalCall) else ()
        return name in awaited if awaited else name == self.name

    def __repr__(self) -> str:
        return f"<{self.kind} {self.ident} {'open' if self.open else 'closed'}>"


class Unloaded(BaseException):
    """Raised for each request while a body is being unloaded; records nothing."""


class RolledBack(BaseException):
    """Raised when the body has undone its steps and ends; not for user code to catch."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Restarted(BaseException):
    """Raised when the body ends and the run restarts with another input under the same key."""

    def __init__(self, input: bytes) -> None:
        super().__init__("restarted")
        self.input = input
