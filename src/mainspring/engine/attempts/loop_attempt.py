"""An attempt of an `async def` step in the engine's own loop: one task and one copy of the context.

A coroutine that swallows its cancellation is abandoned after a grace period. If it returns a value instead of ending, the
attempt succeeded, because its value is known.
"""

import asyncio
from typing import Any

from mainspring.engine.attempts import attempt_end
from mainspring.engine.attempts.attempt_end import AttemptEnd
from mainspring.engine.attempts.attempt_host import AttemptHost, EndCallback, StackCallback
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.live_attempt import LiveAttempt
from mainspring.engine.attempts.logs.log_capture import post_last_lines
from mainspring.engine.attempts.stacks import read_task_stack
from mainspring.engine.attempts.step_context import CURRENT_STEP


class LoopAttempt(LiveAttempt):
    """Drives one coroutine."""

    __slots__ = ("_end", "_task")

    def __init__(self, host: AttemptHost, spec: AttemptSpec, on_end: EndCallback) -> None:
        super().__init__(host, spec, on_end)
        self._end: AttemptEnd | None = None
        task = host.loop.create_task(self._drive(), context=host.step_context.copy())
        # The end is reported from a callback: on_end drives bodies, and a task may not be entered inside a task.
        task.add_done_callback(self._done, context=host.context)
        self._task: asyncio.Task[Any] | None = task
        if spec.timeout is not None or spec.heartbeat is not None:
            self.start_limits()

    async def _drive(self) -> None:
        step = self.step_context()
        CURRENT_STEP.set(step)
        spec = self.spec
        try:
            if not self.host.middleware and spec.headers is None:
                value = await spec.fn(*spec.args, **spec.kwargs)
            else:
                value = await _call_surrounded(self)
        except GeneratorExit:  # the loop is being closed
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit of one step must not stop the loop
            self._end = self._failed(error)
        else:
            self._end = attempt_end.end_with_result(spec, value, self.host.classifier, self.duration_us)
        if step.printed:
            post_last_lines(step)

    def _failed(self, error: BaseException) -> AttemptEnd:
        if self.is_stopped and issubclass(type(error), asyncio.CancelledError):
            return self.stopped()
        end = attempt_end.end_with_error(error, self.host.classifier, self.host.clock, self.duration_us)
        return self.stopped(end.failure) if self.is_stopped else end

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._task = None  # it refers to this attempt through its context: leave no cycle for the garbage collector
        self.end_code(self._end or self.stopped())  # without an end it was cancelled before its first turn

    def request_stack(self, on_stack: StackCallback) -> None:
        """Report the frames of the coroutine, and of the code that it awaits."""
        if self._task is not None:
            on_stack(read_task_stack(self._task))

    def stop_code(self) -> None:
        """Cancel the coroutine, and abandon it if it does not end."""
        if self._task is not None:
            self._task.cancel()
        cause = "timed out and ignored" if self.cancel_reason is None else "ignored"
        reason = f"{cause} its cancellation for {self.host.grace_after:g} s"
        self.after(self.host.grace_after, lambda: self.abandon(f"step {self.spec.name!r} {reason}"))

    def close(self) -> None:
        """Close the attempt, and stop the coroutine if it still runs."""
        super().close()
        if self._task is not None and not self._task.done():
            self._task.cancel()


async def _call_surrounded(attempt: LoopAttempt) -> Any:
    from mainspring.engine.attempts.step_middleware import call_surrounded  # noqa: PLC0415 - few programs have middleware

    return await call_surrounded([known.instance for known in attempt.host.middleware], attempt.spec)
