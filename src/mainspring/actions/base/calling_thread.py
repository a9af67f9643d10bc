"""The calling thread of an action that waits: it must not be the one of an event loop."""

import asyncio

from mainspring.domain.errors import DefinitionError, OutsideStepError
from mainspring.engine.attempts.context_flags import IN_BODY


def refuse_body(name: str) -> None:
    """Raise OutsideStepError in the body of a workflow."""
    if IN_BODY.get():
        raise OutsideStepError(name)


def refuse_event_loop(name: str) -> None:
    """Raise DefinitionError if a loop runs in this thread: the action would block it; OutsideStepError in the body of a workflow."""
    refuse_body(name)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise DefinitionError(
        f"{name} would block the event loop",
        hint=f"Call it in a `def` step, or write: await asyncio.to_thread({name}, ...)",
    )
