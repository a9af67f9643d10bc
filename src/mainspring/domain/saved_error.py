"""Saved errors: exceptions that stand for one which was raised in another process, or before a replay.

Role: the `__cause__` of `StepFailed` and `RunFailed`. It is made of the saved failure alone, so a replay gets the same one as the first
execution, and nothing is in it that redaction or a codec has taken out.
"""

import builtins
import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mainspring.domain.failure import Failure

_SHOWN_FRAMES = 10
_NEVER = (StopIteration, StopAsyncIteration, BaseExceptionGroup)
"""Python itself acts on these when they are raised, or makes them of other arguments."""


class SavedError(Exception):
    """An exception as the journal keeps it. `isinstance` finds the built-in class that was raised; `failure` is all that is known."""

    def __init__(self, failure: "Failure") -> None:
        Exception.__init__(self, failure.message)
        self.failure = failure
        self.__cause__ = None if failure.cause is None else saved_error(failure.cause)
        if failure.frames:
            shown = failure.frames[-_SHOWN_FRAMES:]
            self.add_note("raised at, innermost last:\n" + "\n".join(f"  {frame}" for frame in shown))

    def __str__(self) -> str:
        place = self.failure.place
        return f"{self.failure.message} ({place})" if place else self.failure.message


def saved_error(failure: "Failure") -> SavedError:
    """Return the exception that stands for a failure; its class has the name of the one that was raised."""
    return _class_named(failure.type)(failure)


@functools.lru_cache(maxsize=256)
def _class_named(type_name: str) -> type[SavedError]:
    """Return a class of this name, "module.Name"; a subclass of the built-in class if it names one."""
    module, _, name = type_name.rpartition(".")
    raised = getattr(builtins, type_name, None)
    bases: tuple[type, ...] = (SavedError,)
    if isinstance(raised, type) and issubclass(raised, Exception) and not issubclass(raised, _NEVER):
        bases = (SavedError,) if raised is Exception else (SavedError, raised)
    names = {"__module__": module or "builtins", "__qualname__": name, "__doc__": SavedError.__doc__}
    return type(name, bases, names)
