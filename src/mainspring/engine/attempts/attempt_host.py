"""The host of the attempts of one loop: what they share, and the callbacks by which the engine gets their ends, reports and stacks."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from mainspring.domain.clock import Clock
from mainspring.domain.failures.classifier import Classifier
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.domain.values.stored_file import FileChunks, StoreFileChunks
from mainspring.engine.attempts.attempt_end import AttemptEnd
from mainspring.engine.attempts.attempt_reports import AttemptReport, ReportKind
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.context_flags import IN_BODY
from mainspring.engine.attempts.pending_answer import RequestNumbers
from mainspring.engine.attempts.step_context import CURRENT_STEP
from mainspring.resources.attempt_secrets import AttemptSecrets

if TYPE_CHECKING:
    from mainspring.engine.attempts.live_attempt import LiveAttempt
    from mainspring.engine.attempts.step_middleware import RegisteredMiddleware

EndCallback = Callable[[AttemptEnd], None]
ReportCallback = Callable[[AttemptSpec | None, ReportKind, AttemptReport], None]
StackCallback = Callable[[list[str]], None]
"""Receives lines, outermost first: frames of a stack, processes, or the reason why none can be read."""


class AttemptHost:
    """The shared state of all attempts of one loop."""

    __slots__ = (
        "abandoned",
        "classifier",
        "clock",
        "context",
        "files",
        "grace_after",
        "live",
        "loop",
        "middleware",
        "numbers",
        "on_report",
        "secrets",
        "step_context",
        "thread",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        classifier: Classifier,
        clock: Clock,
        on_report: ReportCallback,
        grace_after: float,
        secrets: AttemptSecrets | None = None,
        middleware: "Sequence[RegisteredMiddleware]" = (),
        files: FileChunks | None = None,
    ) -> None:
        self.loop = loop
        self.middleware = middleware
        """The middleware around steps."""
        self.secrets = secrets
        self.files = files or StoreFileChunks(PLAIN_SEALING)
        self.thread = threading.get_ident()
        self.classifier = classifier
        self.clock = clock
        self.on_report = on_report
        self.grace_after = grace_after
        self.numbers = RequestNumbers()
        self.live: set[LiveAttempt] = set()
        self.abandoned: set[LiveAttempt] = set()
        # Empty: no step sees the context variables of the code that started its run or its worker, nor those of the body. In a child
        # process and on another machine it could not see them either.
        self.step_context = contextvars.Context()
        self.context = contextvars.copy_context()
        self.context.run(IN_BODY.set, False)
        self.context.run(CURRENT_STEP.set, None)
