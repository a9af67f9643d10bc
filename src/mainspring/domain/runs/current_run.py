"""The current run: the one whose workflow body is executed now, for code that no one gives a `run`: a library that the body calls.

Only the engine sets it. A step does not see it, although both may run in one thread: its context is not that of the body.
"""

import weakref
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Protocol, Self
from uuid import UUID


class CurrentRun(Protocol):
    """The part of `ms.Run` that integrations use."""

    @property
    def id(self) -> str: ...
    def now(self) -> datetime: ...
    def uuid(self) -> UUID: ...
    def options(self, **options: Any) -> Self: ...
    def library_branch(self, name: str, is_internal: Callable[[Any], bool]) -> Any: ...
    def library_step(self, branch: Any, call: Callable[..., Any], *args: Any) -> Coroutine[Any, Any, Any]: ...
    def ask(self, question: str, **options: Any) -> Coroutine[Any, Any, Any]: ...


RUN_OF_BODY: ContextVar["weakref.ref[Any] | None"] = ContextVar("mainspring_run_of_body", default=None)
"""Weak: a task keeps its context after its end, and the run would keep the body of that task."""


def find_current_run() -> CurrentRun | None:
    """Return the run of the body that calls this; None in a step, and outside of runs."""
    reference = RUN_OF_BODY.get()
    return None if reference is None else reference()
