"""A call of a library as a step: the coroutine that it made, and its context variables."""

import contextvars
import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from mainspring.domain.errors import Permanent

_OWN_VARIABLES = "mainspring"
"""The start of the names of the engine's context variables: a step has its own."""


class LibraryCall:
    """One call of `function`, made in the body and run in the step, once for each attempt; a worker that replays the body makes its own.

    It sees the context variables of the body (tracing, overrides of the library), except the engine's own and the `skipped`. `permanent`
    = errors that a retry cannot help. All calls are equal: caches of the engine by function then hold one of them, not all.
    """

    __module__ = (
        "library"  # steps of users' code, not of the engine: a renamed agent is noticed like a renamed function
    )

    def __init__(
        self,
        function: Callable[[], Awaitable[object]],
        *,
        permanent: tuple[type[Exception], ...] = (),
        skipped: tuple[str, ...] = (),
    ) -> None:
        self.__name__ = "library_call"
        self.was_executed = False
        self._function = function
        self._permanent = permanent
        self._skipped = skipped
        self._context = contextvars.copy_context()

    async def __call__(self, request: Any) -> Any:
        """Run it in a step; `request` describes it for the journal."""
        self.was_executed = True
        for variable, value in self._context.items():
            if not variable.name.startswith(_OWN_VARIABLES) and variable.name not in self._skipped:
                variable.set(value)
        try:
            return await self._function()
        except self._permanent as error:
            raise Permanent(f"{type(error).__name__}: {error}") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LibraryCall)

    def __hash__(self) -> int:
        return hash(LibraryCall)


def describe_value(value: Any) -> Any:
    """Return a value of a library as JSON data; what JSON has no form for is named by its type."""
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value, fallback=lambda item: type(item).__qualname__, inf_nan_mode="strings")


def hash_value(value: Any) -> str:
    """Return a digest of JSON data."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
