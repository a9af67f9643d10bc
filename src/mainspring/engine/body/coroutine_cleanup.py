"""Cleanup of a body's coroutines: its async generators at their end, and all that still run when it is unloaded."""

import asyncio
import contextlib
import ctypes
import functools
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from contextvars import Context
from types import AsyncGeneratorType
from typing import Any

from mainspring.engine.attempts.current_task import swap_current_task

_MAX_CLOSES = 16
"""A `finally` may await something; the next close ends it there. A library has several of them, one in another."""

_GENERATOR_STEPS = frozenset({"async_generator_asend", "async_generator_athrow"})
_Generator = Any  # of the interpreter's own type: the public type has neither frame nor name


class AsyncGenerators:
    """The generators that the code of one body started. `make_task` creates a task of the body; `task_runs` returns whether one runs now.

    A generator that is left by `break` dies with its last reference, which is at a fixed place of the code: a task closes it
    there. A generator that the garbage collector finds, at a random moment, waits for the end of the body with those that are
    still referenced. The interpreter keeps the hooks that were set at a generator's first iteration, so they are set around each
    drive of the loop.

    `closed`: the body is unloaded, so no `finally` may run any more.
    """

    def __init__(self, make_task: Callable[[Any], "asyncio.Task[Any]"], task_runs: Callable[[], bool]) -> None:
        self.closed = False
        self._make_task = make_task
        self._task_runs = task_runs
        self._count = 0
        self._living: weakref.WeakValueDictionary[int, _Generator] = weakref.WeakValueDictionary()
        self._collected: list[tuple[int, _Generator]] = []
        self._closings: list[asyncio.Task[Any]] = []

    def on_first_iteration(self, generator: _Generator) -> None:
        """Add a generator at its first iteration."""
        _watch_collector()  # only when a generator exists: each collection costs a call
        self._count += 1
        self._living[self._count] = generator

    def on_finalize(self, generator: _Generator) -> None:
        """Close a generator that nothing refers to any more."""
        if self.closed:
            return
        if self._task_runs() and _COLLECTING.get("thread") != threading.get_ident():
            coroutine: Any = _close(generator)
            coroutine.__qualname__ = (
                f"{generator.__qualname__}.aclose"  # names the branch of the requests of its `finally`
            )
            self._closings = [task for task in self._closings if not _has_succeeded(task)]
            self._closings.append(self._make_task(coroutine))
        else:
            self._count += 1
            self._collected.append((self._count, generator))

    def take(self) -> list[_Generator]:
        """Return, once, the generators that are neither exhausted nor running, in the order of their first iterations."""
        generators = sorted([*self._living.items(), *self._collected])
        self._living.clear()
        self._collected.clear()
        return [generator for _, generator in generators if generator.ag_frame is not None and not generator.ag_running]

    def take_closings(self) -> "list[asyncio.Task[Any]]":
        """Return, once, the tasks that close generators and have not succeeded."""
        closings, self._closings = self._closings, []
        return [task for task in closings if not _has_succeeded(task)]


async def _close(generator: _Generator) -> None:
    await generator.aclose()


def _has_succeeded(task: "asyncio.Task[Any]") -> bool:
    return task.done() and (task.cancelled() or task.exception() is None)


_COLLECTING: dict[str, int] = {}
"""The thread in which the garbage collector runs now, under "thread"."""


@functools.cache
def _watch_collector() -> None:
    gc.callbacks.append(_note_collection)


def _note_collection(phase: str, _info: dict[str, int]) -> None:
    if phase == "start":
        _COLLECTING["thread"] = threading.get_ident()
    else:
        _COLLECTING.pop("thread", None)


def close_task(task: "asyncio.Task[Any]", loop: asyncio.AbstractEventLoop, context: Context) -> bool:
    """Close a task's coroutine as if the task ran, because its clean-up may use the current task. False if it was left unfinished.

    It is closed in the task's own `context`, for only there can it reset its context variables.

    Python raises GeneratorExit in a coroutine to end it; code that swallows it and awaits something else continues.
    It cannot be forced. So it is closed a few times and then left unfinished: never run again, and never freed, because
    freeing it would run it once more, in any other loop or in none. What awaited it gets an error and ends before it, so each
    is closed by itself.
    """
    root: Any = task.get_coro()
    parts = {id(root): root}
    before = swap_current_task(loop, task)
    try:
        for _ in range(_MAX_CLOSES):
            for part in list(parts.values()):
                # Also what clean-up awaits since the last close: when it ends with an error, nothing else refers to that.
                parts |= {id(awaited): awaited for awaited in _awaited_chain(part)}
            for part in reversed(list(parts.values())):
                if _generator_of(part) is not None:  # before Python 3.13 its `close` does not reach the generator
                    with contextlib.suppress(BaseException):
                        context.run(part.throw, GeneratorExit())
            for part in list(parts.values()):
                parts |= {id(awaited): awaited for awaited in _awaited_chain(part)}
                if part is root or _is_unfinished(part):
                    with contextlib.suppress(BaseException):
                        context.run(part.close)
            if not any(map(_is_unfinished, parts.values())):
                return True
    finally:
        swap_current_task(loop, before)
    for part in filter(_is_unfinished, parts.values()):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(part))
    return False


def _awaited_chain(part: Any) -> Iterator[Any]:
    """Yield a coroutine and the chain of coroutines, and of steps of async generators, that it awaits."""
    while part is not None:
        generator = _generator_of(part)
        if generator is None and not hasattr(part, "cr_await"):
            return
        yield part
        part = part.cr_await if generator is None else generator.ag_await


def _is_unfinished(part: Any) -> bool:
    """Whether a coroutine has not ended. The step of a generator does not count: freeing a generator runs none of its code."""
    return getattr(part, "cr_frame", None) is not None


def _generator_of(part: Any) -> _Generator | None:
    """Return the async generator that an awaited step (`asend`, `athrow`, `aclose`) drives; the interpreter has no name for it."""
    if type(part).__name__ not in _GENERATOR_STEPS:
        return None
    return next((item for item in gc.get_referents(part) if isinstance(item, AsyncGeneratorType)), None)
