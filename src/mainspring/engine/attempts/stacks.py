"""Stacks of threads and tasks of this process: lines "file:line function", outermost first, printable and bounded."""

import asyncio
import gc
import selectors
import sys
from types import AsyncGeneratorType, CodeType, FrameType
from typing import Any

from mainspring.domain.text.escaping import escape

MAX_FRAMES = 40
MAX_LINE_LENGTH = 300
_GENERATOR_STEPS = ("async_generator_asend", "async_generator_athrow")
_LOOP_RUNNER_CODE = asyncio.BaseEventLoop.run_until_complete.__code__


def read_thread_stack(thread: int) -> list[str]:
    """Return the stack of a thread (`threading.get_ident()`): the innermost 40 frames.

    For a loop that waits for events its own frames say nothing: the stack of the task that it runs is returned instead.
    """
    frame: FrameType | None = sys._current_frames().get(thread)  # noqa: SLF001 - the documented way
    waits = frame is not None and frame.f_code.co_filename == selectors.__file__
    lines: list[str] = []
    while frame is not None and len(lines) < MAX_FRAMES:
        if (
            waits
            and frame.f_code is _LOOP_RUNNER_CODE
            and isinstance(task := frame.f_locals.get("future"), asyncio.Task)
        ):
            lines = read_task_stack(task)[::-1][: MAX_FRAMES - 1]
        lines.append(_line(frame.f_code, frame.f_lineno))
        frame = frame.f_back
    return lines[::-1]


def read_task_stack(task: "asyncio.Task[Any]") -> list[str]:
    """Return the stack of a task that waits, through the coroutines and tasks that it awaits."""
    lines: list[str] = []
    waits: Any = task
    for _ in range(MAX_FRAMES):
        frame, inner = _frame_of(waits.get_coro() if isinstance(waits, asyncio.Task) else waits)
        if frame is not None:
            lines.append(_line(frame.f_code, frame.f_lineno))
        if isinstance(waits, asyncio.Task):
            task = waits
        # A coroutine that awaits a future shows an iterator; its task knows the future.
        waits = _awaited_code(inner) or _awaited_task(task)
        if waits is None:
            break
    return lines


def _frame_of(code: Any) -> tuple[FrameType | None, Any]:
    """Return the frame of a coroutine, or of a generator in its place, and the object that it awaits."""
    for prefix, waits in (("cr", "cr_await"), ("gi", "gi_yieldfrom"), ("ag", "ag_await")):
        if hasattr(code, f"{prefix}_frame"):
            return getattr(code, f"{prefix}_frame"), getattr(code, waits)
    return None, None


def _awaited_code(waits: Any) -> Any:
    """Return the awaited object if it is code; the step of an async generator refers to it."""
    if hasattr(waits, "cr_frame") or hasattr(waits, "gi_frame"):
        return waits
    if type(waits).__name__ in _GENERATOR_STEPS:
        return next((item for item in gc.get_referents(waits) if isinstance(item, AsyncGeneratorType)), None)
    return None


def _awaited_task(task: "asyncio.Task[Any]") -> "asyncio.Task[Any] | None":
    """Return the task that a task awaits; of several gathered ones the first that still runs."""
    waits = getattr(task, "_fut_waiter", None)
    gathered = getattr(waits, "_children", ())
    running = (item for item in (waits, *gathered) if isinstance(item, asyncio.Task) and not item.done())
    return next(running, None)


def _line(code: CodeType, number: int | None) -> str:
    return escape(" ".join(f"{code.co_filename}:{number} {code.co_qualname}".split()), MAX_LINE_LENGTH)
