"""Acts on a worker, which is known by the number of its session: drain, quarantine."""

from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.results import NumberAnswer
from mainspring.store.commands.sessions import DeclareSessionDead, DrainSession


def drain(store: Store, session: int, *, act: OperationContext) -> None:
    """Let a worker claim nothing new; what it has goes on.

    Raises:
        NotFoundError: no live session has this number.
    """
    perform(store, act, "drain", f"worker:{session}", DrainSession(session))


def quarantine(store: Store, session: int, *, act: OperationContext) -> int:
    """Take everything away from a worker that misbehaves, at once; return how many runs were set free for others.

    Its session is over, so it can write nothing more; its supervisor kills it within a second and starts no other in its place until
    `mainspring up` itself is started anew there. Until then an outside call that is on its way may still happen: only idempotency keys
    stop that.

    Raises:
        ConflictError: the session has ended, or is this process's own.
    """
    freed: NumberAnswer = perform(
        store, act, "quarantine", f"worker:{session}", DeclareSessionDead(session, quarantined=True)
    )
    return freed.number
