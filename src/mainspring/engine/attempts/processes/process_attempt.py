"""An attempt in a child process: only here a time-out really stops plain code, with all processes that it started.

The time-outs count from the call of the function; before it (a child starts, modules are imported) the attempt has
`_START_ALLOWANCE_S` more. A child that ends without an answer is a failure of this attempt, not of the worker.
"""

import contextlib
from collections.abc import Callable

import msgspec

from mainspring.domain.effects.target_limits import TargetRefused, TargetTurn
from mainspring.domain.errors import MainspringError, SecretProviderError, ValueRefusedError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.flags.flag import FlagAnswer
from mainspring.domain.runs.log_line import STREAM_LEVELS
from mainspring.domain.values.saved_call import decode_result
from mainspring.engine.attempts import attempt_end
from mainspring.engine.attempts.attempt_end import AttemptEnd
from mainspring.engine.attempts.attempt_host import AttemptHost, EndCallback, StackCallback
from mainspring.engine.attempts.attempt_reports import (
    AckCallback,
    CheckpointReport,
    CommandReport,
    EffectReport,
    EffectSettledReport,
    HeartbeatReport,
    LockReport,
    LogReport,
    ProgressReport,
    StreamFlushReport,
    StreamReport,
    UnlockReport,
)
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.isolation import import_name_of
from mainspring.engine.attempts.live_attempt import LiveAttempt
from mainspring.engine.attempts.processes import child_protocol
from mainspring.engine.attempts.processes.child_files import answer_file_request
from mainspring.engine.attempts.processes.child_pool import ChildPool
from mainspring.engine.attempts.processes.child_process import ChildProcess
from mainspring.engine.attempts.processes.child_protocol import rebuild_error
from mainspring.engine.attempts.processes.process_tree import describe_process_tree
from mainspring.engine.attempts.step_context import AttemptClosed
from mainspring.resources.effects import EffectAnswer
from mainspring.resources.locks import LockCallback
from mainspring.store.commands.results import CommandDone, LockGranted

_START_ALLOWANCE_S = 60.0
_ANSWER_TIMEOUT_S = 2.0
_NO_ANSWER_TEXT = (
    f"its child process did not answer within {_ANSWER_TIMEOUT_S:g} s: it is stopped, or runs code "
    "that blocks all its threads"
)


class ProcessAttempt(LiveAttempt):
    """Exchanges messages with the child that serves this attempt."""

    __slots__ = ("_acknowledged", "_child", "_children", "_last_words", "_middleware", "_ref", "_stack_request")

    def __init__(self, host: AttemptHost, spec: AttemptSpec, on_end: EndCallback, children: ChildPool) -> None:
        self._ref = import_name_of(spec.fn)
        self._middleware = [known.import_name for known in host.middleware]
        super().__init__(host, spec, on_end)
        self._child: ChildProcess | None = None
        self._last_words = ""
        self._acknowledged = 0
        """The number of committed records that the child does not know yet."""
        self._stack_request: tuple[int, StackCallback] | None = None
        """The open stack request: its number and its callback."""
        self._children = children
        children.lend(self)

    def take(self, child: ChildProcess) -> None:
        """Send the call to this child."""
        spec = self.spec
        self._child = child
        child.user = self
        self.begin()
        self.start_limits(_START_ALLOWANCE_S)
        child.send(
            child_protocol.CallMessage(
                fn=self._ref,
                skip=spec.signature.skip,
                run_id=spec.run_id,
                ident=spec.ident,
                name=spec.name,
                key=spec.key,
                attempt=spec.attempt,
                input=msgspec.Raw(spec.input),
                checkpoint=child_protocol.JSON_NULL if spec.checkpoint is None else msgspec.Raw(spec.checkpoint),
                has_checkpoint=spec.checkpoint is not None,
                slot_at=spec.slot_at,
                automation=spec.automation,
                payload_max=spec.payload_max,
                is_first=spec.is_first,
                headers=child_protocol.JSON_NULL if spec.headers is None else msgspec.Raw(spec.headers),
                middleware=self._middleware,
            )
        )

    def handle_start_error(self, error: OSError) -> None:
        """Fail, because no child could be started."""
        self.finish(attempt_end.end_with_error(error, self.host.classifier, self.host.clock, self.duration_us))

    def receive(self, message: child_protocol.MessageFromChild) -> None:
        """Handle a message of the child."""
        match message:
            case child_protocol.StartMessage():
                self.begin()
                self.start_limits()
            case child_protocol.LogMessage(level, text, fields, logger):
                self.send_report(LogReport(level, text, fields, logger=logger))
            case child_protocol.ProgressMessage(done, total):
                self.send_report(ProgressReport(done, total))
            case child_protocol.HeartbeatMessage():
                self.send_report(HeartbeatReport())
            case child_protocol.StreamMessage(stream, number, data):
                self.send_report(StreamReport(stream, number, bytes(data), self._acknowledge_record))
            case child_protocol.StreamFlushMessage():
                self.send_report(StreamFlushReport())
            case child_protocol.CheckpointMessage(number, data):
                self.send_report(CheckpointReport(bytes(data), self._checkpoint_ack(number)))
            case child_protocol.RecordMessage(record):
                self.records[record.id] = record
            case child_protocol.StackAnswer(number, lines):
                descendants = describe_process_tree(self._child.pid)[1:] if self._child is not None else []
                self._report_stack(number, lines + descendants)
            case child_protocol.EndMessage():
                self._release(message)
                self.finish(self._end_of(message))
            case _:
                self._serve_resource(message)

    def _serve_resource(self, message: child_protocol.MessageFromChild) -> None:
        """Report a request for a lock or an effect, or the end of one."""
        match message:
            case child_protocol.LockMessage(number, spec):
                self.has_claims = True
                self.send_report(LockReport(number, spec, self._lock_answer(number)))
            case child_protocol.UnlockMessage(number):
                self.send_report(UnlockReport(number))
            case child_protocol.EffectMessage(number, request):
                self.has_claims = True
                self.send_report(EffectReport(number, request, self._effect_answer(number)))
            case child_protocol.EffectSettledMessage(number, settlement):
                self.send_report(EffectSettledReport(settlement, self._effect_answer(number)))
            case child_protocol.CommandMessage(number, command):
                self.send_report(CommandReport(command, self._command_answer(number)))
            case child_protocol.SecretMessage(number, name, instead_of):
                # Not in this thread: a provider on a server may take seconds.
                self.host.loop.run_in_executor(None, self._answer_secret, number, name, instead_of)
            case child_protocol.FileMessage(number, request):
                self.host.loop.run_in_executor(None, self._answer_file, number, request)

    def read_line(self, stream: str, text: str) -> None:
        """Report a line that the step printed."""
        if stream == "stderr":
            self._last_words = text
        self.send_report(LogReport(STREAM_LEVELS[stream], text, stream=stream))

    def handle_exit(self, code: int) -> None:
        """Handle a child that ended without an answer."""
        self._child = None
        died = attempt_end.end_with_child_death(self.spec, code, self._last_words, self.duration_us)
        self.end_code(self.stopped() if self.is_stopped else died)

    @property
    def is_working(self) -> bool:
        """Whether it has not ended: what its process does cannot be seen from here."""
        return True

    def request_stack(self, on_stack: StackCallback) -> None:
        """Request the stack from the child; if it does not answer, report its process tree."""
        child, number = self._child, next(self.host.numbers)
        if child is None:
            on_stack(["it waits for a free child process: worker.processes sets how many there are"])
            return
        self._stack_request = number, on_stack
        child.send(child_protocol.StackRequest(number))
        self.after(
            _ANSWER_TIMEOUT_S, lambda: self._report_stack(number, [*describe_process_tree(child.pid), _NO_ANSWER_TEXT])
        )

    def _report_stack(self, number: int, lines: list[str]) -> None:
        if self._stack_request is not None and self._stack_request[0] == number:
            (_, on_stack), self._stack_request = self._stack_request, None
            on_stack(lines)

    def stop_code(self) -> None:
        """End the child, or stop waiting for one."""
        if self._child is None:
            self.host.loop.call_soon(lambda: self.finish(self.stopped()), context=self.host.context)
            return
        self._child.terminate()
        limit = self._children.settings.kill_after + self.host.grace_after
        self.after(limit, lambda: self.abandon(f"the child of step {self.spec.name!r} cannot be killed"))

    def _release(self, message: child_protocol.EndMessage) -> None:
        child, self._child = self._child, None
        if child is not None:
            self._children.give_back(child, message.memory, is_spent=message.is_spent)

    def _end_of(self, message: child_protocol.EndMessage) -> AttemptEnd:
        if message.failure is not None:
            if self.is_stopped:
                return self.stopped(message.failure)
            error = rebuild_error(message.error)
            return AttemptEnd(
                failure=message.failure, verdict=message.verdict, duration_us=message.duration_us, error=error
            )
        if not message.ok:
            return AttemptEnd(refused=message.refused, duration_us=message.duration_us)
        output = bytes(message.output)
        try:
            value = decode_result(self.spec.signature, output, f"result of step {self.spec.name!r}")
        except ValueRefusedError as error:  # the child imported another version of the code than this process
            return AttemptEnd(
                refused=Failure.of(error, self.host.classifier.classify(error)), duration_us=message.duration_us
            )
        return AttemptEnd(ok=True, output=output, value=value, duration_us=message.duration_us)

    def _acknowledge_record(self, error: BaseException | None) -> None:
        """Count a record that is committed, or send the error of one that never will be; in the loop's thread."""
        if error is not None and self._child is not None:
            code, text = getattr(error, "code", ""), _error_text(error)
            self._child.send(child_protocol.StreamAnswer(1, text, code))
            return
        self._acknowledged += 1
        if self._acknowledged == 1:
            self.host.loop.call_soon(self._send_acknowledgement, context=self.host.context)

    def _send_acknowledgement(self) -> None:
        count, self._acknowledged = self._acknowledged, 0
        if self._child is not None:
            self._child.send(child_protocol.StreamAnswer(count))

    def _checkpoint_ack(self, number: int) -> AckCallback:
        """Return the callback that answers this checkpoint; from any thread."""
        send = self._send_to(self._child)
        return lambda error: send(
            child_protocol.CheckpointAnswer(number, None if error is None else _error_text(error))
        )

    def _lock_answer(self, number: int) -> LockCallback:
        """Return the callback that answers this request for a lock; from any thread."""
        send = self._send_to(self._child)

        def answer(result: LockGranted | BaseException) -> None:
            if isinstance(result, LockGranted):
                send(child_protocol.LockAnswer(number, result))
            else:
                send(child_protocol.LockAnswer(number, code=getattr(result, "code", ""), error=_error_text(result)))

        return answer

    def _effect_answer(self, number: int) -> Callable[[EffectAnswer | BaseException | None], None]:
        """Return the callback that answers this request for an effect, or its outcome; from any thread."""
        send = self._send_to(self._child)

        def answer(result: EffectAnswer | BaseException | None) -> None:
            if isinstance(result, BaseException):
                code, text = getattr(result, "code", ""), _error_text(result)
                send(child_protocol.EffectAnswerMessage(number, code=code, error=text))
            else:
                send(child_protocol.EffectAnswerMessage(number, result))

        return answer

    def _command_answer(
        self, number: int
    ) -> Callable[[FlagAnswer | TargetTurn | TargetRefused | CommandDone | BaseException], None]:
        """Return the callback that answers this command; from any thread."""
        send = self._send_to(self._child)

        def answer(result: FlagAnswer | TargetTurn | TargetRefused | CommandDone | BaseException) -> None:
            if isinstance(result, BaseException):
                code, text = getattr(result, "code", ""), _error_text(result)
                send(child_protocol.CommandAnswer(number, code=code, error=text))
            else:
                send(child_protocol.CommandAnswer(number, None if isinstance(result, CommandDone) else result))

        return answer

    def _answer_secret(self, number: int, name: str, instead_of: str | None) -> None:
        """Read a secret and send it; in a thread."""
        send = self._send_to(self._child)
        try:
            read = self.read_secret(name, instead_of)
        except AttemptClosed:
            return  # no code waits for it
        except MainspringError as error:
            is_transient = isinstance(error, SecretProviderError) and error.transient
            send(child_protocol.SecretAnswer(number, None, error.message, error.hint, error.code, is_transient))
        except Exception as error:  # noqa: BLE001 - a provider's bug; the code in the child gets it
            send(child_protocol.SecretAnswer(number, None, f"{type(error).__name__} in the provider of {name!r}"))
        else:
            send(child_protocol.SecretAnswer(number, read))

    def _answer_file(self, number: int, request: child_protocol.FileRequest) -> None:
        """Put or read a part of a file; in a thread."""
        send = self._send_to(self._child)
        with contextlib.suppress(AttemptClosed):  # no code waits for it
            send(answer_file_request(self.files, number, request))

    def _send_to(self, child: ChildProcess | None) -> Callable[[child_protocol.MessageToChild], None]:
        loop = self.host.loop

        def send(message: child_protocol.MessageToChild) -> None:
            if child is not None:
                with contextlib.suppress(RuntimeError):  # the loop is closed, and the child killed
                    loop.call_soon_threadsafe(child.send, message)

        return send


def _error_text(error: BaseException) -> str:
    return str(error) or type(error).__name__
