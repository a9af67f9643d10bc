"""Operations on an automation as a whole: pause, resume, retire."""

from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.automations import PauseAutomation, ResumeAutomation, RetireAutomation


def pause(store: Store, name: str, *, act: OperationContext, until_at: int | None = None) -> None:
    """Create and claim no runs of it until it is resumed, or until the instant (ms UTC). A run that a worker has continues.

    Raises:
        NotFoundError: there is no such automation.
    """
    command = PauseAutomation(name, until_at, str(act.actor), act.reason)
    perform(store, act, "pause", f"automation:{name}", command, {"until_at": until_at})


def resume(store: Store, name: str, *, act: OperationContext) -> None:
    """End a pause or a retirement.

    Raises:
        NotFoundError: there is no such automation.
        ConflictError: it is not paused.
    """
    perform(store, act, "resume", f"automation:{name}", ResumeAutomation(name))


def retire(store: Store, name: str, *, act: OperationContext) -> None:
    """End its schedules and monitoring, and keep its history. Its failed runs stay undecided.

    Raises:
        NotFoundError: there is no such automation.
    """
    perform(store, act, "retire", f"automation:{name}", RetireAutomation(name))
