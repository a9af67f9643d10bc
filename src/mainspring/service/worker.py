"""Operations on a worker, which is identified by the number of its session: drain, quarantine."""

from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.sessions import DeclareSessionDead, DrainSession


def drain(store: Store, session: int, *, act: OperationContext) -> None:
    """Let a worker claim nothing new and finish what it has.

    Raises:
        NotFoundError: no live session has this number.
    """
    perform(store, act, "drain", f"worker:{session}", DrainSession(session))


def quarantine(store: Store, session: int, *, act: OperationContext) -> int:
    """Take all runs from a worker that misbehaves, at once; return how many were released for others.

    Its session ends, so it can write nothing more. Its supervisor kills it within a second and starts no replacement until `mainspring up`
    itself is started again there. Until then an outside call in progress may still happen: only idempotency keys prevent that.

    Raises:
        ConflictError: the session has ended, or is this process's own.
    """
    freed = perform(store, act, "quarantine", f"worker:{session}", DeclareSessionDead(session, quarantined=True))
    return freed.number
