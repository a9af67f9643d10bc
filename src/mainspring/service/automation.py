"""Acts on an automation as a whole: pause, resume, retire."""

from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.automations import PauseAutomation, ResumeAutomation, RetireAutomation


def pause(store: Store, name: str, *, act: OperationContext, until_at: int | None = None) -> None:
    """Let nothing of it be made or claimed until it is resumed, or until the instant (ms UTC). A run that a worker holds continues.

    Raises:
        NotFoundError: there is no such automation.
    """
    command = PauseAutomation(name, until_at, str(act.actor), act.reason)
    perform(store, act, "pause", f"automation:{name}", command, {"until_at": until_at})


def resume(store: Store, name: str, *, act: OperationContext) -> None:
    """Take a pause, or a retirement, back.

    Raises:
        NotFoundError: there is no such automation.
        ConflictError: it is not paused.
    """
    perform(store, act, "resume", f"automation:{name}", ResumeAutomation(name))


def retire(store: Store, name: str, *, act: OperationContext) -> None:
    """Declare it gone for good: its schedules end and no one misses it. Its failed runs stay undecided.

    Raises:
        NotFoundError: there is no such automation.
    """
    perform(store, act, "retire", f"automation:{name}", RetireAutomation(name))
