"""A live attempt: the common part of attempts in the loop, in a thread and in a child.

Invariants: `on_end` is called once, from the loop and never inside `start`; after that, or after `close`, the attempt is
closed: none of its reports is delivered and a late result is dropped. If a time-out cannot stop the code, the attempt is closed at once,
but its end is reported, and its locks are released, only when the code has ended, unless its next attempt may overlap.
"""

import asyncio
import contextlib
import functools
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from mainspring.domain.errors import ConfigError
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.measurement import StepRecord
from mainspring.domain.secrets.errors import SecretNotAllowedError
from mainspring.domain.secrets.secret_use import SecretRead, SecretUse
from mainspring.domain.values.stored_file import FileChunks
from mainspring.engine.attempts import attempt_end
from mainspring.engine.attempts.attempt_end import AttemptEnd
from mainspring.engine.attempts.attempt_host import AttemptHost, EndCallback, StackCallback
from mainspring.engine.attempts.attempt_reports import (
    AbandonReport,
    AttemptReport,
    CheckpointReport,
    CommandReport,
    EffectReport,
    EffectSettledReport,
    EndReport,
    LockReport,
    LogReport,
    ProcessReport,
    ReportKind,
    SecretRefusedReport,
    SecretUsesReport,
    StreamReport,
    UnlockReport,
)
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.heartbeat_timer import HeartbeatTimer
from mainspring.engine.attempts.logs.lifecycle_log import is_step_debug_enabled
from mainspring.engine.attempts.pending_answer import PendingAnswer, PendingCheckpoint
from mainspring.engine.attempts.step_context import (
    SAVED_CHECKPOINT,
    AttemptClosed,
    LockRequest,
    SavedCheckpoint,
    StepContext,
    raise_attempt_closed,
)
from mainspring.resources.effects import EffectAnswer, EffectRequest, EffectSettlement, release_of
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.resources.locks import LockSpec
from mainspring.store.commands.flags import AnswerFlag
from mainspring.store.commands.targets import EnterTarget, LeaveTarget

_MAX_PENDING_LINES = 2_000
_THROTTLE_PAUSE_S, _MAX_THROTTLE_PAUSES = 0.002, 250
"""A thread with more pending lines than `_MAX_PENDING_LINES` pauses this long, up to this many times: the loop may wait for the thread."""


class LiveAttempt:
    """One running attempt; also its own channel for reports, unless it runs in a child."""

    __slots__ = (
        "_at_end",
        "_checkpoints",
        "_heartbeat",
        "_is_silent",
        "_is_wake_scheduled",
        "_limit",
        "_lines",
        "_on_end",
        "_refused_secrets",
        "_requests",
        "_secret_uses",
        "_started_ns",
        "_timers",
        "cancel_reason",
        "closed",
        "has_claims",
        "has_lines",
        "host",
        "is_late",
        "is_unstoppable",
        "records",
        "spec",
    )

    def __init__(self, host: AttemptHost, spec: AttemptSpec, on_end: EndCallback) -> None:
        self.host = host
        self.spec = spec
        self.closed = False
        self.has_lines = False
        """Whether it has written a log line."""
        self._lines: deque[LogReport | StreamReport] | None = None
        """Lines and records from other threads, on their way to the loop."""
        self._is_wake_scheduled = False
        self.has_claims = False
        """Whether it has requested a lock or an effect: then it may hold one at its end."""
        self.is_late = False
        """Whether a time-out ended it."""
        self._is_silent = False
        """Whether that was the one of its heartbeat."""
        self.is_unstoppable = False
        """Whether a time-out ended it, but its code still runs, and its end is reported only after that."""
        self._heartbeat: HeartbeatTimer | None = None
        self.cancel_reason: str | None = None
        self._on_end = on_end
        self._started_ns = time.perf_counter_ns()
        self._timers: list[asyncio.TimerHandle] = []
        self._limit: asyncio.TimerHandle | None = None
        """The timer of its time-out."""
        self._checkpoints: set[PendingCheckpoint] = set()
        self._requests: set[PendingAnswer[Any]] = set()
        self._at_end: dict[Callable[[], None], None] = {}
        self.records: dict[str, StepRecord] = {}
        self._secret_uses: dict[SecretUse, None] = {}
        self._refused_secrets: frozenset[str] = frozenset()
        host.live.add(self)

    @property
    def is_working(self) -> bool:
        """Whether its code runs in a thread or a process, or waits for something outside of the engine."""
        return False

    def begin(self) -> None:
        """Restart the time measurement: until now the attempt waited for a place to run."""
        self._started_ns = time.perf_counter_ns()

    @property
    def duration_us(self) -> int:
        """Time since the call, in microseconds."""
        return (time.perf_counter_ns() - self._started_ns) // 1000

    def step_context(self) -> StepContext:
        """Return the context of this attempt for the step's code."""
        return StepContext.of(self.spec, self, self.host.classifier)

    def cancel(self, reason: str) -> None:
        """Stop the attempt; its end is reported as cancelled, unless it had ended already or a time-out ended it."""
        if self.is_unstoppable:
            self.host.loop.call_soon(self._leave_code_running, context=self.host.context)
        elif not self.closed and self.cancel_reason is None:
            self.cancel_reason = reason
            self.stop_code()

    def stop_code(self) -> None:
        """Stop the code of this attempt, because of a time-out (`is_late`) or a cancel."""
        raise NotImplementedError

    def request_stack(self, on_stack: StackCallback) -> None:
        """Call `on_stack` in the loop, at once or soon, with the current stack; never, if the attempt ends before."""
        raise NotImplementedError

    def after(self, seconds: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back in the loop after a delay, unless the attempt ends first."""
        timer = self.host.loop.call_later(seconds, callback, context=self.host.context)
        self._timers.append(timer)
        return timer

    def start_limits(self, allowance_s: float = 0.0) -> None:
        """Start to measure the time-outs, again from now; each has `allowance_s` more time at first. In the loop."""
        spec = self.spec
        if self.closed or self.is_stopped:
            return
        if spec.timeout is not None:
            if self._limit is not None:
                self._limit.cancel()
            self._limit = self.after(spec.timeout.total_seconds() + allowance_s, self._exceed_limit)
        if spec.heartbeat is not None:
            if self._heartbeat is None:
                span_s = spec.heartbeat.total_seconds()
                self._heartbeat = HeartbeatTimer(self.host.loop, span_s, self._end_silence, self.host.context)
            self._heartbeat.start(allowance_s)

    def _end_silence(self) -> None:
        self._is_silent = not self.is_stopped
        self._exceed_limit()

    def _exceed_limit(self) -> None:
        if not self.closed and not self.is_stopped:
            self.is_late = True
            self.stop_code()

    def stop_timers(self) -> None:
        """Cancel every `after`, and the measurement of the heartbeat."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if self._heartbeat is not None:
            self._heartbeat.stop()

    def finish(self, end: AttemptEnd) -> None:
        """Report the end; only the first one counts."""
        if not self.closed or self.is_unstoppable:
            if end.failure is not None or end.refused is not None:
                redact = KNOWN_SECRETS.redactor.redact_failure
                end.failure = end.failure and redact(end.failure)
                end.refused = end.refused and redact(end.refused)
            if self.has_lines or not end.ok or is_step_debug_enabled():
                ended = EndReport(end.failure or end.refused, end.duration_us, end.cancelled, end.output)
                self.host.on_report(self.spec, ReportKind.ENDED, ended)
            self.close()
            if self._secret_uses:
                # Right before the command of the end: commands of one process are committed in their order.
                uses = SecretUsesReport(tuple(self._secret_uses))
                self.host.on_report(self.spec, uses.kind, uses)
            if self.records and end.failure is None:
                end.records = tuple(self.records.values())
            self._on_end(end)

    def close(self) -> None:
        """Close the attempt: none of its reports is delivered any more."""
        self.is_unstoppable = False
        self._refuse_reports()
        self.host.live.discard(self)
        if self._at_end:
            self._release_all()
        if self.has_claims:
            self.host.on_report(self.spec, ReportKind.UNLOCK, UnlockReport(None))

    def _refuse_reports(self) -> None:
        """Deliver no more reports, and end the requests that wait for an answer."""
        self.closed = True
        if self._timers or self._heartbeat is not None:
            self.stop_timers()
        if self._checkpoints or self._requests:
            closed = AttemptClosed(f"step {self.spec.name!r} was abandoned before its command was committed")
            for checkpoint in tuple(self._checkpoints):
                checkpoint.ack(closed)
            for request in tuple(self._requests):
                request.answer(closed)

    @property
    def is_stopped(self) -> bool:
        """Whether the engine stopped it: cancelled or timed out."""
        return self.is_late or self.cancel_reason is not None

    def stopped(self, cause: Failure | None = None) -> AttemptEnd:
        """Return the end of an attempt that the engine stopped. `cause` = the failure of its code afterwards."""
        if self.cancel_reason is not None:
            return attempt_end.end_with_cancellation(self.spec, self.cancel_reason, self.duration_us, cause)
        if self._is_silent and self._heartbeat is not None:
            return attempt_end.end_with_silence(self.spec, self._heartbeat.last, self.duration_us, cause)
        return attempt_end.end_with_timeout(self.spec, self.duration_us, cause)

    def abandon(self, reason: str) -> None:
        """Report that the code of a stopped attempt continues to run. The end of the attempt is reported too, or waits for that code."""
        if self.closed:
            return
        self.host.abandoned.add(self)
        self.send_report(AbandonReport(reason))
        if self.spec.overlaps or self.cancel_reason is not None:
            self.finish(self.stopped())
            return
        failure = self.stopped().failure
        assert failure is not None
        text = "Its code cannot be stopped: the next attempt begins when it has ended, or its worker was replaced."
        line = LogReport("warning", f"{failure.message}. {text}")
        self.has_lines = True
        self.host.on_report(self.spec, line.kind, line)  # of the engine, so it is no sign of life
        self.is_unstoppable = True
        self._refuse_reports()

    def end_code(self, end: AttemptEnd) -> None:
        """Report the end of the code, in the loop. A result after a time-out no longer counts."""
        self.host.abandoned.discard(self)
        self.finish(end if end.timed_out or not self.is_unstoppable else self.stopped())

    def _leave_code_running(self) -> None:
        """Report the end of an attempt although its code still runs."""
        end = self.stopped()
        end.is_code_running = True
        self.finish(end)

    def send_report(self, report: AttemptReport) -> None:
        """Send a report to the engine; in the loop's thread."""
        if not self.closed:
            self.has_lines |= isinstance(report, LogReport)
            if self._heartbeat is not None:
                report = self._heartbeat.observe(report)
            self.host.on_report(self.spec, report.kind, report)
        elif isinstance(report, CheckpointReport | ProcessReport | StreamReport) and report.ack is not None:
            report.ack(AttemptClosed("too late"))  # `close` answers a requested lock

    def post(self, report: AttemptReport) -> None:
        """Send a report to the engine; from any thread."""
        if self.closed:
            raise_attempt_closed(self.spec.name)
        if threading.get_ident() == self.host.thread:
            self.send_report(report)
        elif isinstance(report, LogReport | StreamReport):
            self._post_line(report)
        else:
            self.call_in_loop(self.send_report, report)

    def _post_line(self, report: LogReport | StreamReport) -> None:
        """Pass lines and records to the loop, many with one call. A step that logs too fast for the loop is slowed down, within bounds."""
        lines = self._lines
        if lines is None:
            lines = self._lines = deque()
        lines.append(report)
        if not self._is_wake_scheduled:
            self._is_wake_scheduled = True
            self.call_in_loop(self._send_lines)
        for _ in range(
            _MAX_THROTTLE_PAUSES if isinstance(report, LogReport) else 0
        ):  # records have a limit of their own
            if len(lines) < _MAX_PENDING_LINES or self.closed:
                return
            time.sleep(_THROTTLE_PAUSE_S)

    def _send_lines(self) -> None:
        self._is_wake_scheduled = False
        lines = self._lines
        while lines:
            self.send_report(lines.popleft())

    def save(self, data: bytes) -> SavedCheckpoint | PendingCheckpoint:
        """Send a checkpoint to the engine; in another thread than the loop's, wait for its commit."""
        if self.closed:
            raise_attempt_closed(self.spec.name)
        self.host.numbers.require_own_process()
        checkpoint = PendingCheckpoint(self.host, self.drop_checkpoint)
        self._checkpoints.add(checkpoint)
        self.post(CheckpointReport(data, checkpoint.ack))
        if threading.get_ident() == self.host.thread:
            return checkpoint
        checkpoint.wait()
        return SAVED_CHECKPOINT

    def record(self, record: StepRecord) -> None:
        """Add what is committed with the end of this attempt, or replace what has the same id; from any thread."""
        if self.closed:
            raise_attempt_closed(self.spec.name)
        self.host.numbers.require_own_process()
        self.records[record.id] = record

    def lock(self, spec: LockSpec) -> LockRequest:
        """Request a lock; from any thread."""
        if self.closed:
            raise_attempt_closed(self.spec.name)
        request: LockRequest = self._request()
        self.has_claims = True
        self.post(LockReport(request.number, spec, self._answer_to(request)))
        return request

    def unlock(self, number: int) -> None:
        """Release a lock; from any thread."""
        self.post(UnlockReport(number))

    def has_lost_lock(self, _number: int) -> bool:
        """Whether this attempt is over."""
        return self.closed

    def at_end(self, release: Callable[[], None]) -> Callable[[], object]:
        """Call `release` at the end of this attempt; from any thread.

        Raises:
            AttemptClosed: a time-out ended the attempt, and its code still runs.
        """
        if self.is_unstoppable:  # what it holds already is released when its code has ended
            raise_attempt_closed(self.spec.name)
        self._at_end[release] = None
        if self.closed:
            self._release_all()
        return functools.partial(self._at_end.pop, release, None)

    def _release_all(self) -> None:
        while self._at_end:
            with contextlib.suppress(Exception):
                self._at_end.popitem()[0]()

    def begin_effect(self, request: EffectRequest) -> PendingAnswer[EffectAnswer]:
        """Ask for an effect; from any thread."""
        if self.closed:
            raise_attempt_closed(self.spec.name)
        pending: PendingAnswer[EffectAnswer] = self._request()
        self.has_claims = True

        def answer(result: EffectAnswer | BaseException) -> None:
            self._requests.discard(pending)
            if not pending.answer(result) and isinstance(result, EffectAnswer) and result.intent and not self.closed:
                self.settle_effect(release_of(request, result))

        self.post(EffectReport(pending.number, request, answer))
        return pending

    def settle_effect(self, settlement: EffectSettlement) -> PendingAnswer[None]:
        """Send the outcome of an effect; from any thread. That of a closed attempt is evidence, and ends its code."""
        pending: PendingAnswer[None] = self._request()
        answer = self._answer_to(pending)
        report = EffectSettledReport(settlement, answer)
        if self.closed:
            self.call_in_loop(self.host.on_report, self.spec, report.kind, report)
            raise_attempt_closed(self.spec.name)
        self.post(report)
        return pending

    def send_command(self, command: AnswerFlag | EnterTarget | LeaveTarget) -> PendingAnswer[Any]:
        """Send a command for the store; from any thread."""
        if self.closed:
            raise_attempt_closed(self.spec.name)
        pending = self._request()
        self.post(CommandReport(command, self._answer_to(pending)))
        return pending

    @property
    def files(self) -> FileChunks:
        """The chunks of files for the code of this attempt; from any thread."""
        if self.closed:
            raise_attempt_closed(self.spec.name)
        return self.host.files

    def read_secret(self, name: str, instead_of: str | None) -> SecretRead:
        """Return a secret, and note its use; from any thread."""
        if self.closed:
            raise_attempt_closed(self.spec.name)
        secrets, spec = self.host.secrets, self.spec
        if secrets is None:
            raise ConfigError("this worker has no secrets", hint="Start it through ms.App or mainspring up.")
        try:
            read = secrets.read(name, spec.automation, spec.version, instead_of=instead_of)
        except SecretNotAllowedError as error:
            if name not in self._refused_secrets:
                self._refused_secrets |= {name}
                self.post(SecretRefusedReport(name, error.message))
            raise
        self._secret_uses[secrets.make_use(name, read, spec.automation, spec.name)] = None
        if self.closed:  # it ended during the read: its uses may be recorded already
            raise_attempt_closed(spec.name)
        return read

    def _request(self) -> PendingAnswer[Any]:
        pending: PendingAnswer[Any] = PendingAnswer(next(self.host.numbers))
        self._requests.add(pending)
        return pending

    def _answer_to(self, pending: PendingAnswer[Any]) -> Callable[[Any], None]:
        def answer(result: object) -> None:
            self._requests.discard(pending)
            pending.answer(result)

        return answer

    def call_in_loop(self, callback: Callable[..., None], *args: Any) -> None:
        """Call back in the loop, from any thread; if the loop is closed, this ends the attempt's code."""
        try:
            self.host.loop.call_soon_threadsafe(callback, *args, context=self.host.context)
        except RuntimeError:  # the loop is closed: no code is left that could handle the report
            raise_attempt_closed(self.spec.name)

    def drop_checkpoint(self, checkpoint: PendingCheckpoint) -> None:
        """Drop a settled checkpoint."""
        self._checkpoints.discard(checkpoint)
