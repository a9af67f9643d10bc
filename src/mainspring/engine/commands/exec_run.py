"""The run of a command under `mainspring exec`: all its attempts, in this process, and their records.

No store is needed here: `on_attempt` and `on_group` get the events, and the whole run is returned; the caller
stores it. Invariants: the command's own exit code is not changed; a signal to this process is forwarded
and ends the attempts.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from types import MappingProxyType

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
from mainspring.engine.commands.command_result import CommandRecord, raise_unless_succeeded
from mainspring.engine.commands.exec_run_lines import ExecRunLines
from mainspring.engine.commands.output_file_check import NotProduced, check_output_files
from mainspring.engine.commands.stream_forwarder import StreamForwarder
from mainspring.resources.known_secrets import KNOWN_SECRETS

NOT_PRODUCED = 1
"""Exit code when the command succeeded but its promised files are missing: the command failed, not mainspring."""
SIGNAL_EXIT_BASE = 128
"""A shell adds to this the number of the signal that ended a command."""
NOT_STARTED = 125
"""Exit code when mainspring does not start the command."""
MAX_STORED_ATTEMPTS = 100
"""Most attempts that are stored of one run, the newest."""
_SHORT_TAIL = 4_000


class ExecRunSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The run to make. `words` is the whole command; the definition may hold only its first words.

    `retry` None = one attempt; `kill_after` = seconds from TERM to KILL after a time-out.
    """

    definition: Definition
    words: list[str]
    retry: Retry | None = None
    timeout: timedelta | None = None
    heartbeat: timedelta | None = None
    produces: tuple[str, ...] = ()
    kill_after: float = 5.0
    key: str | None = None

    @property
    def ident(self) -> str:
        """The identity of the run's only step."""
        return f"{self.definition.name}#1"


class ExecRunEnd(msgspec.Struct, frozen=True, kw_only=True):
    """The end of the run. `attempts` = those before the last one, which is the outcome; `exit_code` = that of a shell."""

    state: RunState
    exit_code: int
    started_at: int
    finished_at: int
    outcome: Outcome
    attempts: tuple[AttemptRecord, ...]
    failure: Failure | None = None
    is_silent_failure: bool = False
    """Whether it failed by a time-out, a missing file or lost output, which the command itself did not report."""
    reason: FailureReason | None = None
    result: bytes | None = None
    output_size: int | None = None


class _ExecAttempt(msgspec.Struct, frozen=True):
    """One ended attempt."""

    started_at: int
    ended_at: int
    duration_us: int
    exit_code: int
    tail: str
    error: MainspringError | None
    is_silent_failure: bool = False
    size: int = 0
    """Bytes of its output."""


def _ignore(*values: object) -> None:
    """Ignore the values."""


class ExecRun:
    """Makes the attempts of one run. `run` blocks; `signalled` is for signal handlers of the thread that runs it.

    `refusal` = why the command cannot be started: then the run is one failed attempt.
    """

    def __init__(
        self,
        spec: ExecRunSpec,
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
        secret_variables: Mapping[str, str] = MappingProxyType({}),
        refusal: MainspringError | None = None,
    ) -> None:
        self._spec = spec
        self._refusal = refusal
        self._run = run
        self._key = key
        self._clock = clock
        self._env = env
        self._slot_at = slot_at
        self._classifier = classifier or Classifier()
        self._pass_fds = pass_fds
        self._secret_variables = secret_variables
        self._on_attempt = on_attempt
        self._on_group = on_group
        KNOWN_SECRETS.add_variables(env)
        self._lines = ExecRunLines(spec.ident, spec.definition.name, clock, on_part)
        self._running: CommandProcess | None = None
        self._forwarders = {"stdout": StreamForwarder(1), "stderr": StreamForwarder(2)}
        self._started_at = 0
        self._interrupted = threading.Event()
        self.signal: int | None = None
        """The forwarded signal, if any; TERM if the run was cancelled."""

    def signalled(self, number: int) -> None:
        """Forward a signal to the command; no attempt follows."""
        self.signal = number
        self._interrupted.set()
        if self._running is not None:
            self._running.forward(number)

    def cancel(self) -> None:
        """End the command because of a cancel; from any thread."""
        self.signal = signal.SIGTERM
        self._interrupted.set()
        running = self._running
        if running is not None:
            running.stop()

    def run(self) -> ExecRunEnd:
        """Make the attempts and return the end of the run. Errors of the command are not raised."""
        attempts: list[AttemptRecord] = []
        number = 0
        while True:
            number += 1
            ended = self._attempt(number)
            self._started_at = self._started_at or ended.started_at
            if ended.error is None or self.signal is not None or self._refusal is not None:
                return self._end(number, ended, attempts)
            record = self._failed(number, ended, ended.error)
            if record.next_at is None:
                return self._end(number, ended, attempts)
            attempts = [*attempts, record][-MAX_STORED_ATTEMPTS:]
            self._on_attempt(record)
            self._interrupted.wait(max(0, record.next_at - self._clock.now()) / 1000)
            if self.signal is not None:
                return self._end(
                    number, msgspec.structs.replace(ended, exit_code=SIGNAL_EXIT_BASE + self.signal), attempts[:-1]
                )
            self._on_attempt(self._record(number + 1, AttemptState.STARTED, self._clock.now()))

    def _attempt(self, number: int) -> _ExecAttempt:
        spec, words = self._spec, self._spec.words
        environ = build_environment(
            self._env, self._secret_variables, run_id=self._run, attempt=number, key=self._key, slot_at=self._slot_at
        )
        command = CommandSpec(
            words=words,
            env=environ,
            timeout=spec.timeout,
            heartbeat=spec.heartbeat,
            kill_after=spec.kill_after,
            has_stdin=True,
            pass_fds=self._pass_fds,
        )
        started_at = self._clock.now()
        if self.signal is not None:
            error = CommandFailed("the command was not started: a signal came first", -self.signal)
            return _ExecAttempt(started_at, started_at, 0, SIGNAL_EXIT_BASE + self.signal, "", error)
        if self._refusal is not None:
            return _ExecAttempt(started_at, started_at, 0, NOT_STARTED, "", self._refusal)
        written_at = (
            time.time_ns() // 1_000_000
        )  # compared with what the file system says, so it is the machine's clock
        failure: MainspringError | None = None
        size = 0
        end = CommandEnd(code=0, timed_out=False, stopped=False, tail="", duration_us=0)
        self._running = CommandProcess(
            command, on_data=partial(self._lines.take, number), on_group=self._group, forwarders=self._forwarders
        )
        try:
            end = self._running.run()
            raise_unless_succeeded(words, end, spec.timeout, spec.heartbeat)
            produced = check_output_files(list(spec.produces), None, written_at)
            size = produced if spec.produces else end.printed
        except MainspringError as raised:
            failure = raised
        finally:
            self._running = None
            self._lines.end(number)
        code = exit_code_of(end, failure)
        is_silent_failure = end.timed_out or isinstance(failure, NotProduced) or (code == OUTPUT_LOST and end.code == 0)
        return _ExecAttempt(
            started_at, self._clock.now(), end.duration_us, code, end.tail, failure, is_silent_failure, size
        )

    def _group(self, pgid: int, started: str, ended: bool) -> None:  # noqa: FBT001 - the signature of the callback
        if self.signal is not None and not ended and self._running is not None:
            self._running.forward(self.signal)  # it came before the command had started
        self._on_group(pgid, started, ended)

    def _failed(self, number: int, ended: _ExecAttempt, error: MainspringError) -> AttemptRecord:
        """Return the record of a failed attempt, with the due instant of the next one (None = it was the last)."""
        verdict = self._classifier.classify(error)
        elapsed = timedelta(milliseconds=max(0, ended.ended_at - self._started_at))
        retry = self._spec.retry
        seed = f"{self._run}\x1f{self._spec.ident}"
        delay = (
            None if retry is None else retry.delay_after(number, elapsed=elapsed, verdict=verdict, seed=seed, exc=error)
        )
        next_at = None if delay is None else ended.ended_at + to_milliseconds(delay)
        record = self._record(number, AttemptState.FAILED, ended.started_at)
        failure = self._failure_of(ended, ended.tail[-_SHORT_TAIL:])
        return msgspec.structs.replace(record, ended_at=ended.ended_at, next_at=next_at, failure=failure)

    def _record(self, number: int, state: AttemptState, started_at: int) -> AttemptRecord:
        spec = self._spec
        return AttemptRecord(spec.ident, spec.definition.name, 0, number, state, 1, started_at)

    def _end(self, number: int, ended: _ExecAttempt, attempts: list[AttemptRecord]) -> ExecRunEnd:
        failure = self._failure_of(ended, ended.tail)
        output = None
        if failure is None:
            output = msgspec.json.encode(
                CommandRecord(ended.exit_code, KNOWN_SECRETS.redact(ended.tail), ended.duration_us // 1000, ended.size)
            )
        if self.signal is not None:
            state, step = RunState.CANCELLED, OutcomeState.CANCELLED
        elif failure is not None:
            state, step = RunState.FAILED, OutcomeState.FAILED
        else:
            state, step = RunState.SUCCEEDED, OutcomeState.SUCCEEDED
        outcome = Outcome(
            *(1, self._spec.ident, self._spec.definition.name, OutcomeKind.STEP, step, 1, number, 0),
            *(ended.started_at, ended.ended_at, ended.duration_us),
            output=output,
            failure=failure,
        )
        return ExecRunEnd(
            state=state,
            exit_code=ended.exit_code,
            started_at=self._started_at,
            finished_at=ended.ended_at,
            outcome=outcome,
            attempts=tuple(attempts),
            failure=failure,
            is_silent_failure=ended.is_silent_failure and self.signal is None,
            reason=failure_reason_of(failure) if state is RunState.FAILED else None,
            result=output if state is RunState.SUCCEEDED else None,
            output_size=ended.size if state is RunState.SUCCEEDED else None,
        )

    def _failure_of(self, ended: _ExecAttempt, tail: str) -> Failure | None:
        """Return the stored failure of an attempt: without frames, which are Mainspring's own, with exit code and end of output."""
        if ended.error is None:
            return None
        failure = Failure.of(ended.error, self._classifier.classify(ended.error))
        without_frames = msgspec.structs.replace(failure, frames=[], data={"exit_code": ended.exit_code, "tail": tail})
        return KNOWN_SECRETS.redactor.redact_failure(without_frames)


def exit_code_of(end: CommandEnd, error: MainspringError | None) -> int:
    """Return the exit code of `exec`, as GNU timeout and a shell define it."""
    if end.timed_out:
        return TIMED_OUT
    if isinstance(error, NotProduced):
        return NOT_PRODUCED
    code = error.returncode if isinstance(error, CommandFailed) else end.code
    return SIGNAL_EXIT_BASE - code if code < 0 else code


def failure_reason_of(failure: Failure | None) -> FailureReason:
    """Return the reason why the run failed."""
    if failure is not None and failure.code == NotProduced.code:
        return FailureReason.NO_OUTPUT
    if failure is not None and failure.kind is FailureKind.PERMANENT:
        return FailureReason.PERMANENT_ERROR
    return FailureReason.RETRIES_EXHAUSTED
