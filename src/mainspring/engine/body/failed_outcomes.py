"""The failed outcomes of one body, and those that caused its end: a person's retry repeats them.

A failure caused the end if the body's error is it, contains it (a group) or was raised from it. So did each later failure
that no code handled: its own branch ended with it too, or its request was cancelled by then. A failure that the code
caught is settled: the code did something else instead, so the step must not be tried again.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.saved_error import SavedError, StepFailed
from mainspring.domain.runs.journal import Outcome
from mainspring.domain.states import OutcomeState


class FailedOutcomes:
    """Failed outcomes in the order of delivery."""

    def __init__(self) -> None:
        self._delivered: list[tuple[Outcome, asyncio.Task[Any] | None]] = []
        self._undelivered: list[Outcome] = []

    def add_delivered(self, outcome: Outcome, task: "asyncio.Task[Any] | None") -> None:
        """Add a failure that was delivered to the requesting task."""
        self._delivered.append((outcome, task))

    def add_undelivered(self, outcome: Outcome) -> None:
        """Add an outcome that no code awaited any more, if it is a failure."""
        if outcome.state is OutcomeState.FAILED:
            self._undelivered.append(outcome)

    def ident_of(self, failure: Failure) -> str | None:
        """Return the request to which this failure object was delivered."""
        return next((outcome.ident for outcome, _ in self._delivered if outcome.failure is failure), None)

    def causes_of(self, error: BaseException) -> list[str]:
        """Return the requests whose failures caused this error, in rank order; none if it is the body's own error."""
        raised = {id(failure) for failure in _underlying_failures(error)}
        first = min((outcome.rank for outcome, _ in self._delivered if id(outcome.failure) in raised), default=None)
        if first is None:
            return []
        idents = {outcome.rank: outcome.ident for outcome, _ in self._delivered if id(outcome.failure) in raised}
        idents |= {
            outcome.rank: outcome.ident
            for outcome, task in self._delivered
            if outcome.rank > first and _ended_with(task, outcome)
        }
        idents |= {outcome.rank: outcome.ident for outcome in self._undelivered if outcome.rank > first}
        return [idents[rank] for rank in sorted(idents)]

    def unawaited(self) -> list[Outcome]:
        """Return the failures that ended a task that no code awaited: Python marks its error until it is retrieved."""
        return [
            outcome
            for outcome, task in self._delivered
            if task is not None and getattr(task, "_log_traceback", False) and _ended_with(task, outcome)
        ]


def _ended_with(task: "asyncio.Task[Any] | None", outcome: Outcome) -> bool:
    if task is None or not task.done() or task.cancelled():
        return False
    error = task.exception()
    return error is not None and any(failure is outcome.failure for failure in _underlying_failures(error))


def _underlying_failures(error: BaseException) -> Iterator[Failure]:
    """Yield the failures that an error is, contains or was raised from."""
    pending, seen = [error], set[int]()
    while pending:
        current = pending.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, StepFailed | SavedError):
            yield current.failure
        if isinstance(current, BaseExceptionGroup):
            pending.extend(current.exceptions)
        if current.__cause__ is not None:
            pending.append(current.__cause__)
