"""`ms.Run`: the API of a run for its workflow body. Steps, children and maps are in `step_calls.py`; this adds everything else.

All of it is deterministic: the same history returns the same answers. Nothing here blocks; each await ends with an
outcome of the journal.
"""

import asyncio
import functools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Literal, NoReturn, Self, TypeVar, overload

from mainspring.domain.duration import parse_duration, to_milliseconds
from mainspring.domain.errors import OptionError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.flags.flag import mark_question
from mainspring.domain.flags.flag_question import FlagKey, make_question, read_value
from mainspring.domain.runs.journal import OutcomeKind, origin_of
from mainspring.domain.values.arguments import make_value_schema
from mainspring.domain.values.codec import decode, encode
from mainspring.domain.values.event import AwaitedEvent
from mainspring.domain.values.function_signature import Signature
from mainspring.domain.values.saved_call import encode_call
from mainspring.engine.body.body import Body
from mainspring.engine.body.request import (
    WAIT_TIMER_SUFFIX,
    AskCall,
    EventCall,
    FlagCall,
    Request,
    Restarted,
    RolledBack,
    SignalCall,
)
from mainspring.engine.body.step_calls import StepCaller
from mainspring.engine.body.unawaited_calls import track_calls
from mainspring.engine.body.undo import undo_all

T = TypeVar("T")
Choice = TypeVar("Choice", bound=str)
Otherwise = TypeVar("Otherwise", bound=str | None)
Handler = TypeVar("Handler", bound=Callable[..., Any])
DEFAULT_WAIT = timedelta(days=7)
"""How long a wait lasts by default."""

_NO_DEFAULT: Any = object()


class RunLog:
    """Writes lines that are stored with the run; none while saved history is delivered."""

    def __init__(self, body: "Body") -> None:
        self._body = body

    def debug(self, text: str, **fields: object) -> None:
        """Write a line that is shown only on request."""
        self._write("debug", text, fields)

    def info(self, text: str, **fields: object) -> None:
        """Write a line."""
        self._write("info", text, fields)

    def warning(self, text: str, **fields: object) -> None:
        """Write a line about something that may need a check."""
        self._write("warning", text, fields)

    def error(self, text: str, **fields: object) -> None:
        """Write a line about something that went wrong."""
        self._write("error", text, fields)

    def _write(self, level: str, text: str, fields: dict[str, object]) -> None:
        on_line = self._body.notes.on_line
        if self._body.live and on_line is not None:
            on_line(level, text, fields)


class Shield:
    """`async with run.shield():` clean-up in it continues although the run is cancelled."""

    def __init__(self, body: Body) -> None:
        self._body = body

    async def __aenter__(self) -> Self:
        self._task = self._body.enter_shield()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._body.leave_shield(self._task)


class Run(StepCaller):
    """The run of a workflow, as its body sees it."""

    def __init__(self, body: Body, facts: Mapping[str, Any], restart_signature: Signature | None) -> None:
        super().__init__(body)
        self._facts = facts
        self._restart_signature = restart_signature
        self._flags: dict[tuple[object, ...], str] = {}
        """The answers so far: the same question again needs no other."""
        self.log = RunLog(body)

    @property
    def id(self) -> str:
        """The run's id."""
        return self._body.run_id

    @property
    def automation(self) -> str:
        """The name of what is run."""
        return str(self._facts["automation"])

    @property
    def key(self) -> str | None:
        """The run key, if it was started with one."""
        key: str | None = self._facts.get("key")
        return key

    @property
    def slot(self) -> datetime | None:
        """The due time of the schedule that this run serves."""
        slot_at = self._facts.get("slot_at")
        return None if slot_at is None else _instant(slot_at)

    @property
    def deadline(self) -> datetime | None:
        """The instant at which the run ends by itself."""
        deadline_at = self._facts.get("deadline_at")
        return None if deadline_at is None else _instant(deadline_at)

    def now(self) -> datetime:
        """Return the run's time: the instant of the last outcome (UTC)."""
        return _instant(self._body.now_at)

    def uuid(self) -> uuid.UUID:
        """Return a UUID that is the same in each replay."""
        return uuid.UUID(bytes=self._body.draw("uuid")[:16], version=4)

    def random(self) -> float:
        """Return a number in [0, 1) that is the same in each replay."""
        return int.from_bytes(self._body.draw("random")[:7], "big") / 2.0**56

    # -- waits ---------------------------------------------------------------------------------------------------------

    @track_calls
    async def receive(self, signal: str, type: Any = Any, *, within: Any = DEFAULT_WAIT) -> Any:
        """Wait for the next message of this name; return its value.

        Raises:
            TimeoutError: none came within the time.
        """
        until_at = self._until(within)
        read = functools.partial(decode, annotation=type, value_name=f"signal {signal}")
        return await self._wait(OutcomeKind.SIGNAL, signal, SignalCall(until_at, _schema_of(type)), read, until_at)

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

        Returns an `Event` (fields as attributes), or the data as `type`.

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
        self, question: str, *, within: Any = ..., who: str | None = ..., evidence: Any = ..., key: str | None = ...
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
    ) -> Choice | Otherwise: ...
    @track_calls
    async def ask(
        self,
        question: str,
        *,
        choices: Iterable[str] = ("yes", "no"),
        within: Any = DEFAULT_WAIT,
        otherwise: str | None = _NO_DEFAULT,
        who: str | None = None,
        evidence: Any = None,
        key: str | None = None,
    ) -> str | None:
        """Ask people and wait for one of `choices`; without an answer in time return `otherwise`.

        The choices may be the members of a `StrEnum`: the answer is then one of them.

        Raises:
            TimeoutError: no answer came and `otherwise` was not given.
        """
        listed = list(choices)
        if not listed:
            raise OptionError(f"run.ask({question!r}) has no choices")
        until_at = self._until(within)
        default = None if otherwise is _NO_DEFAULT else otherwise
        text = encode(
            {"text": question, "choices": listed, "otherwise": default, "who": who, "evidence": evidence},
            value_name="question",
            limit=self._body.payload_max,
        )
        try:
            answer = await self._wait(OutcomeKind.ANSWER, "ask", AskCall(text, until_at), decode, until_at, key)
            return next((choice for choice in listed if choice == answer), str(answer))
        except TimeoutError:
            if otherwise is _NO_DEFAULT:
                raise TimeoutError(f"no one answered {question!r} in time") from None
            return otherwise

    def _until(self, within: Any) -> int:
        return self._body.now_at + to_milliseconds(parse_duration(within))

    async def _wait(
        self,
        kind: OutcomeKind,
        name: str,
        call: Any,
        read: Callable[[bytes], Any],
        until_at: int,
        key: str | None = None,
    ) -> Any:
        body = self._body
        body.refuse_if_stopped()
        ident = body.ident_for(name, key or self._plan.key)
        future = body.future()

        def take(value: Any, failure: Failure | None) -> None:
            del failure
            if not future.done():
                future.set_result(value)

        def expire() -> None:
            if not future.done():
                future.set_exception(TimeoutError(f"{name} did not arrive in time"))

        request = Request(kind, ident, name, call, read, take)
        body.register(request)
        timer = body.set_timer(f"{ident}{WAIT_TIMER_SUFFIX}", until_at, expire)
        try:
            value = await future
            if isinstance(value, AwaitedEvent):
                happened_at, _ = origin_of(request.outcome)
                return AwaitedEvent(value.name, value.data, _instant(happened_at))
            return value
        finally:
            timer.cancel()
            if request.open:
                body.cancel_request(request)

    # -- updates -------------------------------------------------------------------------------------------------------

    def on_update(
        self, name: str, *, validate: Callable[[Any], object] | Callable[[], object] | None = None
    ) -> Callable[[Handler], Handler]:
        """Register the handler of an update: a request from outside that gets a reply (`handle.update`).

        The handler has one parameter, typed, or none; it may be `def` or `async def`, and use `run.*`. What it returns is the reply. If it
        raises, the error is the reply, and the run continues. `validate` gets the same value before the update is accepted. It only reads
        the state of the workflow, and its error rejects the update.

        Updates that arrive before their handler is registered wait for it. The run completes accepted ones before it ends.

        Raises:
            OptionError: the name has a handler already, or cannot be used; the handler has several parameters.
        """

        def register(handler: Handler) -> Handler:
            self._body.updates.register(name, handler, validate)
            return handler

        return register

    @track_calls
    async def updates_done(self) -> None:
        """Wait until no handler of an update runs: before `run.restart`, so that its input contains what they change.

        The run does so by itself before it ends, but the input of a restart is made before that.
        """
        await self._body.updates.wait_until_idle()

    # -- flags ---------------------------------------------------------------------------------------------------------

    @overload
    async def flag(
        self,
        name: str,
        *,
        by: FlagKey | None = ...,
        attributes: Mapping[str, object] | None = ...,
        fresh: bool = ...,
    ) -> bool: ...
    @overload
    async def flag(
        self,
        name: str,
        *,
        by: FlagKey | None = ...,
        default: T,
        attributes: Mapping[str, object] | None = ...,
        fresh: bool = ...,
    ) -> T: ...
    @track_calls
    async def flag(
        self,
        name: str,
        *,
        by: FlagKey | None = None,
        default: Any = False,
        attributes: Mapping[str, object] | None = None,
        fresh: bool = False,
    ) -> Any:
        """Return the value of a flag for `by`, by default this run; `default` = the value if there is no such flag.

        The first answer for a flag and a key counts for the whole run, its steps included, whatever changes after it. `fresh` = ask
        again: the answer of now is saved for this call only. `attributes` are compared with the rules of the flag.

        Raises:
            ArgumentError: an argument cannot be used.
        """
        body = self._body
        question = make_question(name, by, default, attributes, otherwise=body.first_id)
        body.refuse_if_stopped()
        question_key = (name, question.key, question.default, *sorted(question.attributes.items()))
        if not fresh and question_key in self._flags:
            return read_value(self._flags[question_key])
        future = body.future()

        def take(value: Any, failure: Failure | None) -> None:
            del failure
            if not future.done():
                future.set_result(value)

        ident = body.ident_for(f"{mark_question(question)}{':fresh' if fresh else ''}", None)
        request = Request(OutcomeKind.FLAG, ident, name, FlagCall(question, fresh), decode, take)
        body.register(request)
        try:
            value = await future
            if not fresh:
                self._flags[question_key] = encode(value, value_name=f"flag {name}").decode()
            return value
        finally:
            if request.open:
                body.cancel_request(request)

    # -- ends ----------------------------------------------------------------------------------------------------------

    @track_calls
    async def rollback(self, reason: str) -> NoReturn:
        """Undo each finished or in-doubt step that has an undo, newest first, and end the run as failed (rolled_back)."""
        await undo_all(self._body)
        raise RolledBack(reason)

    def restart(self, *args: Any, **kwargs: Any) -> NoReturn:
        """End this run and start it again with another input under the same key: for endless runs.

        Raises:
            ArgumentError, ValueRefusedError: the input does not fit the workflow.
        """
        signature = self._restart_signature
        subject = f"restart of {self.automation}"
        limit = self._body.payload_max
        raise Restarted(encode({}) if signature is None else encode_call(signature, args, kwargs, subject, limit=limit))

    def shield(self) -> Shield:
        """Return a context in which clean-up continues although the run is cancelled."""
        return Shield(self._body)

    async def as_completed(self, awaitables: Iterable[Awaitable[T]]) -> AsyncIterator[T]:
        """Yield results in the order in which they are there; an error is raised at its turn."""
        loop = self._body.loop
        tasks = [asyncio.ensure_future(awaitable, loop=loop) for awaitable in awaitables]
        queue: asyncio.Queue[asyncio.Future[T]] = asyncio.Queue()
        for task in tasks:
            task.add_done_callback(queue.put_nowait)
        try:
            for _ in tasks:
                yield (await queue.get()).result()
        finally:
            for task in tasks:
                task.cancel()

    # -- notes ---------------------------------------------------------------------------------------------------------

    def tag(self, **tags: object) -> None:
        """Set words to find this run by."""
        notes = self._body.notes
        notes.tags.update({name: str(value) for name, value in tags.items()})
        notes.changed = True

    def publish_state(self, value: Any) -> None:
        """Publish a value that others can read (`handle.published()`), also while the run waits or after its end.

        The last value is committed with the next outcome of the run, before its wait or its end, and within a second.

        Raises:
            ValueRefusedError: the value cannot be saved.
        """
        self._body.notes.published = encode(value, value_name="published state", limit=self._body.payload_max)
        self._body.notes.changed = self._body.notes.has_new_state = True

    def progress(self, done: int, total: int | None = None) -> None:
        """Say how far the run is."""
        self._body.notes.note_progress(done, total, of_run=True)


def _schema_of(annotation: Any) -> bytes | None:
    try:
        return make_value_schema(annotation)
    except TypeError:  # a type that cannot be hashed
        return None


def _instant(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
