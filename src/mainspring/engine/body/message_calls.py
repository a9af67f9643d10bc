"""Calls for messages in a workflow body: wait for signals, events and answers, and send signals. Each await ends with an outcome."""

import functools
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar, cast, overload

from mainspring.domain.duration import parse_duration, to_milliseconds
from mainspring.domain.errors import OptionError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.saved_error import StepFailed
from mainspring.domain.runs.journal import OutcomeKind, origin_of
from mainspring.domain.runs.outbox import check_signal_name
from mainspring.domain.runs.question import (
    NO_DEFAULT,
    UNNAMED,
    YES_NO,
    GivenAnswer,
    QuestionText,
    read_given_answer,
    read_plan,
)
from mainspring.domain.values.arguments import make_value_schema
from mainspring.domain.values.codec import decode, encode
from mainspring.domain.values.event import AwaitedEvent
from mainspring.engine.body.body import Body
from mainspring.engine.body.request import (
    WAIT_TIMER_SUFFIX,
    AskCall,
    AwaitedSignal,
    EventCall,
    Request,
    SendCall,
    SignalCall,
)
from mainspring.engine.body.step_calls import StepCaller
from mainspring.engine.body.unawaited_calls import track_calls

Choice = TypeVar("Choice", bound=str)
Otherwise = TypeVar("Otherwise", bound=str | None)
Model = TypeVar("Model")
Default = TypeVar("Default")
DEFAULT_WAIT = timedelta(days=7)
"""How long a wait lasts by default; None = it has no end."""


class MessageCaller(StepCaller):
    """The waits of a run for messages, and the signals that it sends."""

    def __init__(self, body: Body) -> None:
        super().__init__(body)
        self._answers: dict[str, GivenAnswer] = {}

    @track_calls
    async def receive(self, signal: str, type: Any = Any, *, within: Any = DEFAULT_WAIT) -> Any:
        """Wait for the next message of this name; return its value. `within=None` waits without limit.

        Raises:
            TimeoutError: none came within the time.
        """
        until_at = self._until(within)
        read = functools.partial(decode, annotation=type, value_name=f"signal {signal}")
        return await self._wait(OutcomeKind.SIGNAL, signal, SignalCall(until_at, _schema_of(type)), read, until_at)

    @track_calls
    async def receive_any(
        self, signals: Mapping[str, Any] | Iterable[str], *, within: Any = DEFAULT_WAIT
    ) -> tuple[str, Any]:
        """Wait for the next message of any of these names, in the order of arrival; return its name and its value.

        `signals` = names, or a mapping of names to types. `within=None` waits without limit.

        Raises:
            TimeoutError: none came within the time.
        """
        types = dict(signals) if isinstance(signals, Mapping) else dict.fromkeys(signals, Any)
        if not types or isinstance(signals, str):
            raise OptionError(f'run.receive_any({signals!r}): expected names of signals, such as ["go", "stop"]')
        until_at = self._until(within)
        awaited = {
            name: AwaitedSignal(_make_signal_reader(name, type), _schema_of(type)) for name, type in types.items()
        }
        call = SignalCall(until_at, None, awaited)
        return cast("tuple[str, Any]", await self._wait(OutcomeKind.SIGNAL, "receive_any", call, decode, until_at))

    @track_calls
    async def signal(self, target: str | tuple[str, str], name: str, value: Any = None) -> None:
        """Send a message to another run, by its id or by (automation, run key); it reads it with `run.receive(name)`.

        It counts once, whatever dies, and leads to the run that continues a restarted one.

        Raises:
            StepFailed: there is no such run, it has ended, or its code is known to read values of another type.
            ArgumentError, ValueRefusedError: the name or the value cannot be used.
        """
        check_signal_name(name)
        payload = encode(value, value_name=f"signal {name}", limit=self._body.payload_max)
        run_id, key = (target, None) if isinstance(target, str) else ("", target)
        body, label = self._body, f"signal {name}"
        body.refuse_if_stopped()
        future = body.future()

        def take(_value: Any, failure: Failure | None) -> None:
            if future.done():
                return
            if failure is None:
                future.set_result(None)
            else:
                future.set_exception(StepFailed(label, failure))

        call = SendCall(encode([run_id, key, name, decode(payload)]), run_id, key, name, payload)
        request = Request(
            OutcomeKind.SEND, body.identities.of_request(f"signal:{name}", self._plan.key), label, call, None, take
        )
        body.register(request)
        try:
            await future
        finally:
            if request.open:
                body.cancel_request(request)

    @track_calls
    async def event(
        self,
        name: str,
        *,
        where: Mapping[str, Any] | None = None,
        within: Any = DEFAULT_WAIT,
        since: datetime | None = None,
        type: Any = None,
    ) -> Any:
        """Wait for an event with these values in its data; `where` maps dotted paths to values. Each event counts once per run.

        `within=None` waits without limit. Returns an `Event` (fields as attributes), or the data as `type`.

        Raises:
            TimeoutError: none came within the time.
        """
        until_at = self._until(within)
        since_at = None if since is None else int(since.timestamp() * 1000)

        def read(data: bytes) -> Any:
            return (
                AwaitedEvent(name, decode(data))
                if type is None
                else decode(data, annotation=type, value_name=f"event {name}")
            )

        call = EventCall(
            decode(encode(dict(where or {}), value_name=f"where of event {name}", limit=self._body.payload_max)),
            since_at,
            until_at,
            _schema_of(type),
        )
        return await self._wait(OutcomeKind.EVENT, name, call, read, until_at)

    @overload
    async def ask(
        self,
        question: str,
        *,
        within: Any = ...,
        who: str | None = ...,
        evidence: Any = ...,
        key: str | None = ...,
        name: str | None = ...,
        assignee: str | None = ...,
        remind: Any = ...,
        escalate: tuple[Any, str] | None = ...,
    ) -> Literal["yes", "no"]: ...
    @overload
    async def ask(
        self,
        question: str,
        *,
        within: Any = ...,
        otherwise: Otherwise,
        who: str | None = ...,
        evidence: Any = ...,
        key: str | None = ...,
        name: str | None = ...,
        assignee: str | None = ...,
        remind: Any = ...,
        escalate: tuple[Any, str] | None = ...,
    ) -> Literal["yes", "no"] | Otherwise: ...
    @overload
    async def ask(
        self,
        question: str,
        *,
        choices: Iterable[Choice],
        within: Any = ...,
        who: str | None = ...,
        evidence: Any = ...,
        key: str | None = ...,
        name: str | None = ...,
        assignee: str | None = ...,
        remind: Any = ...,
        escalate: tuple[Any, str] | None = ...,
    ) -> Choice: ...
    @overload
    async def ask(
        self,
        question: str,
        *,
        choices: Iterable[Choice],
        within: Any = ...,
        otherwise: Otherwise,
        who: str | None = ...,
        evidence: Any = ...,
        key: str | None = ...,
        name: str | None = ...,
        assignee: str | None = ...,
        remind: Any = ...,
        escalate: tuple[Any, str] | None = ...,
    ) -> Choice | Otherwise: ...
    @overload
    async def ask(
        self,
        question: str | None = ...,
        *,
        form: type[Model],
        within: Any = ...,
        who: str | None = ...,
        evidence: Any = ...,
        key: str | None = ...,
        name: str | None = ...,
        assignee: str | None = ...,
        remind: Any = ...,
        escalate: tuple[Any, str] | None = ...,
    ) -> Model: ...
    @overload
    async def ask(
        self,
        question: str | None = ...,
        *,
        form: type[Model],
        within: Any = ...,
        otherwise: Default,
        who: str | None = ...,
        evidence: Any = ...,
        key: str | None = ...,
        name: str | None = ...,
        assignee: str | None = ...,
        remind: Any = ...,
        escalate: tuple[Any, str] | None = ...,
    ) -> Model | Default: ...
    @track_calls
    async def ask(
        self,
        question: str | None = None,
        *,
        choices: Iterable[str] = YES_NO,
        form: Any = None,
        within: Any = DEFAULT_WAIT,
        otherwise: Any = NO_DEFAULT,
        who: str | None = None,
        evidence: Any = None,
        key: str | None = None,
        name: str | None = None,
        assignee: str | None = None,
        remind: Any = None,
        escalate: tuple[Any, str] | None = None,
    ) -> Any:
        """Ask people and wait for one of `choices`, or for a filled-in `form`; without an answer in time return `otherwise`.

        The choices may be the members of a `StrEnum`: the answer is then one of them. `form` = a class with fields (dataclass, Struct,
        attrs, TypedDict, pydantic model): people fill it in, and the answer is a value of it. `within=None` waits without limit.

        `name` names the question where a run has several. `assignee` = the person or team that is to answer, `remind` = how often a
        notification reminds of it, `escalate` = (span, assignee): who is to answer after that span. `run.answers` has author and note.

        Raises:
            TimeoutError: no answer came and `otherwise` was not given.
            OptionError: an option cannot be used.
        """
        from mainspring.domain.runs.question_call import make_question_call  # noqa: PLC0415 - few workflows ask

        made = make_question_call(
            QuestionText(question, who, evidence, otherwise),
            choices,
            form,
            name,
            read_plan(assignee, remind, escalate),
            limit=self._body.payload_max,
        )
        until_at = self._until(within)
        call = AskCall(made.encoded, until_at, made.plan)
        base, wait_name = (UNNAMED, UNNAMED) if name is None else (f"{UNNAMED}:{name}", name)
        try:
            return made.choose(
                await self._wait(OutcomeKind.ANSWER, base, call, made.read, until_at, key, wait_name=wait_name)
            )
        except TimeoutError:
            if otherwise is NO_DEFAULT:
                raise TimeoutError(f"no one answered {made.text!r} in time") from None
            return otherwise

    @property
    def answers(self) -> Mapping[str, GivenAnswer]:
        """The answers of people so far, by the `name` of the question, else by its identity: author, note and time of the newest.

        `run.answers["refund"].note` is what the person wrote with the answer; None = nothing.
        """
        return self._answers

    def _until(self, within: Any) -> int | None:
        return None if within is None else self._body.now_at + to_milliseconds(parse_duration(within))

    async def _wait(
        self,
        kind: OutcomeKind,
        name: str,
        call: Any,
        read: Callable[[bytes], Any],
        until_at: int | None,
        key: str | None = None,
        *,
        wait_name: str | None = None,
    ) -> Any:
        body = self._body
        body.refuse_if_stopped()
        ident = body.identities.of_request(name, key or self._plan.key)
        future = body.future()

        def take(value: Any, failure: Failure | None) -> None:
            del failure
            if not future.done():
                future.set_result(value)

        def expire() -> None:
            if not future.done():
                future.set_exception(TimeoutError(f"{name} did not arrive in time"))

        request = Request(kind, ident, name if wait_name is None else wait_name, call, read, take)
        body.register(request)
        timer = None if until_at is None else body.set_timer(f"{ident}{WAIT_TIMER_SUFFIX}", until_at, expire)
        try:
            value = await future
            if kind is OutcomeKind.ANSWER:
                self._answers[ident if wait_name in (None, UNNAMED) else wait_name] = read_given_answer(request.outcome)
            if isinstance(value, AwaitedEvent):
                happened_at, _ = origin_of(request.outcome)
                return AwaitedEvent(value.name, value.data, _instant(happened_at))
            return value
        finally:
            if timer is not None:
                timer.cancel()
            if request.open:
                body.cancel_request(request)


def _make_signal_reader(name: str, annotation: Any) -> Callable[[bytes], tuple[str, Any]]:
    return lambda data: (name, decode(data, annotation=annotation, value_name=f"signal {name}"))


def _schema_of(annotation: Any) -> bytes | None:
    try:
        return make_value_schema(annotation)
    except TypeError:  # a type that cannot be hashed
        return None


def _instant(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
