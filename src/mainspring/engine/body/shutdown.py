"""The shutdown of a body whose function has ended: its tasks and its async generators end as under `asyncio.run`.

One thing differs from `asyncio.run`: a step or child that a task has requested is started and awaited first, because a
request is a promise. Timers and other waits of tasks delay nothing. Each action here happens when the body is at rest, so that
a replay does it at the same place of the history.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from mainspring.engine.body.request import Restarted, Unloaded

if TYPE_CHECKING:
    from mainspring.engine.body.body import Body

T = TypeVar("T")


async def run_to_end(function: Coroutine[Any, Any, T], body: "Body") -> T:
    """Return or raise the result of a workflow's function, after its remaining tasks and generators have ended too.

    Raises:
        BodyError: it returned and left a `run.*` coroutine that was never awaited.
        Exception: the error of the function, otherwise that of the `finally` of an async generator that it left.
    """
    try:
        result = await function
    except Restarted:  # an end that is no error
        await _shut_down(body)
        raise
    except (Unloaded, GeneratorExit):
        raise
    except BaseException:
        with contextlib.suppress(Exception, asyncio.CancelledError):
            await _close_generators(body)
        raise
    await _shut_down(body)
    return result


async def _shut_down(body: "Body") -> None:
    loop = body.loop
    if loop.pending_tasks():
        await body.requests_done()
        body.calls.refuse_any()
        body.detach_independent_children()
        for task in loop.pending_tasks():
            task.cancel()
        await body.requests_done()
    await _close_generators(body)
    body.calls.refuse_any()


async def _close_generators(body: "Body") -> None:
    """Run the `finally` of each started, unexhausted async generator, in the order of their starts; raise the first error."""
    generators = body.loop.generators
    errors: list[BaseException] = []
    while closings := [*map(_close, generators.take()), *generators.take_closings()]:
        for closing in closings:
            try:
                await closing
            except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001  close the others all the same
                errors.append(error)
    if errors:
        raise errors[0]


async def _close(generator: AsyncGenerator[Any, Any]) -> None:
    await generator.aclose()
