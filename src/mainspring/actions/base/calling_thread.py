"""The calling thread of an action: not in the body of a workflow, and of an action that blocks not the one of an event loop.

Nothing here imports asyncio, so that a script which only writes a file starts soon.
"""

import functools
import sys
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from mainspring.domain.errors import DefinitionError, OutsideStepError
from mainspring.engine.attempts.context_flags import IN_BODY

P = ParamSpec("P")
R = TypeVar("R")


def refuse_body(name: str) -> None:
    """Raise OutsideStepError in the body of a workflow."""
    if IN_BODY.get():
        raise OutsideStepError(name)


def refuse_event_loop(name: str) -> None:
    """Raise DefinitionError if a loop runs in this thread: the action would block it; OutsideStepError in the body of a workflow."""
    refuse_body(name)
    if "asyncio" not in sys.modules:
        return
    try:
        sys.modules["asyncio"].get_running_loop()
    except RuntimeError:
        return
    raise DefinitionError(f"{name} would block the event loop", hint=f"Write: await {name}_async(...)")


def in_thread(fn: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Return the async form of an action, `NAME_async` in the same module: it runs the action in a thread of its own.

    A cancel of the awaiting task stops what the action has made stoppable, and waits for the end of the thread, so that no work continues
    unnoticed.
    """
    name = f"{fn.__name__}_async"
    action = f"{fn.__module__.split('.')[2]}.{name}"

    @functools.wraps(fn)
    async def call_in_thread(*args: P.args, **kwargs: P.kwargs) -> R:
        from mainspring.actions.base.thread_call import await_thread

        refuse_body(action)
        return await await_thread(functools.partial(fn, *args, **kwargs), action)

    call_in_thread.__name__ = call_in_thread.__qualname__ = name
    return call_in_thread
