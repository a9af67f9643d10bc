"""The context of a running step: `ms.idempotency_key()`, `ms.checkpoint(value)`, `ms.log` and the rest, alike in loop, thread and child.

Role: a context variable holds the attempt of the current code; the functions here read it. The `AttemptChannel` of the
attempt delivers its reports.
Invariants: after an attempt is closed, none of its reports is delivered: each `ms.*` call of a zombie raises `AttemptClosed`, which
is no `Exception`, so that user code does not swallow it. A value is checked and encoded before it is sent.
"""

import contextlib
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar, overload

from mainspring.domain.effects.earlier_effects import EffectScope, mark_checkpoint
from mainspring.domain.errors import ArgumentError, MainspringError
from mainspring.domain.failures.classifier import DEFAULT_CLASSIFIER, Classifier
from mainspring.domain.redaction.redactor import TextRedactor
from mainspring.domain.runs.log_line import bound_fields, format_value
from mainspring.domain.runs.measurement import StepRecord
from mainspring.domain.runs.outbox import OutboxEntry
from mainspring.domain.secrets.secret_use import SecretRead
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.codec import DEFAULT_LIMIT, decode, encode
from mainspring.domain.values.stored_file import FileChunks
from mainspring.engine.attempts.attempt_reports import (
    HeartbeatReport,
    LogReport,
    ProcessReport,
    ProgressReport,
    StreamFlushReport,
    StreamReport,
)
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.derived_keys import RUNNING_EFFECT, DerivedKeys
from mainspring.engine.attempts.pending_answer import PendingAnswer
from mainspring.resources.effects import EffectAnswer, EffectRequest, EffectSettlement
from mainspring.resources.locks import LockSpec
from mainspring.store.commands.flags import AnswerFlag
from mainspring.store.commands.results import LockGranted
from mainspring.store.commands.targets import EnterTarget, LeaveTarget

if TYPE_CHECKING:
    from mainspring.engine.attempts.streams import StreamWindow

T = TypeVar("T")
_MAX_TEXT = 16 * 1024
_BEAT_INTERVAL_S = 0.01
"""Heartbeats that follow sooner are not sent: a loop may send one for each row."""


LockRequest = PendingAnswer[LockGranted]
"""A request for a lock; the answer has its fencing token."""


class NotInStepError(MainspringError):
    """Error: `name` is for the code of a step, and no step is running here."""

    code = "not_in_step"

    def __init__(self, name: str) -> None:
        where = "the body of a workflow" if IN_BODY.get() else "code that no step is running"
        hint = "Call it in a function that `run.step` runs. Test it in a run: ms.App(path).run(automation)."
        if name in _OUTCOME_CALLS:
            hint = "Call it in a function that `run.step` runs: its outcome is committed there."
        elif IN_BODY.get() and name == "flag()":
            hint = "In the body of a workflow, write `await run.flag(...)` instead."
        elif IN_BODY.get() and name == "headers()":
            hint = "In the body of a workflow, use `run.headers` instead."
        elif name == "FileRef.put()" and not IN_BODY.get():
            hint = "Call it in a function that `run.step` runs. Outside of a run, write `await app.put_file(path)`."
        elif IN_BODY.get() and name in _METHODS_OF_RUN:
            hint = f"In the body of a workflow, write run.{name.partition('.')[0]} instead."
        elif name in _SENDING_CALLS:
            hint = (
                "Call it in a function that `run.step` runs, or in a task: its messages are committed with the "
                "outcome of the step."
            )
            if name == "publish()" and not IN_BODY.get():
                hint += " Outside of a run, publish with `await app.publish(name, data)`."
        super().__init__(f"ms.{name} was called outside a step\nin {where}", hint=hint)


_OUTCOME_CALLS = ("once()", "measure()")
_SENDING_CALLS = ("publish()", "send()")
_METHODS_OF_RUN = ("progress", "stream()", "log.debug", "log.info", "log.warning", "log.error")


class AttemptClosed(BaseException):
    """End of the code of a zombie: its attempt is closed, and nothing it reports or returns counts any more."""


PostedReport = LogReport | ProgressReport | HeartbeatReport | ProcessReport | StreamReport | StreamFlushReport


class AttemptChannel(Protocol):
    """The channel by which the reports of one attempt reach the engine."""

    def post(self, report: PostedReport) -> None:
        """Send a report; raises AttemptClosed if the attempt is closed."""
        ...

    def save(self, data: bytes) -> Awaitable[None]:
        """Send a checkpoint. Outside the engine's loop this blocks until it is committed."""
        ...

    def record(self, record: StepRecord) -> None:
        """Add what is committed if the attempt succeeds; raises AttemptClosed if it is closed."""

    def lock(self, spec: LockSpec) -> LockRequest:
        """Request a lock."""
        ...

    def unlock(self, number: int) -> None:
        """Release the lock of a request, or stop waiting for it. Raises AttemptClosed, or LockLostError if the lock is known to be lost."""
        ...

    def has_lost_lock(self, number: int) -> bool:
        """Whether the lock of a request is lost, as far as this process knows."""
        ...

    def at_end(self, release: Callable[[], None]) -> Callable[[], object]:
        """Call `release` at the end of the attempt, from any thread; its errors are ignored. Return the function that prevents it."""
        ...

    def begin_effect(self, request: EffectRequest) -> PendingAnswer[EffectAnswer]:
        """Ask for an effect."""
        ...

    def settle_effect(self, settlement: EffectSettlement) -> PendingAnswer[None]:
        """Send the outcome of an effect. After the end of the attempt it is sent too, as evidence."""
        ...

    def send_command(self, command: AnswerFlag | EnterTarget | LeaveTarget) -> PendingAnswer[Any]:
        """Send a command for the store; the answer is that of the command. Raises AttemptClosed."""
        ...

    @property
    def files(self) -> FileChunks:
        """The chunks of files; raises AttemptClosed if the attempt is closed."""
        ...

    def read_secret(self, name: str, instead_of: str | None) -> SecretRead:
        """Return a secret, and note its use; `instead_of` = a value that a target refused. It may block.

        Raises:
            SecretNotAllowedError, ConfigError: it cannot be read.
        """
        ...


class StepContext:
    """The context of one attempt for its own code."""

    __slots__ = (
        "attempt",
        "automation",
        "beat_at",
        "channel",
        "classifier",
        "derived_keys",
        "echoes",
        "fn",
        "headers",
        "is_resumed",
        "key",
        "measured",
        "name",
        "payload_max",
        "printed",
        "processes",
        "recorded",
        "recorded_bytes",
        "run_id",
        "saved",
        "slot_at",
        "started_from",
        "stopper",
        "streams",
        "uses",
    )

    def __init__(
        self,
        channel: AttemptChannel,
        *,
        run_id: str,
        name: str,
        key: str,
        attempt: int,
        automation: str = "",
        slot_at: int | None = None,
        saved: bytes | None = None,
        payload_max: int = DEFAULT_LIMIT,
        classifier: Classifier = DEFAULT_CLASSIFIER,
        fn: Callable[..., Any] | None = None,
        is_first: bool = False,
        headers: bytes | None = None,
    ) -> None:
        self.channel = channel
        self.fn = fn
        """The function of the step."""
        self.classifier = classifier
        self.headers = headers
        """The headers of the run, as JSON."""
        self.run_id = run_id
        self.name = name
        self.key = key
        self.attempt = attempt
        self.automation = automation
        self.slot_at = slot_at
        self.saved = self.started_from = saved
        """The newest checkpoint, and the one that this attempt has found."""
        self.is_resumed = False
        """Whether the code has read the checkpoint that this attempt has found."""
        self.derived_keys = DerivedKeys(f"{run_id}/{key}/", attempt, is_new=is_first)
        self.payload_max = payload_max
        self.printed: dict[tuple[str, bool], str] = {}
        """The unfinished line of each stream, by (stream, whether it was also written to the original stream)."""
        self.echoes: dict[str, tuple[Callable[[str], int], TextRedactor]] = {}
        """The `write` of each original stream that gets the prints too, with the redactor of these prints."""
        self.uses: dict[str, int] = {}
        """How often this attempt has used each function of `name_use`."""
        self.recorded: list[OutboxEntry] = []
        self.recorded_bytes = 0
        """Size in bytes of the recorded events and messages."""
        self.beat_at = 0.0
        """When the last heartbeat was sent (monotonic, in seconds)."""
        self.measured: dict[str, float] = {}
        """The numbers of this attempt by name: the sums so far."""
        self.streams: StreamWindow | None = None
        """The records that this attempt has sent to streams; None = none."""
        self.stopper: Callable[[], None] | None = None
        """Set by code that can be stopped although its thread cannot; called from any thread."""
        self.processes: Callable[[], list[str]] | None = None
        """Set by code that waits for its own processes: returns their states; called from any thread."""

    @classmethod
    def of(cls, spec: AttemptSpec, channel: AttemptChannel, classifier: Classifier) -> "StepContext":
        """Return the context of an attempt, for the code of its step."""
        return cls(
            channel,
            run_id=spec.run_id,
            name=spec.name,
            key=spec.key,
            attempt=spec.attempt,
            automation=spec.automation,
            slot_at=spec.slot_at,
            saved=spec.checkpoint,
            payload_max=spec.payload_max,
            classifier=classifier,
            fn=spec.fn,
            is_first=spec.is_first,
            headers=spec.headers,
        )

    def scope_of(self, keys: DerivedKeys) -> EffectScope:
        """Return the scope of a call that this attempt makes now, under derived keys of its own or of an outer effect."""
        saved, started_from = (mark_checkpoint(self.key, value) for value in (self.saved, self.started_from))
        return EffectScope(keys.prefix, keys.number, keys.is_new, self.key, saved, started_from, self.is_resumed)

    def name_use(self, name: str) -> str:
        """Return the name of the next use of a function that changes nothing outside: each attempt counts from 1."""
        number = self.uses[name] = self.uses.get(name, 0) + 1
        return f"{self.run_id}/{self.key}/{name}#{number}"

    @contextlib.contextmanager
    def stoppable(
        self, stop: Callable[[], None], processes: Callable[[], list[str]] | None = None
    ) -> Generator[None, None, None]:
        """Let a cancel call `stop` during this block, and then the stoppers of the blocks around it."""
        before = self.stopper, self.processes
        outer = self.stopper

        def stop_all() -> None:
            stop()
            if outer is not None:
                outer()

        self.stopper, self.processes = stop_all, processes
        try:
            yield
        finally:
            self.stopper, self.processes = before

    def checkpoint(self, value: object) -> Awaitable[None]:
        """Encode a checkpoint and send it."""
        data = encode(value, value_name=f"checkpoint of step {self.name!r}", limit=self.payload_max)
        saving = self.channel.save(data)
        self.saved = data
        return saving


class CurrentStep:
    """The attempt whose code is running: that of the context, or in a child process the only one.

    A child process runs one attempt at a time, so the threads that a step starts there belong to it too.
    """

    def __init__(self) -> None:
        self._in_context: ContextVar[StepContext | None] = ContextVar("mainspring_step", default=None)
        self.only: StepContext | None = None

    def get(self) -> StepContext | None:
        """Return the attempt; None outside of steps."""
        return self._in_context.get() or self.only

    def set(self, step: StepContext | None) -> Token[StepContext | None]:
        """Set the attempt of this context."""
        return self._in_context.set(step)

    def reset(self, token: Token[StepContext | None]) -> None:
        """Set what was before `set` returned this token."""
        self._in_context.reset(token)


CURRENT_STEP = CurrentStep()


class SavedCheckpoint:
    """The result of `checkpoint` if it is committed already."""

    def __await__(self) -> Generator[Any, None, None]:
        """Return at once."""
        return
        yield


SAVED_CHECKPOINT = SavedCheckpoint()


def current_step(name: str) -> StepContext:
    """Return the context of the calling code's attempt.

    Raises:
        NotInStepError: it belongs to no attempt.
    """
    step = CURRENT_STEP.get()
    if step is None or IN_BODY.get():
        raise NotInStepError(name)
    return step


def idempotency_key() -> str:
    """Return the key of this step: the same over all its attempts and restarts, and of no other step.

    In a function that `ms.once` calls, and in a block that has to perform an effect, it is the key of the effect.

    Raises:
        NotInStepError: no step is running here.
    """
    effect = RUNNING_EFFECT.get()
    return current_step("idempotency_key()").key if effect is None else effect.id


def attempt() -> int:
    """Return the number of this attempt, from 1. An attempt whose worker died may have had a number; `retry=` does not count it.

    Raises:
        NotInStepError: no step is running here.
    """
    return current_step("attempt()").attempt


def headers() -> Mapping[str, str]:
    """Return the headers of the run, fixed at its start: texts by names in lower case, read-only. In a workflow body, use `run.headers`.

    Raises:
        NotInStepError: no step is running here.
    """
    from mainspring.domain.runs.run_headers import decode_headers  # noqa: PLC0415 - few programs use headers

    return decode_headers(current_step("headers()").headers)


def checkpoint(value: object) -> Awaitable[None]:
    """Save the progress of this step, so that the next attempt can continue from `last_checkpoint()`.

    In a `def` step it returns when the value is committed. In an `async def` step it returns at once; await its
    result to wait for the commit. Either way it is committed before the step's result.

    Raises:
        ValueRefusedError: the value cannot be saved; the error names the path inside it.
    """
    return current_step("checkpoint()").checkpoint(value)


@overload
def last_checkpoint() -> Any: ...
@overload
def last_checkpoint(type: type[T]) -> T | None: ...
def last_checkpoint(type: Any = None) -> Any:
    """Return the newest value that this step saved, in this attempt or an earlier one; None if there is none.

    `type` restores it as an annotation would (a data class, `set[str]`, ...); without it plain JSON data is returned.

    Raises:
        ValueRefusedError: the saved value does not fit `type`.
    """
    step = current_step("last_checkpoint()")
    if step.saved is None:
        return None
    step.is_resumed |= step.saved is step.started_from
    return decode(step.saved, Any if type is None else type, value_name=f"checkpoint of step {step.name!r}")


def progress(done: int, total: int | None = None) -> None:
    """Report how much of this step is done, in units of your own; users see it, and it is a sign of life.

    Raises:
        ArgumentError: not whole numbers of at least 0.
    """
    step = current_step("progress()")
    for number in (done, total):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**63):
            raise ArgumentError(
                f"ms.progress({escape(repr(done), 60)}, {escape(repr(total), 60)}): expected whole numbers >= 0",
                hint="Write ms.progress(done, total), for example ms.progress(20, 100).",
            )
    step.channel.post(ProgressReport(done, total))


def heartbeat() -> None:
    """Give a sign of life, and no other information: it restarts the span of the option `heartbeat`, and of `stalled`."""
    step, now = current_step("heartbeat()"), time.monotonic()
    if now - step.beat_at >= _BEAT_INTERVAL_S:
        step.beat_at = now
        step.channel.post(HeartbeatReport())


class StepLog:
    """`ms.log`: lines that are stored with the step. Bad text is escaped, never refused."""

    def debug(self, text: object, **fields: Any) -> None:
        """Write a line that is shown only on request."""
        self._write("debug", text, fields)

    def info(self, text: object, **fields: Any) -> None:
        """Write a line about what the step does."""
        self._write("info", text, fields)

    def warning(self, text: object, **fields: Any) -> None:
        """Write a line about something that may need a check."""
        self._write("warning", text, fields)

    def error(self, text: object, **fields: Any) -> None:
        """Write a line about a failure. The step continues: raise an exception to make it fail."""
        self._write("error", text, fields)

    def _write(self, level: str, text: object, fields: dict[str, Any]) -> None:
        step = current_step(f"log.{level}")
        step.channel.post(LogReport(level, escape(format_value(text), _MAX_TEXT), bound_fields(fields)))


log = StepLog()


def raise_attempt_closed(name: str) -> NoReturn:
    """Raise AttemptClosed, which ends the code of a closed attempt."""
    raise AttemptClosed(f"this attempt of step {name!r} was abandoned: its work no longer counts")
