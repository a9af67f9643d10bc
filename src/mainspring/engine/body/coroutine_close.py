"""Close the coroutines of an unloaded body, including those that swallow their end.

Python raises GeneratorExit in a coroutine to end it; code that swallows it and awaits something else continues.
It cannot be forced. So it is closed a few times and then left unfinished: never run again, and never freed, because
freeing it would run it once more, in any other loop or in none.
"""

import asyncio
import contextlib
import ctypes
import sys
from collections.abc import Iterator
from typing import Any

_MAX_CLOSES = 3
"""A `finally` may await something; the next close ends it there."""


def close_task(task: "asyncio.Task[Any]", loop: asyncio.AbstractEventLoop) -> bool:
    """Close a task's coroutine as if the task ran, because its clean-up may use the current task. False if it was left unfinished."""
    coro: Any = task.get_coro()
    unfinished: list[Any] = []
    before = _swap_current_task(loop, task)
    try:
        for _ in range(_MAX_CLOSES):
            unfinished = list(
                {id(item): item for item in (*unfinished, *_awaited_chain(coro)) if _is_unfinished(item)}.values()
            )
            with contextlib.suppress(BaseException):
                coro.close()
            if not any(map(_is_unfinished, unfinished)):
                return True
    finally:
        _swap_current_task(loop, before)
    for coroutine in filter(_is_unfinished, unfinished):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(coroutine))
    return False


def _awaited_chain(coro: Any) -> Iterator[Any]:
    """Yield a coroutine and the chain of coroutines that it awaits."""
    while coro is not None:
        yield coro
        coro = getattr(coro, "cr_await", None)


def _is_unfinished(coro: Any) -> bool:
    return getattr(coro, "cr_frame", None) is not None


def _swap_current_task(loop: asyncio.AbstractEventLoop, task: Any) -> Any:
    """Make a task the current one; return the previous one."""
    if sys.version_info >= (3, 12):
        return asyncio.tasks._swap_current_task(loop, task)  # type: ignore[attr-defined]  # noqa: SLF001
    before = asyncio.current_task(loop)
    if before is not None:
        asyncio.tasks._leave_task(loop, before)  # noqa: SLF001
    if task is not None:
        asyncio.tasks._enter_task(loop, task)  # noqa: SLF001
    return before
