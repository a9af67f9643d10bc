"""Operations on a target that actions call: reset."""

from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.targets import ResetTarget


def reset_target(store: Store, target: str, *, act: OperationContext) -> None:
    """Close the circuit breaker of a target, and forget the requests that its rate counts.

    Raises:
        NotFoundError: no request to it is on record.
    """
    perform(store, act, "reset", f"target:{target}", ResetTarget(target))
