"""The request to stop an action: a cancel or a time-out of its step, which an action in a thread has to notice itself."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mainspring.engine.attempts.attempt_reports import ProgressReport
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.step_context import CURRENT_STEP, StepContext, raise_attempt_closed


class StopRequest:
    """Whether the running step is to stop; outside of steps it never is."""

    def __init__(self, action: str, step: StepContext | None) -> None:
        self._action = action
        self._step = step
        self._event = threading.Event()

    def set(self) -> None:
        """Request the stop."""
        self._event.set()

    def report(self, done: int, total: int | None) -> None:
        """Report the progress of the step. Raises AttemptClosed if it is to stop."""
        self.raise_if_set()
        if self._step is not None:
            self._step.channel.post(ProgressReport(done, total))

    def without_progress(self) -> "StopRequest":
        """Return the same request for a part of the action, whose progress is not that of the step."""
        part = StopRequest(self._action, None)
        part._event = self._event
        return part

    def pause(self, seconds: float) -> None:
        """Wait. Raises AttemptClosed as soon as the step is to stop."""
        self._event.wait(seconds)
        self.raise_if_set()

    def raise_if_set(self) -> None:
        """Raise AttemptClosed if the step is to stop."""
        if self._event.is_set():
            raise_attempt_closed(self._action if self._step is None else self._step.name)


@contextmanager
def watch_stop_request(action: str) -> Iterator[StopRequest]:
    """Yield the request that a cancel or a time-out of the step sets during the block."""
    step = None if IN_BODY.get() else CURRENT_STEP.get()
    request = StopRequest(action, step)
    if step is None:
        yield request
        return
    with step.stoppable(request.set):
        yield request
