"""The calling thread of an action: not in the body of a workflow, and of an action that waits not the one of an event loop."""

import asyncio

from mainspring.domain.errors import DefinitionError, OutsideStepError
from mainspring.engine.attempts.context_flags import IN_BODY


def refuse_body(name: str) -> None:
    """Raise OutsideStepError in the body of a workflow."""
    if IN_BODY.get():
        raise OutsideStepError(name)


def refuse_event_loop(name: str, *, has_async_form: bool = False) -> None:
    """Raise DefinitionError if a loop runs in this thread: the action would block it; OutsideStepError in the body of a workflow.

    `has_async_form` = there is another action, such as `http.request_async`, to write instead.
    """
    refuse_body(name)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    hint = f"Call it in a `def` step, or write: await asyncio.to_thread({name}, ...)"
    raise DefinitionError(
        f"{name} would block the event loop", hint=f"Write: await {name}_async(...)" if has_async_form else hint
    )
