"""A warm child: `python -m mainspring.engine.attempts.processes.child FD PARENT`, which runs one call at a time for its worker.

Role: imports the user's function by name, runs it in the main thread, and sends `ms.*` calls over the channel. Its
prints go to the pipes that the worker reads. Invariants: it never outlives its parent (the kernel's signal, else
the end of the channel); each call gets exactly one EndMessage, unless the process dies; no user object that cannot
be printed or encoded prevents that EndMessage.
"""

import contextlib
import contextvars
import faulthandler
import functools
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import msgspec

from mainspring.domain.clock import SystemClock
from mainspring.domain.effects.errors import EffectConflictError, EffectInDoubtError
from mainspring.domain.errors import (
    ArgumentError,
    BusyError,
    ConfigError,
    ConflictError,
    MainspringError,
    SecretProviderError,
)
from mainspring.domain.failures.classifier import Classifier
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.measurement import StepRecord
from mainspring.domain.secrets.errors import SecretNotAllowedError, UnknownSecretError
from mainspring.domain.secrets.secret_use import SecretRead
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.function_signature import read_signature
from mainspring.domain.values.saved_call import decode_call
from mainspring.engine.attempts import attempt_end
from mainspring.engine.attempts.attempt_end import AttemptEnd
from mainspring.engine.attempts.attempt_reports import (
    AckCallback,
    HeartbeatReport,
    LogReport,
    ProcessReport,
    ProgressReport,
    StreamFlushReport,
    StreamReport,
)
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.isolation import PROCESS, load_callable
from mainspring.engine.attempts.logs.log_capture import install_capture_in_child
from mainspring.engine.attempts.pending_answer import PendingAnswer, RequestNumbers
from mainspring.engine.attempts.processes import child_protocol
from mainspring.engine.attempts.processes.child_files import ChildFiles, rebuild_file_error
from mainspring.engine.attempts.processes.child_protocol import FrameReader, describe_error
from mainspring.engine.attempts.processes.process_lifetime import die_with_parent, kill_group, protect_memory
from mainspring.engine.attempts.stacks import read_thread_stack
from mainspring.engine.attempts.step_context import (
    CURRENT_STEP,
    SAVED_CHECKPOINT,
    LockRequest,
    PostedReport,
    SavedCheckpoint,
    StepContext,
)
from mainspring.engine.attempts.thread_attempt import call_to_end
from mainspring.resources.action_hosts import ACTION_HOSTS
from mainspring.resources.database_places import DATABASE_PLACES
from mainspring.resources.effects import (
    EFFECT_RETRY_AFTER,
    EffectAnswer,
    EffectRequest,
    EffectSettlement,
    release_of,
)
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.resources.lock_backends import LOCK_BACKENDS
from mainspring.resources.locks import LockHeldError, LockLostError, LockSlotsError, LockSpec
from mainspring.resources.project_source import PROJECT_SOURCES
from mainspring.resources.secret_variables import SECRET_VARIABLES
from mainspring.store.commands.flags import AnswerFlag
from mainspring.store.commands.results import DONE
from mainspring.store.commands.targets import EnterTarget, LeaveTarget

_MAX_REASON = 2000

_CHUNK = 256 * 1024


class ChildChannel:
    """The child's end of the channel; also the `AttemptChannel` of the running call."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._reader: FrameReader[child_protocol.MessageToChild] = FrameReader(child_protocol.MessageToChild)
        self._send_lock = threading.Lock()
        self._numbers = RequestNumbers()
        self._checkpoint_answers: dict[int, SimpleQueue[child_protocol.CheckpointAnswer]] = {}
        self._lock_requests: dict[int, LockRequest] = {}
        self._effect_requests: dict[int, tuple[PendingAnswer[Any], EffectRequest | None]] = {}
        self._secret_requests: dict[int, PendingAnswer[SecretRead]] = {}
        self._sent_commands: dict[int, PendingAnswer[Any]] = {}
        self._stream_acks: deque[AckCallback] = deque()
        """Those of the records that are not committed; the worker counts them."""
        self._at_end: dict[Callable[[], None], None] = {}
        self.calls: SimpleQueue[child_protocol.CallMessage] = SimpleQueue()

    def read(self) -> list[child_protocol.MessageToChild]:
        """Return the next messages; if the worker has ended, kill this process and all that it started."""
        data = self._socket.recv(_CHUNK)
        if not data:
            kill_group(os.getpid(), signal.SIGKILL)
            os._exit(1)
        return self._reader.feed(data)

    def leave(self) -> None:
        """Close the channel in a process that the step forked: only the child itself may send for the call."""
        self._socket.close()

    def listen(self) -> None:
        """Receive and dispatch messages, without end."""
        while True:
            for message in self.read():
                if isinstance(message, child_protocol.CallMessage):
                    self.calls.put(message)
                elif isinstance(message, child_protocol.CheckpointAnswer) and (
                    answers := self._checkpoint_answers.pop(message.n, None)
                ):
                    answers.put(message)
                elif isinstance(message, child_protocol.LockAnswer) and (
                    request := self._lock_requests.pop(message.n, None)
                ):
                    request.answer(message.granted or _rebuild_error(message.code, message.error or ""))
                elif isinstance(message, child_protocol.EffectAnswerMessage) and (
                    pending := self._effect_requests.pop(message.n, None)
                ):
                    self._answer_effect(message, *pending)
                elif isinstance(message, child_protocol.SecretAnswer) and (
                    waiting := self._secret_requests.pop(message.n, None)
                ):
                    waiting.answer(_rebuild_secret_error(message) if message.read is None else message.read)
                elif isinstance(message, child_protocol.CommandAnswer) and (
                    sent := self._sent_commands.pop(message.n, None)
                ):
                    sent.answer(
                        message.answer or DONE if message.error is None else _rebuild_error(message.code, message.error)
                    )
                elif isinstance(message, child_protocol.FileAnswer) and (
                    file_request := self._sent_commands.pop(message.n, None)
                ):
                    file_request.answer(message if message.error is None else rebuild_file_error(message))
                elif isinstance(message, child_protocol.StreamAnswer):
                    self._acknowledge_records(message)
                elif isinstance(message, child_protocol.StackRequest):
                    self.send(
                        child_protocol.StackAnswer(message.n, read_thread_stack(threading.main_thread().ident or 0))
                    )

    def send(self, message: child_protocol.MessageFromChild) -> None:
        """Send a message; from any thread."""
        data = child_protocol.encode_frame(message)
        with self._send_lock:
            self._socket.sendall(data)

    def post(self, report: PostedReport) -> None:
        """Send a report; process groups need none, because all that this process starts dies with it."""
        if isinstance(report, ProcessReport) and report.ack is not None:
            report.ack(None)
        if isinstance(report, LogReport):
            self.send(child_protocol.LogMessage(report.level, report.text, report.fields, report.logger))
        elif isinstance(report, ProgressReport):
            self.send(child_protocol.ProgressMessage(report.done, report.total))
        elif isinstance(report, HeartbeatReport):
            self.send(child_protocol.HeartbeatMessage())
        elif isinstance(report, StreamReport):
            self._numbers.require_own_process()
            self._stream_acks.append(report.ack)
            self.send(child_protocol.StreamMessage(report.stream, report.n, msgspec.Raw(report.data)))
        elif isinstance(report, StreamFlushReport):
            self.send(child_protocol.StreamFlushMessage())

    def save(self, data: bytes) -> SavedCheckpoint:
        """Send a checkpoint and wait for its commit."""
        number = next(self._numbers)
        answer = self._checkpoint_answers[number] = SimpleQueue()
        self.send(child_protocol.CheckpointMessage(number, msgspec.Raw(data)))
        error = answer.get().error
        if error is not None:
            raise MainspringError(f"the checkpoint was not saved: {error}")
        return SAVED_CHECKPOINT

    def record(self, record: StepRecord) -> None:
        """Add what is committed if the call succeeds."""
        self._numbers.require_own_process()
        self.send(child_protocol.RecordMessage(record))

    def lock(self, spec: LockSpec) -> LockRequest:
        """Request a lock."""
        request = LockRequest(next(self._numbers))
        self._lock_requests[request.number] = request
        self.send(child_protocol.LockMessage(request.number, spec))
        return request

    def unlock(self, number: int) -> None:
        """Release a lock."""
        self.send(child_protocol.UnlockMessage(number))

    def has_lost_lock(self, _number: int) -> bool:
        """Return False: this process is killed if its attempt is stopped."""
        return False

    def at_end(self, release: Callable[[], None]) -> Callable[[], object]:
        """Call `release` at the end of the running call."""
        self._at_end[release] = None
        return functools.partial(self._at_end.pop, release, None)

    def release_all(self) -> None:
        """Release what the call has left: it has ended."""
        while self._at_end:
            with contextlib.suppress(Exception):
                self._at_end.popitem()[0]()
        self._stream_acks.clear()

    def begin_effect(self, request: EffectRequest) -> PendingAnswer[EffectAnswer]:
        """Ask for an effect."""
        pending: PendingAnswer[EffectAnswer] = PendingAnswer(next(self._numbers))
        self._effect_requests[pending.number] = pending, request
        self.send(child_protocol.EffectMessage(pending.number, request))
        return pending

    def settle_effect(self, settlement: EffectSettlement) -> PendingAnswer[None]:
        """Send the outcome of an effect."""
        pending: PendingAnswer[None] = PendingAnswer(next(self._numbers))
        self._effect_requests[pending.number] = pending, None
        self.send(child_protocol.EffectSettledMessage(pending.number, settlement))
        return pending

    def send_command(self, command: AnswerFlag | EnterTarget | LeaveTarget) -> PendingAnswer[Any]:
        """Send a command for the store."""
        pending: PendingAnswer[Any] = PendingAnswer(next(self._numbers))
        self._sent_commands[pending.number] = pending
        self.send(child_protocol.CommandMessage(pending.number, command))
        return pending

    @property
    def files(self) -> ChildFiles:
        """The chunks of files: the worker puts and reads them."""
        return ChildFiles(self._request_file)

    def _request_file(self, request: child_protocol.FileRequest) -> child_protocol.FileAnswer:
        pending: PendingAnswer[child_protocol.FileAnswer] = PendingAnswer(next(self._numbers))
        self._sent_commands[pending.number] = pending
        self.send(child_protocol.FileMessage(pending.number, request))
        return pending.wait()

    def read_secret(self, name: str, instead_of: str | None) -> SecretRead:
        """Ask for a secret and wait for it. This process hides it from then on, too."""
        pending: PendingAnswer[SecretRead] = PendingAnswer(next(self._numbers))
        self._secret_requests[pending.number] = pending
        self.send(child_protocol.SecretMessage(pending.number, name, instead_of))
        read = pending.wait()
        KNOWN_SECRETS.add([read.value])
        return read

    def _acknowledge_records(self, message: child_protocol.StreamAnswer) -> None:
        error = None if message.error is None else _rebuild_error(message.code, message.error)
        for _ in range(min(message.n, len(self._stream_acks))):
            self._stream_acks.popleft()(error)

    def _answer_effect(
        self,
        message: child_protocol.EffectAnswerMessage,
        pending: PendingAnswer[Any],
        request: EffectRequest | None,
    ) -> None:
        """Settle a request; release an intent that no code waits for any more."""
        answer = message.answer if message.error is None else _rebuild_error(message.code, message.error)
        is_awaited = pending.answer(answer)
        if not is_awaited and request is not None and isinstance(answer, EffectAnswer) and answer.intent:
            self.settle_effect(release_of(request, answer))


def _rebuild_error(code: str, text: str) -> MainspringError:
    """Return the error that the worker sent, in its own class if steps may catch it: so the same code works with every isolation."""
    kinds = (
        *(LockHeldError, LockSlotsError, LockLostError, ConflictError, EffectConflictError, EffectInDoubtError),
        ArgumentError,
    )
    if code == BusyError.code:
        return BusyError(EFFECT_RETRY_AFTER, text)
    return {kind.code: kind for kind in kinds}.get(code, MainspringError)(text)


def _rebuild_secret_error(answer: child_protocol.SecretAnswer) -> MainspringError:
    """Return the error of a secret that the worker did not read, in its own class."""
    kinds = (SecretNotAllowedError, UnknownSecretError, SecretProviderError, ConfigError)
    kind = {kind.code: kind for kind in kinds}.get(answer.code, MainspringError)
    error = kind.__new__(kind)
    MainspringError.__init__(error, answer.error, hint=answer.hint)
    if isinstance(error, SecretProviderError):
        error.transient = answer.is_transient
    return error


class _ChildServer:
    """Runs calls one after the other."""

    def __init__(self, link: ChildChannel, classifier: Classifier) -> None:
        self._link = link
        self._classifier = classifier
        self._clock = SystemClock()
        self._pid = os.getpid()
        os.register_at_fork(after_in_child=link.leave)

    def serve(self, call: child_protocol.CallMessage) -> None:
        """Run one call and report its end."""
        threads = threading.active_count()
        started_ns = time.perf_counter_ns()
        is_spent = False
        try:
            spec = _build_spec(call)
            self._link.send(child_protocol.StartMessage())
            started_ns = time.perf_counter_ns()
            value = contextvars.copy_context().run(self._run, spec, call.middleware)
        except BaseException as error:  # noqa: BLE001 - any error is the step's failure, not the child's
            kind = type(error)  # the real type: an exception may lie about its class, or raise
            is_spent = issubclass(kind, MemoryError) or not issubclass(kind, Exception)
            end = attempt_end.end_with_error(error, self._classifier, self._clock, _elapsed_us(started_ns))
        else:
            end = attempt_end.end_with_result(spec, value, self._classifier, _elapsed_us(started_ns))
        if os.getpid() != self._pid:
            os._exit(0)  # a process that the step forked returned here: it must not answer
        self._link.release_all()
        _flush()
        self._send_end(end, is_spent=is_spent or threading.active_count() > threads)

    def _run(self, spec: AttemptSpec, middleware: list[str]) -> Any:
        CURRENT_STEP.only = StepContext.of(spec, self._link, self._classifier)
        try:
            if not middleware and spec.headers is None:
                return call_to_end(spec.fn, spec.args, spec.kwargs)
            from mainspring.engine.attempts.step_middleware import (  # noqa: PLC0415 - few programs have middleware
                call_surrounded_to_end,
                load_middleware,
            )

            return call_surrounded_to_end([load_middleware(name) for name in middleware], spec)
        finally:
            CURRENT_STEP.only = None

    def _send_end(self, end: AttemptEnd, *, is_spent: bool) -> None:
        message = child_protocol.EndMessage(
            ok=end.ok,
            output=child_protocol.JSON_NULL if end.output is None else msgspec.Raw(end.output),
            failure=end.failure,
            verdict=end.verdict,
            refused=end.refused,
            error=None if end.error is None else describe_error(end.error),
            duration_us=end.duration_us,
            memory=_read_memory(),
            is_spent=is_spent,
        )
        try:
            self._link.send(message)
        except (msgspec.MsgspecError, UnicodeEncodeError, TypeError, RecursionError, MainspringError) as error:
            # Data of the failure has no JSON form: send the failure without it.
            message.failure = end.failure and _as_text_only(end.failure, error)
            message.refused = end.refused and _as_text_only(end.refused, error)
            message.error = None
            self._link.send(message)


def _build_spec(call: child_protocol.CallMessage) -> AttemptSpec:
    """Return the spec of the attempt, with its function imported and its arguments decoded."""
    fn = load_callable(call.fn)
    signature = read_signature(fn, call.skip)
    args, kwargs = decode_call(signature, bytes(call.input), f"arguments of step {call.name!r}")
    return AttemptSpec(
        run_id=call.run_id,
        ident=call.ident,
        name=call.name,
        key=call.key,
        attempt=call.attempt,
        fn=fn,
        signature=signature,
        args=args,
        kwargs=kwargs,
        isolate=PROCESS,
        checkpoint=bytes(call.checkpoint) if call.has_checkpoint else None,
        slot_at=call.slot_at,
        automation=call.automation,
        payload_max=call.payload_max,
        is_first=call.is_first,
        headers=None if call.headers == child_protocol.JSON_NULL else bytes(call.headers),
    )


def _as_text_only(failure: Failure, error: Exception) -> Failure:
    """Return a failure as text alone."""
    return Failure(
        type=escape(failure.type, _MAX_REASON),
        code=escape(failure.code, _MAX_REASON),
        message=escape(failure.message, _MAX_REASON),
        kind=failure.kind,
        hint=f"Its data was left out: {escape(str(error), _MAX_REASON)}",
        not_sent=failure.not_sent,
    )


def _elapsed_us(started_ns: int) -> int:
    return (time.perf_counter_ns() - started_ns) // 1000


def _read_memory() -> int:
    """Return the memory in use in bytes (the peak, on systems that report only that)."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return pages * os.sysconf("SC_PAGE_SIZE")


def _flush() -> None:
    """Flush prints to the pipes before the end is sent."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the user may have closed or replaced it
            stream.flush()


def _prepare_output() -> None:
    """Make prints line buffered, without errors for any character."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _read_hello(link: ChildChannel) -> Classifier:
    """Read the first message and apply it: path, environment and logging that the user's code expects."""
    messages: list[child_protocol.MessageToChild] = []
    while not messages:
        messages = link.read()
    hello = messages[0]
    if not isinstance(hello, child_protocol.HelloMessage):
        raise child_protocol.FrameError("the first message is not Hello")
    sys.path[:] = hello.path
    for name, value in hello.environ.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    SECRET_VARIABLES.allow(hello.passed)
    ACTION_HOSTS.allow(hello.hosts)
    ACTION_HOSTS.limit(hello.limits)
    LOCK_BACKENDS.add(hello.locks)
    DATABASE_PLACES.add(hello.databases)
    PROJECT_SOURCES.worker = hello.project
    install_capture_in_child(hello.log_level)
    for message in messages[1:]:
        if isinstance(message, child_protocol.CallMessage):
            link.calls.put(message)
    rules: list[Callable[..., Any]] = [load_callable(rule) for rule in hello.rules]
    return Classifier(rules)


def main() -> None:
    """Serve calls until the worker ends."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    die_with_parent(parent)
    protect_memory()
    os.set_inheritable(descriptor, False)
    sys.argv[1:] = []
    _prepare_output()
    faulthandler.enable()  # the stack of a crash in a C library becomes log lines
    link = ChildChannel(socket.socket(fileno=descriptor))
    server = _ChildServer(link, _read_hello(link))
    threading.Thread(target=link.listen, name="mainspring-channel", daemon=True).start()
    while True:
        server.serve(link.calls.get())


if __name__ == "__main__":
    main()
