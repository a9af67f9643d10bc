"""The heartbeat timer of one attempt: measures how long it gives no sign of life.

Role: a sign stores its instant, and one timer checks the newest one, so that a sign costs nothing. Invariants: time is that of the loop,
which is monotonic; the time in which the attempt waits for an answer of Mainspring is not counted, nor that in which the loop does not
turn, because then no sign can arrive. Used in the loop's thread.
"""

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable

import msgspec

from mainspring.engine.attempts.attempt_end import LastSign
from mainspring.engine.attempts.attempt_reports import SIGNS_OF_LIFE, AttemptReport, ReportKind

_MAX_DELAY_S = 0.05
"""A check that comes later shows that the loop did not turn."""


class HeartbeatTimer:
    """Calls `on_silence` once, after `span_s` without a sign."""

    __slots__ = (
        "_context",
        "_due_at",
        "_is_extended",
        "_loop",
        "_on_silence",
        "_requests",
        "_sign_at",
        "_since",
        "_span_s",
        "_started_at",
        "_timer",
        "last",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        span_s: float,
        on_silence: Callable[[], None],
        context: contextvars.Context | None = None,
    ) -> None:
        self._loop = loop
        self._span_s = span_s
        self._on_silence = on_silence
        self._context = context
        self._requests: set[object] = set()
        """The requests that wait for an answer of Mainspring."""
        self._since = 0.0
        """When the first of them began to wait."""
        self._started_at = self._sign_at = self._due_at = 0.0
        self._is_extended = False
        """Whether the time of a blocked loop was added since the last sign."""
        self._timer: asyncio.TimerHandle | None = None
        self.last: LastSign | None = None
        """The last sign; None = none since the start."""

    def start(self, allowance_s: float = 0.0) -> None:
        """Start to measure, again from now; the first sign has `allowance_s` more time."""
        self._started_at = self._loop.time()
        self._sign_at = self._started_at + allowance_s
        self._is_extended, self.last = False, None
        self._requests.clear()
        self._schedule_check(self._sign_at + self._span_s)

    def observe(self, report: AttemptReport) -> AttemptReport:
        """Note a report of the attempt. One that waits for an answer pauses the measurement; return it with a callback that resumes it."""
        if report.kind in SIGNS_OF_LIFE:
            self._note_sign(report.kind)
        field = next((name for name in ("ack", "answer") if getattr(report, name, None) is not None), None)
        if field is None:
            return report
        request, callback, thread = self.pause(), getattr(report, field), threading.get_ident()

        def answer(result: object) -> None:
            if threading.get_ident() == thread:
                self.resume(request)
            else:
                with contextlib.suppress(RuntimeError):  # the loop is closed: nothing is measured any more
                    self._loop.call_soon_threadsafe(self.resume, request, context=self._context)
            callback(result)

        return msgspec.structs.replace(report, **{field: answer})

    def _note_sign(self, kind: ReportKind) -> None:
        """Note a sign of life."""
        now = self._loop.time()
        self._sign_at = max(self._sign_at, now)
        self._is_extended = False
        self.last = LastSign(SIGNS_OF_LIFE[kind], round((now - self._started_at) * 1000))

    def pause(self) -> object:
        """Count no time until `resume` is called with the returned object: the attempt waits for an answer."""
        if not self._requests:
            self._since = self._loop.time()
        request = object()
        self._requests.add(request)
        return request

    def resume(self, request: object) -> None:
        """Count time again, if no other request waits. A second call changes nothing."""
        if request not in self._requests:
            return
        self._requests.discard(request)
        if not self._requests:
            self._sign_at += max(self._loop.time() - max(self._since, self._sign_at), 0.0)
            if self._timer is None and self._due_at:
                self._schedule_check(self._sign_at + self._span_s)

    def stop(self) -> None:
        """Measure no longer."""
        self._due_at = 0.0
        self._cancel_timer()

    def _schedule_check(self, at: float) -> None:
        self._cancel_timer()
        self._due_at = at
        self._timer = self._loop.call_later(max(at - self._loop.time(), 0.0), self._check, context=self._context)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        self._timer = None
        if self._requests:
            return  # `resume` schedules the next check
        now, due_at = self._loop.time(), self._sign_at + self._span_s
        delay = now - self._due_at
        if now >= due_at and delay > _MAX_DELAY_S and not self._is_extended:
            self._is_extended = True
            due_at = now + min(delay, self._span_s)
        if now < due_at:
            self._schedule_check(due_at)
        else:
            self._due_at = 0.0
            self._on_silence()
