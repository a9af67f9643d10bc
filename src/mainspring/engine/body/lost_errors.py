"""Lost errors of one body: those of tasks that no code awaited, and those of callbacks.

As in asyncio, the error of a task counts as handled once code retrieves it. The tasks are kept here until then: asyncio itself reports such
an error when the task is freed, at a moment that the garbage collector chooses.
"""

import asyncio
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from mainspring.domain.failures.saved_error import StepFailed

_PRUNED_FROM = 64


class LostError(NamedTuple):
    """An error that no code handled, and where it was raised."""

    error: BaseException
    origin: Literal["task", "callback"]

    @property
    def hint(self) -> str:
        """The reason why the error ends the run, and the fix."""
        if self.origin == "callback":
            return (
                "A callback raised this error, so no code could handle it. Catch it in the callback. "
                "Then: mainspring runs retry RUN"
            )
        return (
            "Nothing awaited the task that ended with this error. Await the task, start it in an asyncio.TaskGroup, "
            "or catch the error in the task. Then: mainspring runs retry RUN"
        )


class LostErrors:
    """The lost errors in the order in which they were raised."""

    def __init__(self) -> None:
        self._errors: list[LostError | asyncio.Task[Any]] = []
        self._pruned_at = _PRUNED_FROM

    def add_task(self, task: "asyncio.Task[Any]") -> None:
        """Add a task that has just ended, if it ended with an error."""
        if not _is_unretrieved(task):
            return
        if len(self._errors) >= self._pruned_at:
            self._errors = [item for item in self._errors if isinstance(item, LostError) or _is_unretrieved(item)]
            self._pruned_at = max(_PRUNED_FROM, 2 * len(self._errors))
        self._errors.append(task)

    def add_callback(self, error: BaseException) -> None:
        """Add the error of a callback; a cancel is none."""
        if not isinstance(error, asyncio.CancelledError):
            self._errors.append(LostError(error, "callback"))

    def __iter__(self) -> Iterator[LostError]:
        """Yield the errors that no code has handled, without marking them as handled."""
        for item in self._errors:
            if isinstance(item, LostError):
                yield item
            elif _is_unretrieved(item) and (error := item._exception) is not None:  # noqa: SLF001  exception() would mark it as handled
                yield LostError(error, "task")

    def raise_first(self) -> None:
        """Raise the first error of the workflow's own code, if there is one. A failed step or child is a hint on the run instead."""
        for lost in self:
            if lost.origin == "callback" or not _is_failed_step(lost.error):
                raise lost.error

    def find(self, error: BaseException) -> LostError | None:
        """Return the lost error that is this object."""
        return next((lost for lost in self if lost.error is error), None)


def _is_unretrieved(task: "asyncio.Task[Any]") -> bool:
    return bool(getattr(task, "_log_traceback", False))


def _is_failed_step(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_failed_step, error.exceptions))
    return isinstance(error, StepFailed)
