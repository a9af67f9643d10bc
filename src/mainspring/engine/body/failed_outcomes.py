"""The failed outcomes of one body, and which of them led to its end: those a person's retry repeats.

A failure led to the end if the body's error is it, holds it (a group) or was raised from it. So did each later one that
nobody mended: its own branch ended with it too, or it came for a request that the body had given up by then. A failure
that the code caught and went on from is settled: what was done instead of it stands, so it must not be tried again.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.saved_error import SavedError, StepFailed
from mainspring.domain.runs.journal import Outcome
from mainspring.domain.states import OutcomeState


class FailedOutcomes:
    """Failed outcomes in the order in which they came."""

    def __init__(self) -> None:
        self._told: list[tuple[Outcome, asyncio.Task[Any] | None]] = []
        self._untold: list[Outcome] = []

    def told(self, outcome: Outcome, task: "asyncio.Task[Any] | None") -> None:
        """Note a failure that was handed to the task that had asked."""
        self._told.append((outcome, task))

    def untold(self, outcome: Outcome) -> None:
        """Note an outcome that came when nobody waited for it any more, if it is a failure."""
        if outcome.state is OutcomeState.FAILED:
            self._untold.append(outcome)

    def ident_of(self, failure: Failure) -> str | None:
        """Return the request that this very failure was handed to."""
        return next((outcome.ident for outcome, _ in self._told if outcome.failure is failure), None)

    def led_to(self, error: BaseException) -> list[str]:
        """Return the requests whose failures led to this error, in rank order; none if it is the body's own."""
        raised = {id(failure) for failure in _underlying_failures(error)}
        first = min((outcome.rank for outcome, _ in self._told if id(outcome.failure) in raised), default=None)
        if first is None:
            return []
        found = {outcome.rank: outcome.ident for outcome, _ in self._told if id(outcome.failure) in raised}
        found |= {o.rank: o.ident for o, task in self._told if o.rank > first and _ended_with(task, o)}
        found |= {outcome.rank: outcome.ident for outcome in self._untold if outcome.rank > first}
        return [found[rank] for rank in sorted(found)]

    def unawaited(self) -> list[Outcome]:
        """Return the failures that ended a task which no code has awaited: Python keeps that until the error is retrieved."""
        return [
            outcome
            for outcome, task in self._told
            if task is not None and getattr(task, "_log_traceback", False) and _ended_with(task, outcome)
        ]


def _ended_with(task: "asyncio.Task[Any] | None", outcome: Outcome) -> bool:
    if task is None or not task.done() or task.cancelled():
        return False
    error = task.exception()
    return error is not None and any(failure is outcome.failure for failure in _underlying_failures(error))


def _underlying_failures(error: BaseException) -> Iterator[Failure]:
    """Yield the failures that an error is, holds or was raised from."""
    left, seen = [error], set[int]()
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, StepFailed | SavedError):
            yield one.failure
        if isinstance(one, BaseExceptionGroup):
            left.extend(one.exceptions)
        if one.__cause__ is not None:
            left.append(one.__cause__)
