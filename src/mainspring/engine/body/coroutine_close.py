"""Closing the coroutines of a body that is unloaded, those that fight it too.

Python offers a coroutine its end by raising GeneratorExit in it; code that swallows that and waits for something else goes
on. It cannot be forced. So it is closed a few times and then left as it stands: never run again, and never freed, for
freeing it would run it once more, in whatever loop there is then, or in none.
"""

import asyncio
import contextlib
import ctypes
import sys
from collections.abc import Iterator
from typing import Any

_MAX_CLOSES = 3
"""A `finally` may wait for something; the next time it is closed there, and ends."""


def close_task(task: "asyncio.Task[Any]", loop: asyncio.AbstractEventLoop) -> bool:
    """Close a task's coroutine as if the task ran, for what its clean-up asks has to see that. False if it was left standing."""
    coro: Any = task.get_coro()
    standing: list[Any] = []
    before = _swap_current_task(loop, task)
    try:
        for _ in range(_MAX_CLOSES):
            standing = list(
                {id(one): one for one in (*standing, *_awaited_chain(coro)) if _is_unfinished(one)}.values()
            )
            with contextlib.suppress(BaseException):
                coro.close()
            if not any(map(_is_unfinished, standing)):
                return True
    finally:
        _swap_current_task(loop, before)
    for one in filter(_is_unfinished, standing):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))
    return False


def _awaited_chain(coro: Any) -> Iterator[Any]:
    """Yield a coroutine and those that it awaits, one inside the other."""
    while coro is not None:
        yield coro
        coro = getattr(coro, "cr_await", None)


def _is_unfinished(coro: Any) -> bool:
    return getattr(coro, "cr_frame", None) is not None


def _swap_current_task(loop: asyncio.AbstractEventLoop, task: Any) -> Any:
    """Make a task the one that runs now, whatever ran before; return that."""
    if sys.version_info >= (3, 12):
        return asyncio.tasks._swap_current_task(loop, task)  # type: ignore[attr-defined]  # noqa: SLF001
    before = asyncio.current_task(loop)
    if before is not None:
        asyncio.tasks._leave_task(loop, before)  # noqa: SLF001
    if task is not None:
        asyncio.tasks._enter_task(loop, task)  # noqa: SLF001
    return before
