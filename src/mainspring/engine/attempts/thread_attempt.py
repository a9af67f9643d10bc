"""An attempt of a `def` step in a thread. A thread cannot be stopped: on a time-out or cancellation the attempt is abandoned at once.

A result of the thread after that no longer counts.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from enum import Enum
from typing import Any

from mainspring.engine.attempts import attempt_end
from mainspring.engine.attempts.attempt_end import AttemptEnd
from mainspring.engine.attempts.attempt_host import AttemptHost, EndCallback, StackCallback
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.isolation import is_async
from mainspring.engine.attempts.live_attempt import LiveAttempt
from mainspring.engine.attempts.logs.log_capture import post_last_lines
from mainspring.engine.attempts.pending_answer import WAITING_THREADS
from mainspring.engine.attempts.stacks import read_thread_stack
from mainspring.engine.attempts.step_context import CURRENT_STEP, AttemptClosed
from mainspring.engine.attempts.thread_pool import DaemonThreadPool


class _Phase(Enum):
    QUEUED = 1
    RUNNING = 2
    ENDED = 3
    ABANDONED = 4


class ThreadAttempt(LiveAttempt):
    """Runs one function in a thread of the pool; its time-out counts from the start in the thread."""

    __slots__ = ("_ident", "_lock", "_phase", "_step", "_threads")

    def __init__(self, host: AttemptHost, spec: AttemptSpec, on_end: EndCallback, threads: DaemonThreadPool) -> None:
        super().__init__(host, spec, on_end)
        self._threads = threads
        self._lock = threading.Lock()
        self._step = self.step_context()
        self._ident: int | None = None
        self._phase = _Phase.QUEUED
        threads.submit(self._serve)

    @property
    def is_working(self) -> bool:
        """Whether its function runs, or waits for a thread, and not for the engine."""
        return self._phase in (_Phase.QUEUED, _Phase.RUNNING) and self._ident not in WAITING_THREADS

    def request_stack(self, on_stack: StackCallback) -> None:
        """Report the frames of the thread, or the processes of the command that it waits for."""
        processes = self._step.processes
        if self._ident is None:
            on_stack(["it waits for a free thread: worker.threads sets how many there are"])
        else:
            on_stack((processes() if processes is not None else []) or read_thread_stack(self._ident))

    def _serve(self) -> bool:
        """Run in the pool; return whether the thread was abandoned meanwhile."""
        with self._lock:
            if self.closed or self._phase is not _Phase.QUEUED:
                return False
            self._phase = _Phase.RUNNING
            self._ident = threading.get_ident()
        self.begin()
        try:
            if self.spec.timeout is not None or self.spec.heartbeat is not None:
                self.call_in_loop(self.start_limits)
            end = self.host.step_context.copy().run(self._call)
        except AttemptClosed:  # only from call_in_loop: the loop is closed
            return False
        with self._lock:
            is_abandoned = self._phase is _Phase.ABANDONED
            self._phase = _Phase.ENDED
        self._call_in_loop_if_open(self.end_code if is_abandoned else self.finish, end)
        return is_abandoned

    def _call(self) -> AttemptEnd:
        CURRENT_STEP.set(self._step)
        spec = self.spec
        try:
            if not self.host.middleware and spec.headers is None:
                value = call_to_end(spec.fn, spec.args, spec.kwargs)
            else:
                value = _call_surrounded(self)
        except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt of a step are its failures
            end = attempt_end.end_with_error(error, self.host.classifier, self.host.clock, self.duration_us)
            if not self.is_stopped:
                return end
            return self.stopped(None if isinstance(error, AttemptClosed) else end.failure)
        finally:
            if self._step.printed:
                post_last_lines(self._step)
        return attempt_end.end_with_result(spec, value, self.host.classifier, self.duration_us)

    def _call_in_loop_if_open(self, callback: Callable[[Any], None], argument: object) -> None:
        with contextlib.suppress(AttemptClosed):  # the loop is closed: no code is left to handle it
            self.call_in_loop(callback, argument)

    def stop_code(self) -> None:
        """Stop the attempt and report from a later turn of the loop. An end that was reported already comes first.

        A running function is abandoned.
        """
        stopper = self._step.stopper
        if stopper is not None and self._phase is _Phase.RUNNING:
            self._step.stopper = None
            stopper()
            self.after(self.host.grace_after, self.stop_code)
            return
        with self._lock:
            phase, self._phase = self._phase, _Phase.ABANDONED
            if phase is _Phase.RUNNING:
                self._threads.replace_hung_thread()
                cause = "timed out" if self.cancel_reason is None else "was cancelled"
                reason = f"step {self.spec.name!r} {cause}; its thread cannot be stopped"
                self.host.loop.call_soon(self.abandon, reason, context=self.host.context)
            elif phase is _Phase.QUEUED:
                self.host.loop.call_soon(lambda: self.finish(self.stopped()), context=self.host.context)


def _call_surrounded(attempt: ThreadAttempt) -> Any:
    from mainspring.engine.attempts.step_middleware import call_surrounded_to_end  # noqa: PLC0415 - few programs have middleware

    return call_surrounded_to_end([known.instance for known in attempt.host.middleware], attempt.spec)


def call_to_end(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call a function outside the engine's loop; a coroutine is run to its end in its own loop."""
    if is_async(fn):
        return asyncio.run(fn(*args, **kwargs))
    return fn(*args, **kwargs)
