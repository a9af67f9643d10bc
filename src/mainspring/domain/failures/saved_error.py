"""Saved errors: exceptions that represent one which was raised in another process, or before a replay.

Role: the `__cause__` of `StepFailed` and `RunFailed`. It is made of the saved failure alone, so a replay gets the same one as the first
execution, and it contains nothing that redaction or a codec has removed.
"""

import builtins
import functools
from typing import TYPE_CHECKING

from mainspring.domain.errors import MainspringError

if TYPE_CHECKING:
    from mainspring.domain.failures.failure import Failure

_MAX_FRAMES = 10
_UNSAFE_BASES = (StopIteration, StopAsyncIteration, BaseExceptionGroup)
"""Python itself handles these specially when they are raised, or makes them of other arguments."""


class SavedError(Exception):
    """An exception as the journal stores it. `isinstance` finds the built-in class that was raised; only `failure` is known."""

    def __init__(self, failure: "Failure") -> None:
        Exception.__init__(self, failure.message)
        self.failure = failure
        self.__cause__ = None if failure.cause is None else make_saved_error(failure.cause)
        if failure.frames:
            frames = failure.frames[-_MAX_FRAMES:]
            self.add_note("raised at, innermost last:\n" + "\n".join(f"  {frame}" for frame in frames))

    def __str__(self) -> str:
        place = self.failure.place
        return f"{self.failure.message} ({place})" if place else self.failure.message


def make_saved_error(failure: "Failure") -> SavedError:
    """Return the exception that represents a failure; its class has the name of the one that was raised."""
    return _make_error_class(failure.type)(failure)


@functools.lru_cache(maxsize=256)
def _make_error_class(type_name: str) -> type[SavedError]:
    """Return a class of this name, "module.Name"; a subclass of the built-in class if it names one."""
    module, _, name = type_name.rpartition(".")
    raised = getattr(builtins, type_name, None)
    bases: tuple[type, ...] = (SavedError,)
    if isinstance(raised, type) and issubclass(raised, Exception) and not issubclass(raised, _UNSAFE_BASES):
        bases = (SavedError,) if raised is Exception else (SavedError, raised)
    names = {"__module__": module or "builtins", "__qualname__": name, "__doc__": SavedError.__doc__}
    return type(name, bases, names)


class StepFailed(MainspringError):
    """A step or child of this run ended without success; the same content live and in replay.

    `__cause__` represents the error that ended it: its type, words and place, as they were saved.
    """

    def __init__(self, step: str, failure: "Failure") -> None:
        super().__init__(f"{step}: {failure.headline}", hint=failure.hint)
        self.__cause__ = make_saved_error(failure)
        self.words = f"{step}: {failure.message}"
        self.step = step
        self.failure = failure
        self.code = failure.code
        self.reason = failure.message
        self.data = failure.data


class UpdateFailed(MainspringError):
    """The handler of an update raised: the error is the reply, and the run continues.

    `reason` = its message alone, as for a person. `__cause__` represents that error.
    """

    code = "update_failed"

    def __init__(self, run_id: str, name: str, failure: "Failure") -> None:
        super().__init__(f"update {name!r} of run {run_id}: {failure.headline}", hint=failure.hint)
        self.__cause__ = make_saved_error(failure)
        self.run_id = run_id
        self.name = name
        self.failure = failure
        self.reason = failure.message


class UpdateRejected(UpdateFailed):
    """The run did not accept an update: its value does not fit, or a check of the code refused it. Nothing of it happened."""

    code = "update_rejected"


class RunEnded(UpdateFailed):
    """The run ended before it replied to an update: it did not wait for the handler, or never registered one."""

    code = "run_ended"


class QueryFailed(MainspringError):
    """The code of a run could not answer a query; the run is unharmed.

    `reason` = the message of its error alone. `__cause__` represents that error.
    """

    code = "query_failed"

    def __init__(self, run_id: str, name: str, failure: "Failure") -> None:
        super().__init__(f"query {name!r} of run {run_id}: {failure.headline}", hint=failure.hint)
        self.__cause__ = make_saved_error(failure)
        self.run_id = run_id
        self.name = name
        self.failure = failure
        self.reason = failure.message


class RunFailed(MainspringError):
    """The run ended in `state`, which is not success; `failure` is None when nothing was raised (cancelled).

    `__cause__` represents the error that ended it: its type, words and place, as they were saved.
    """

    code = "run_failed"

    def __init__(self, run_id: str, state: str, failure: "Failure | None" = None) -> None:
        headline_text, message_text = ("", "") if failure is None else (f": {failure.headline}", f": {failure.message}")
        super().__init__(f"run {run_id} is {state}{headline_text}", hint=failure.hint if failure is not None else None)
        self.__cause__ = None if failure is None else make_saved_error(failure)
        self.words = f"run {run_id} is {state}{message_text}"
        self.run_id = run_id
        self.state = state
        self.failure = failure
