"""The executor of one worker's attempts: starts each with its isolation and closes those that are left.

Role: the only way from the driver to running user code. Invariants: see `live_attempt`.
"""

import asyncio
import contextvars
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from mainspring.domain.clock import Clock, SystemClock
from mainspring.domain.errors import DefinitionError
from mainspring.domain.failures.classifier import Classifier
from mainspring.domain.processes.child_queue import ChildQueue
from mainspring.domain.values.stored_file import FileChunks
from mainspring.engine.attempts.attempt_hooks import AttemptHooks
from mainspring.engine.attempts.attempt_host import AttemptHost, EndCallback, ReportCallback, StackCallback
from mainspring.engine.attempts.attempt_reports import ReportKind, StartReport
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.isolation import LOOP, PROCESS, THREAD
from mainspring.engine.attempts.logs.lifecycle_log import is_step_debug_enabled
from mainspring.engine.attempts.loop_attempt import LoopAttempt
from mainspring.engine.attempts.processes.child_pool import ChildPool
from mainspring.engine.attempts.processes.process_attempt import ProcessAttempt
from mainspring.engine.attempts.thread_attempt import ThreadAttempt
from mainspring.engine.attempts.thread_pool import DaemonThreadPool
from mainspring.resources.attempt_secrets import AttemptSecrets

if TYPE_CHECKING:
    from mainspring.engine.attempts.step_middleware import RegisteredMiddleware

_GRACE_PERIOD_S = 5.0


class AttemptHandle(Protocol):
    """A started attempt."""

    @property
    def is_unstoppable(self) -> bool:
        """Whether a time-out ended it, but its code still runs, and its end is reported only after that."""
        ...

    @property
    def spec(self) -> AttemptSpec:
        """The step, its arguments and its limits."""
        ...

    def cancel(self, reason: str) -> None:
        """Stop it. Its end is still reported: as cancelled, unless it had ended already."""
        ...

    def request_stack(self, on_stack: StackCallback) -> None:
        """Call `on_stack` in the loop, at once or soon, with the current stack; never, if the attempt ends before."""
        ...


class AttemptExecutor:
    """All running attempts; created and used in the thread of `loop`.

    `threads` is the most plain functions in threads at a time; `children` serve those in processes, and are closed with
    this executor; None = threads serve those too. A coroutine that ignores its cancellation is abandoned after `grace_after` seconds.
    `middleware` = that around steps. `files` = where steps put and read files. `hooks` = those of a test.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        on_report: ReportCallback,
        classifier: Classifier | None = None,
        threads: int = 16,
        children: ChildPool | None = None,
        clock: Clock | None = None,
        grace_after: float = _GRACE_PERIOD_S,
        secrets: AttemptSecrets | None = None,
        middleware: "Sequence[RegisteredMiddleware]" = (),
        files: FileChunks | None = None,
        hooks: AttemptHooks | None = None,
    ) -> None:
        classifier, clock = classifier or Classifier(), clock or SystemClock()
        self._host = AttemptHost(loop, classifier, clock, on_report, grace_after, secrets, middleware, files)
        self._threads = DaemonThreadPool(threads)
        self._children = children
        self._hooks = hooks

    @property
    def child_queue(self) -> ChildQueue | None:
        """The attempts that wait for a child process; None if none does."""
        return None if self._children is None else self._children.queue

    @property
    def step_context(self) -> contextvars.Context:
        """The context variables that the code of each attempt sees in this process; each attempt gets a copy."""
        return self._host.step_context

    @property
    def live_count(self) -> int:
        """Number of attempts that have not ended."""
        return len(self._host.live)

    @property
    def abandoned_count(self) -> int:
        """Number of abandoned attempts whose code still runs here: a reason to recycle this process."""
        return len(self._host.abandoned)

    @property
    def live(self) -> list[AttemptHandle]:
        """The attempts that have not ended."""
        return list(self._host.live)

    @property
    def working(self) -> list[AttemptHandle]:
        """The attempts whose code runs in a thread or a process, or waits for something outside of the engine."""
        return [attempt for attempt in self._host.live if attempt.is_working]

    @property
    def has_only_unstoppable(self) -> bool:
        """Whether attempts are left, and a time-out has ended each of them without stopping its code."""
        return bool(self._host.live) and all(attempt.is_unstoppable for attempt in self._host.live)

    def start(self, spec: AttemptSpec, on_end: EndCallback) -> AttemptHandle:
        """Start an attempt. `on_end` is called once, in the loop, never before this returns.

        Raises:
            DefinitionError: the step cannot run with its isolation.
        """
        if is_step_debug_enabled():
            self._host.on_report(spec, ReportKind.STARTED, StartReport())
        if self._hooks is not None:
            spec, on_end = self._hooks.begin(spec, on_end)
        if spec.isolate == LOOP:
            return LoopAttempt(self._host, spec, on_end)
        if spec.isolate == THREAD or (spec.isolate == PROCESS and self._children is None):
            return ThreadAttempt(self._host, spec, on_end, self._threads)
        if spec.isolate == PROCESS and self._children is not None:
            return ProcessAttempt(self._host, spec, on_end, self._children)
        raise DefinitionError(f"step {spec.name!r} cannot run here: isolate={spec.isolate!r}")

    def close(self) -> None:
        """Abandon the attempts that still run, without a call of their `on_end`."""
        for attempt in tuple(self._host.live):
            attempt.close()
        self._threads.close()
        if self._children is not None:
            self._children.close()
