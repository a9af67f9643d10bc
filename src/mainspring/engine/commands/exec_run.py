"""A command wrapped by `mainspring exec`: its attempts up to the last one, in this process, and what is kept of them.

No store is needed here: what happens is told to `on_attempt` and `on_group`, the whole story is returned; whoever
calls keeps it. Invariants: the command's own exit code stays what it was; a signal that this process gets is passed
on and ends the attempts.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.definitions.definition import Definition
from mainspring.domain.duration import to_milliseconds
from mainspring.domain.errors import MainspringError
from mainspring.domain.failures.classifier import Classifier
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.retry import Retry
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.runs.journal import AttemptRecord, Outcome, OutcomeKind
from mainspring.domain.runs.log_chunk import LogChunk
from mainspring.domain.states import AttemptState, FailureReason, OutcomeState, RunState
from mainspring.engine.commands.command import (
    OUTPUT_LOST,
    TIMED_OUT,
    CommandEnd,
    CommandFailed,
    CommandSpec,
    build_environment,
)
from mainspring.engine.commands.command_process import CommandProcess
from mainspring.engine.commands.command_step import CommandResult, raise_unless_succeeded
from mainspring.engine.commands.exec_run_lines import ExecRunLines
from mainspring.engine.commands.output_file_check import NotProduced, check_output_files
from mainspring.engine.commands.stream_forwarder import StreamForwarder
from mainspring.resources.known_secrets import KNOWN_SECRETS

NOT_PRODUCED = 1
"""Exit code when the command ended well but what it should make is not there: it failed, and mainspring did not."""
SIGNAL_EXIT_BASE = 128
"""A shell adds the number of the signal that ended a command."""
MAX_KEPT_ATTEMPTS = 100
"""Attempts kept of one run, the newest."""
_SHORT_TAIL = 4_000


class ExecRunSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done. `words` is the whole command, of which the definition may hold the beginning.

    `retry` None = one attempt; `kill_after` = seconds from TERM to KILL after a time-out.
    """

    definition: Definition
    words: list[str]
    retry: Retry | None = None
    timeout: timedelta | None = None
    produces: tuple[str, ...] = ()
    kill_after: float = 5.0
    key: str | None = None

    @property
    def ident(self) -> str:
        """The identity of the one step that a wrapped command is."""
        return f"{self.definition.name}#1"


class ExecRunEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How it ended. `attempts` are those before the last one, which the outcome tells; `exit_code` is what a shell would see."""

    state: RunState
    exit_code: int
    started_at: int
    finished_at: int
    outcome: Outcome
    attempts: tuple[AttemptRecord, ...]
    failure: Failure | None = None
    is_ours: bool = False
    """Whether it failed by our word, a time-out or a missing product, of which the command itself said nothing."""
    reason: FailureReason | None = None
    result: bytes | None = None
    output_size: int | None = None


class _ExecAttempt(msgspec.Struct, frozen=True):
    """One attempt after its end."""

    started_at: int
    ended_at: int
    took_us: int
    exit_code: int
    tail: str
    error: MainspringError | None
    is_ours: bool = False
    size: int = 0
    """Bytes of what it put out."""


def _ignore(*told: object) -> None:
    """Take what nobody wants to know."""


class ExecRun:
    """The attempts of one run. `run` blocks; `signalled` is for signal handlers of the thread that runs it."""

    def __init__(
        self,
        wrapping: ExecRunSpec,
        *,
        run: str,
        key: str,
        clock: Clock,
        env: Mapping[str, str] = os.environ,
        slot_at: int | None = None,
        classifier: Classifier | None = None,
        pass_fds: tuple[int, ...] = (),
        on_attempt: Callable[[AttemptRecord], None] = _ignore,
        on_group: Callable[[int, str, bool], None] = _ignore,
        on_part: Callable[[LogChunk], None] = _ignore,
    ) -> None:
        self._wrapping = wrapping
        self._run = run
        self._key = key
        self._clock = clock
        self._env = env
        self._slot_at = slot_at
        self._classifier = classifier or Classifier()
        self._pass_fds = pass_fds
        self._on_attempt = on_attempt
        self._on_group = on_group
        KNOWN_SECRETS.add_variables(env)
        self._lines = ExecRunLines(wrapping.ident, wrapping.definition.name, clock, on_part)
        self._running: CommandProcess | None = None
        self._outlets = {"stdout": StreamForwarder(1), "stderr": StreamForwarder(2)}
        self._started_at = 0
        self._interrupted = threading.Event()
        self.signal: int | None = None
        """The signal that was passed on, if one was; TERM if the run was cancelled."""

    def signalled(self, number: int) -> None:
        """Pass a signal on to the command; no attempt follows."""
        self.signal = number
        self._interrupted.set()
        if self._running is not None:
            self._running.forward(number)

    def cancel(self) -> None:
        """End the command: somebody asked for it. May be called from any thread."""
        self.signal = signal.SIGTERM
        self._interrupted.set()
        running = self._running
        if running is not None:
            running.stop()

    def run(self) -> ExecRunEnd:
        """Make the attempts and return how it ended. Raises nothing that comes from the command."""
        attempts: list[AttemptRecord] = []
        number = 0
        while True:
            number += 1
            tried = self._attempt(number)
            self._started_at = self._started_at or tried.started_at
            if tried.error is None or self.signal is not None:
                return self._end(number, tried, attempts)
            record = self._failed(number, tried, tried.error)
            if record.next_at is None:
                return self._end(number, tried, attempts)
            attempts = [*attempts, record][-MAX_KEPT_ATTEMPTS:]
            self._on_attempt(record)
            self._interrupted.wait(max(0, record.next_at - self._clock.now()) / 1000)
            if self.signal is not None:
                return self._end(
                    number, msgspec.structs.replace(tried, exit_code=SIGNAL_EXIT_BASE + self.signal), attempts[:-1]
                )
            self._on_attempt(self._record(number + 1, AttemptState.STARTED, self._clock.now()))

    def _attempt(self, number: int) -> _ExecAttempt:
        wrapping, words = self._wrapping, self._wrapping.words
        environ = build_environment(
            self._env, {}, run_id=self._run, attempt=number, key=self._key, slot_at=self._slot_at
        )
        command = CommandSpec(
            words=words,
            env=environ,
            timeout=wrapping.timeout,
            kill_after=wrapping.kill_after,
            has_stdin=True,
            pass_fds=self._pass_fds,
        )
        started_at = self._clock.now()
        if self.signal is not None:
            error = CommandFailed("the command was not started: a signal came first", -self.signal)
            return _ExecAttempt(started_at, started_at, 0, SIGNAL_EXIT_BASE + self.signal, "", error)
        written_at = (
            time.time_ns() // 1_000_000
        )  # compared with what the file system says, so it is the machine's clock
        failed: MainspringError | None = None
        size = 0
        end = CommandEnd(code=0, timed_out=False, stopped=False, tail="", took_us=0)
        self._running = CommandProcess(
            command, on_data=partial(self._lines.take, number), on_group=self._group, outlets=self._outlets
        )
        try:
            end = self._running.run()
            raise_unless_succeeded(words, end, wrapping.timeout)
            made = check_output_files(list(wrapping.produces), None, written_at)
            size = made if wrapping.produces else end.printed
        except MainspringError as raised:
            failed = raised
        finally:
            self._running = None
            self._lines.end(number)
        code = exit_code_of(end, failed)
        is_ours = end.timed_out or isinstance(failed, NotProduced) or (code == OUTPUT_LOST and end.code == 0)
        return _ExecAttempt(started_at, self._clock.now(), end.took_us, code, end.tail, failed, is_ours, size)

    def _group(self, pgid: int, started: str, ended: bool) -> None:  # noqa: FBT001 - the shape of the callback
        if self.signal is not None and not ended and self._running is not None:
            self._running.forward(self.signal)  # it came before there was anybody to pass it on to
        self._on_group(pgid, started, ended)

    def _failed(self, number: int, tried: _ExecAttempt, error: MainspringError) -> AttemptRecord:
        """Return the failed attempt and when the next one is due (None = it was the last)."""
        verdict = self._classifier.classify(error)
        elapsed = timedelta(milliseconds=max(0, tried.ended_at - self._started_at))
        retry = self._wrapping.retry
        seed = f"{self._run}\x1f{self._wrapping.ident}"
        delay = (
            None if retry is None else retry.delay_after(number, elapsed=elapsed, verdict=verdict, seed=seed, exc=error)
        )
        next_at = None if delay is None else tried.ended_at + to_milliseconds(delay)
        record = self._record(number, AttemptState.FAILED, tried.started_at)
        failure = self._failure_of(tried, tried.tail[-_SHORT_TAIL:])
        return msgspec.structs.replace(record, ended_at=tried.ended_at, next_at=next_at, failure=failure)

    def _record(self, number: int, state: AttemptState, started_at: int) -> AttemptRecord:
        wrapping = self._wrapping
        return AttemptRecord(wrapping.ident, wrapping.definition.name, 0, number, state, 1, started_at)

    def _end(self, number: int, tried: _ExecAttempt, attempts: list[AttemptRecord]) -> ExecRunEnd:
        failure = self._failure_of(tried, tried.tail)
        output = None
        if failure is None:
            output = msgspec.json.encode(
                CommandResult(tried.exit_code, KNOWN_SECRETS.redact(tried.tail), tried.took_us // 1000, tried.size)
            )
        if self.signal is not None:
            state, step = RunState.CANCELLED, OutcomeState.CANCELLED
        elif failure is not None:
            state, step = RunState.FAILED, OutcomeState.FAILED
        else:
            state, step = RunState.SUCCEEDED, OutcomeState.SUCCEEDED
        outcome = Outcome(
            *(1, self._wrapping.ident, self._wrapping.definition.name, OutcomeKind.STEP, step, 1, number, 0),
            *(tried.started_at, tried.ended_at, tried.took_us),
            output=output,
            failure=failure,
        )
        return ExecRunEnd(
            state=state,
            exit_code=tried.exit_code,
            started_at=self._started_at,
            finished_at=tried.ended_at,
            outcome=outcome,
            attempts=tuple(attempts),
            failure=failure,
            is_ours=tried.is_ours and self.signal is None,
            reason=failure_reason_of(failure) if state is RunState.FAILED else None,
            result=output if state is RunState.SUCCEEDED else None,
            output_size=tried.size if state is RunState.SUCCEEDED else None,
        )

    def _failure_of(self, tried: _ExecAttempt, tail: str) -> Failure | None:
        """Return what is kept of a failed attempt: no frames, for they are ours, but its exit code and the end of its output."""
        if tried.error is None:
            return None
        failure = Failure.of(tried.error, self._classifier.classify(tried.error))
        told = msgspec.structs.replace(failure, frames=[], data={"exit_code": tried.exit_code, "tail": tail})
        return KNOWN_SECRETS.redactor.redact_failure(told)


def exit_code_of(end: CommandEnd, error: MainspringError | None) -> int:
    """Return the exit code that `exec` ends with, as GNU timeout and a shell would have it."""
    if end.timed_out:
        return TIMED_OUT
    if isinstance(error, NotProduced):
        return NOT_PRODUCED
    code = error.returncode if isinstance(error, CommandFailed) else end.code
    return SIGNAL_EXIT_BASE - code if code < 0 else code


def failure_reason_of(failure: Failure | None) -> FailureReason:
    """Return why a wrapped command's run failed."""
    if failure is not None and failure.code == NotProduced.code:
        return FailureReason.NO_OUTPUT
    if failure is not None and failure.kind is FailureKind.PERMANENT:
        return FailureReason.PERMANENT_ERROR
    return FailureReason.RETRIES_EXHAUSTED
