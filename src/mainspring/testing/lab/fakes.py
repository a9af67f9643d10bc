"""Fakes in the place of steps: a test says what a step returns or raises, and reads with what it was called."""

import inspect
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from mainspring.domain.errors import OptionError
from mainspring.engine.attempts.isolation import is_async, unwrap_function

Raised = BaseException | type[BaseException] | None
_UNSET: Any = object()


class FakeCall(NamedTuple):
    """One call of a fake step."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Fake:
    """Returned by `lab.fake`. `calls` = the calls, in their order; each attempt of the step is one."""

    def __init__(self, fn: Callable[..., Any], returns: Any, raises: Sequence[Raised], side_effect: Any) -> None:
        self.calls: list[FakeCall] = []
        self._name = getattr(fn, "__name__", repr(fn))
        self._returns = returns
        self._raises = raises
        self._side_effect = side_effect
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"<fake of {self._name}, {len(self.calls)} calls>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Record a call. Return or raise what the test ordered."""
        with self._lock:
            number = len(self.calls)
            self.calls.append(FakeCall(args, kwargs))
        error = self._raises[min(number, len(self._raises) - 1)] if self._raises else None
        if error is not None:
            raise error
        return self._returns if self._side_effect is None else self._side_effect(*args, **kwargs)


def make_fake(fn: Callable[..., Any], returns: Any, raises: Any, side_effect: Any) -> tuple[Fake, Callable[..., Any]]:
    """Return a fake of a step and the function that takes its place, which is `async` as the step is.

    Raises:
        OptionError: more than one of `returns` and `side_effect` is given, or what it raises is no error.
    """
    if not callable(fn):
        hint = "Write the function itself: lab.fake(charge, returns=...)."
        raise OptionError(f"lab.fake: expected the function of a step, got {fn!r}", hint=hint)
    if returns is not None and side_effect is not None:
        raise OptionError("lab.fake: returns= and side_effect= were both given", hint="Keep one of them.")
    errors: tuple[Any, ...] = tuple(raises) if isinstance(raises, Iterable) else () if raises is None else (raises,)
    for error in errors:
        kind = error if isinstance(error, type) else type(error)
        if error is not None and not issubclass(kind, BaseException):
            raise OptionError(f"lab.fake: raises={raises!r}: {error!r} is no error", hint="Write raises=TimeoutError.")
    fake = Fake(fn, returns, errors, side_effect)
    if not is_async(fn):
        return fake, fake

    async def call(*args: Any, **kwargs: Any) -> Any:
        result = fake(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    return fake, call


def find_step_function(step: Any) -> Any:
    """Return the function by which the executor knows a step."""
    return unwrap_function(step)
