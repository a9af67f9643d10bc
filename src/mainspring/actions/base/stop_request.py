"""The request to stop an action: a cancel or a time-out of its step, or a cancel of the task that awaits it.

An action in a thread has to notice it itself.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

from mainspring.engine.attempts.attempt_reports import ProgressReport
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.step_context import CURRENT_STEP, StepContext, raise_attempt_closed


class StoppableCall:
    """A call of an action in a thread, for a task that may be cancelled before it ends. Any thread may stop it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stoppers: list[Callable[[], None]] = []
        self._is_stopped = False

    def stop(self) -> None:
        """Call the stoppers of the running blocks, the innermost first, and of each block that begins later."""
        with self._lock:
            self._is_stopped = True
            stoppers = self._stoppers[::-1]
        for stop in stoppers:
            stop()

    @contextmanager
    def stoppable(self, stop: Callable[[], None]) -> Iterator[None]:
        """Let `stop` of the call call this function during the block."""
        with self._lock:
            self._stoppers.append(stop)
            is_stopped = self._is_stopped
        if is_stopped:
            stop()
        try:
            yield
        finally:
            with self._lock:
                self._stoppers.remove(stop)


CURRENT_CALL: ContextVar[StoppableCall | None] = ContextVar("mainspring_action_call", default=None)


@contextmanager
def stoppable(stop: Callable[[], None], processes: Callable[[], list[str]] | None = None) -> Iterator[None]:
    """Let a cancel or a time-out of the step, or a cancel of the awaiting task, call `stop` during the block.

    `processes` = as for `StepContext.stoppable`.
    """
    step, call = None if IN_BODY.get() else CURRENT_STEP.get(), CURRENT_CALL.get()
    with ExitStack() as stack:
        if step is not None:
            stack.enter_context(step.stoppable(stop, processes))
        if call is not None:
            stack.enter_context(call.stoppable(stop))
        yield


class StopRequest:
    """Whether the running action is to stop."""

    def __init__(self, action: str, step: StepContext | None) -> None:
        self._action = action
        self._step = step
        self._event = threading.Event()

    def set(self) -> None:
        """Request the stop."""
        self._event.set()

    def report(self, done: int, total: int | None) -> None:
        """Report the progress of the step. Raises AttemptClosed if the action is to stop."""
        self.raise_if_set()
        if self._step is not None:
            self._step.channel.post(ProgressReport(done, total))

    def without_progress(self) -> "StopRequest":
        """Return the same request for a part of the action, whose progress is not that of the step."""
        part = StopRequest(self._action, None)
        part._event = self._event
        return part

    def pause(self, seconds: float) -> None:
        """Wait. Raises AttemptClosed as soon as the action is to stop."""
        self._event.wait(seconds)
        self.raise_if_set()

    def raise_if_set(self) -> None:
        """Raise AttemptClosed if the action is to stop."""
        if self._event.is_set():
            raise_attempt_closed(self._action if self._step is None else self._step.name)


@contextmanager
def watch_stop_request(action: str) -> Iterator[StopRequest]:
    """Yield the request that is set, as `stoppable` says, during the block."""
    request = StopRequest(action, None if IN_BODY.get() else CURRENT_STEP.get())
    with stoppable(request.set):
        yield request
