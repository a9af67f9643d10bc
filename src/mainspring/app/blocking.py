"""Blocking twins of coroutines: for programs without an event loop, such as a view of Flask or Django, or a script."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from mainspring.domain.errors import ConflictError

T = TypeVar("T")


def run_blocking(coroutine: Coroutine[Any, Any, T], call: str, instead: str = "await {}(...)") -> T:
    """Run a coroutine to its end in this thread; `call` = its name for a reader, such as "app.start". `instead` = how to call its twin.

    Raises:
        ConflictError: an event loop runs in this thread, and would be blocked.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    coroutine.close()
    raise ConflictError(
        f"{call}_sync blocks, but an event loop runs in this thread", hint=f"Write instead: {instead.format(call)}"
    )
