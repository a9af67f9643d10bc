"""An attempt that runs now: what those in the loop, in a thread and in a child have in common.

Invariants: `on_end` is called once, from the loop and never inside `start`; after that, or after `close`, the attempt is
closed: none of its signs gets through and a late result is dropped.
"""

import asyncio
import contextvars
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from mainspring.domain.clock import Clock
from mainspring.domain.failures.classifier import Classifier
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.outbox import OutboxEntry
from mainspring.engine.attempts import attempt_end
from mainspring.engine.attempts.attempt_end import AttemptEnd
from mainspring.engine.attempts.attempt_reports import (
    AbandonReport,
    AttemptReport,
    CheckpointReport,
    EndReport,
    LockReport,
    LogReport,
    ProcessReport,
    ReportKind,
    UnlockReport,
)
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.lock_request import LockRequest
from mainspring.engine.attempts.logs.lifecycle_log import is_step_debug_enabled
from mainspring.engine.attempts.pending_checkpoint import PendingCheckpoint
from mainspring.engine.attempts.step_context import (
    CURRENT_STEP,
    SAVED_CHECKPOINT,
    AttemptClosed,
    SavedCheckpoint,
    StepContext,
    raise_attempt_closed,
)
from mainspring.resources.known_secrets import KNOWN_SECRETS

_MAX_PENDING_LINES = 2_000
_THROTTLE_PAUSE_S, _MAX_THROTTLE_PAUSES = 0.002, 250
"""A thread with so many lines on their way waits so long for the loop, so many times at most: the loop may be waiting for the thread."""

EndCallback = Callable[[AttemptEnd], None]
ReportCallback = Callable[[AttemptSpec | None, ReportKind, AttemptReport], None]
StackCallback = Callable[[list[str]], None]
"""Gets lines, outermost first: frames of a stack, processes, or why nothing can be seen."""


class AttemptHost:
    """What all attempts of one loop share."""

    __slots__ = (
        "abandoned",
        "classifier",
        "clock",
        "context",
        "grace_after",
        "live",
        "loop",
        "numbers",
        "on_sign",
        "thread",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        classifier: Classifier,
        clock: Clock,
        on_sign: ReportCallback,
        grace_after: float,
    ) -> None:
        self.loop = loop
        self.thread = threading.get_ident()
        self.classifier = classifier
        self.clock = clock
        self.on_sign = on_sign
        self.grace_after = grace_after
        self.numbers = itertools.count(1)
        """Of requests for locks: its next one may be taken from any thread."""
        self.live: set[LiveAttempt] = set()
        self.abandoned: set[LiveAttempt] = set()
        # Copied once, so that steps see the program's variables but never the body that asked for them.
        self.context = contextvars.copy_context()
        self.context.run(IN_BODY.set, False)
        self.context.run(CURRENT_STEP.set, None)


class LiveAttempt:
    """One attempt under way; also its own channel for signs, unless a child carries them."""

    __slots__ = (
        "_began",
        "_grants",
        "_lines",
        "_on_end",
        "_saves",
        "_timers",
        "_wakes",
        "closed",
        "has_lines",
        "has_locks",
        "host",
        "is_late",
        "outgoing",
        "spec",
        "why_cancelled",
    )

    def __init__(self, host: AttemptHost, spec: AttemptSpec, on_end: EndCallback) -> None:
        self.host = host
        self.spec = spec
        self.closed = False
        self.has_lines = False
        """Whether it has given a line of log."""
        self._lines: deque[LogReport] | None = None
        """Lines given off the loop's thread, on their way to it."""
        self._wakes = False
        self.has_locks = False
        """Whether it has asked for a lock: then it may hold one at its end."""
        self.is_late = False
        self.why_cancelled: str | None = None
        self._on_end = on_end
        self._began = time.perf_counter_ns()
        self._timers: list[asyncio.TimerHandle] = []
        self._saves: set[PendingCheckpoint] = set()
        self._grants: set[LockRequest] = set()
        self.outgoing: list[OutboxEntry] = []
        host.live.add(self)

    def begin(self) -> None:
        """Count the time from here: what came before was waiting for a place to run."""
        self._began = time.perf_counter_ns()

    @property
    def took_us(self) -> int:
        """Time since the call, in microseconds."""
        return (time.perf_counter_ns() - self._began) // 1000

    def step_context(self) -> StepContext:
        """Return what the step's code sees of this attempt."""
        spec = self.spec
        return StepContext(
            self,
            run_id=spec.run_id,
            name=spec.name,
            key=spec.key,
            attempt=spec.attempt,
            automation=spec.automation,
            slot_at=spec.slot_at,
            saved=spec.checkpoint,
            payload_max=spec.payload_max,
        )

    def cancel(self, why: str) -> None:
        """Stop the attempt; its end is reported as cancelled, unless it was already on its way."""
        raise NotImplementedError

    def ask_where(self, told: StackCallback) -> None:
        """Have `told` called in the loop, at once or soon, with where its code stands; never, if the attempt ends before."""
        raise NotImplementedError

    def after(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back in the loop after so many seconds, unless the attempt ends first."""
        self._timers.append(self.host.loop.call_later(seconds, callback, context=self.host.context))

    def stop_timers(self) -> None:
        """Take back every `after`."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def finish(self, end: AttemptEnd) -> None:
        """Report the end; only the first one counts."""
        if not self.closed:
            if end.failure is not None or end.refused is not None:
                redact = KNOWN_SECRETS.redactor.redact_failure
                end.failure = end.failure and redact(end.failure)
                end.refused = end.refused and redact(end.refused)
            if self.has_lines or not end.ok or is_step_debug_enabled():
                ended = EndReport(end.failure or end.refused, end.took_us, end.cancelled, end.output)
                self.host.on_sign(self.spec, ReportKind.ENDED, ended)
            self.close()
            if self.outgoing and end.failure is None:
                end.outgoing = tuple(self.outgoing)
            self._on_end(end)

    def close(self) -> None:
        """Let nothing of this attempt through any more."""
        self.closed = True
        self.host.live.discard(self)
        if self._timers:
            self.stop_timers()
        if self._saves or self._grants:
            closed = AttemptClosed(f"step {self.spec.name!r} was given up before what it waits for was committed")
            for save in tuple(self._saves):
                save.ack(closed)
            for grant in tuple(self._grants):
                grant.answer(closed)
        if self.has_locks:
            self.host.on_sign(self.spec, ReportKind.UNLOCK, UnlockReport(None))

    @property
    def is_stopped(self) -> bool:
        """Whether we asked it to end: cancelled or timed out."""
        return self.is_late or self.why_cancelled is not None

    def stopped(self, cause: Failure | None = None) -> AttemptEnd:
        """Return the end of an attempt that we stopped. `cause` is what its code then failed with."""
        if self.why_cancelled is not None:
            return attempt_end.end_with_cancellation(self.spec, self.why_cancelled, self.took_us, cause)
        return attempt_end.end_with_timeout(self.spec, self.took_us, cause)

    def abandon(self, why: str) -> None:
        """Report the end of code that goes on running, and that it does."""
        if self.closed:
            return
        self.host.abandoned.add(self)
        self.sign(AbandonReport(why))
        self.finish(self.stopped())

    def sign(self, sign: AttemptReport) -> None:
        """Hand a sign to the engine; in the loop's thread."""
        if not self.closed:
            self.has_lines |= isinstance(sign, LogReport)
            self.host.on_sign(self.spec, sign.kind, sign)
        elif isinstance(sign, CheckpointReport | ProcessReport) and sign.ack is not None:
            sign.ack(AttemptClosed("too late"))  # a lock that was asked for is answered by `close`

    def post(self, sign: AttemptReport) -> None:
        """Hand a sign to the engine; from any thread."""
        if self.closed:
            raise_attempt_closed(self.spec.name)
        if threading.get_ident() == self.host.thread:
            self.sign(sign)
        elif isinstance(sign, LogReport):
            self._post_line(sign)
        else:
            self.call_soon(self.sign, sign)

    def _post_line(self, sign: LogReport) -> None:
        """Hand over a line off the loop's thread: many by one call. Who writes faster than the loop reads is slowed down, within bounds."""
        lines = self._lines
        if lines is None:
            lines = self._lines = deque()
        lines.append(sign)
        if not self._wakes:
            self._wakes = True
            self.call_soon(self._take_lines)
        for _ in range(_MAX_THROTTLE_PAUSES):
            if len(lines) < _MAX_PENDING_LINES or self.closed:
                return
            time.sleep(_THROTTLE_PAUSE_S)

    def _take_lines(self) -> None:
        self._wakes = False
        lines = self._lines
        while lines:
            self.sign(lines.popleft())

    def save(self, data: bytes) -> SavedCheckpoint | PendingCheckpoint:
        """Hand a checkpoint to the engine; off the loop's thread, wait for its commit."""
        if self.closed:
            raise_attempt_closed(self.spec.name)
        save = PendingCheckpoint(self.host, self.forget)
        self._saves.add(save)
        self.post(CheckpointReport(data, save.ack))
        if threading.get_ident() == self.host.thread:
            return save
        save.wait()
        return SAVED_CHECKPOINT

    def record(self, outgoing: OutboxEntry) -> None:
        """Keep what is to be sent with the end of this attempt; from any thread."""
        if self.closed:
            raise_attempt_closed(self.spec.name)
        self.outgoing.append(outgoing)

    def lock(self, name: str, within_s: float) -> LockRequest:
        """Ask for a lock; from any thread."""
        if self.closed:
            raise_attempt_closed(self.spec.name)
        grant = LockRequest(next(self.host.numbers))
        self._grants.add(grant)
        self.has_locks = True

        def answer(result: int | BaseException) -> None:
            self._grants.discard(grant)
            grant.answer(result)

        self.post(LockReport(grant.number, name, within_s, answer))
        return grant

    def call_soon(self, callback: Callable[..., None], *args: Any) -> None:
        """Call back in the loop, from any thread; a loop that is gone ends the attempt's code."""
        try:
            self.host.loop.call_soon_threadsafe(callback, *args, context=self.host.context)
        except RuntimeError:  # the loop is closed: nobody is left who could count what we say
            raise_attempt_closed(self.spec.name)

    def forget(self, save: PendingCheckpoint) -> None:
        """Drop a checkpoint that is settled."""
        self._saves.discard(save)
