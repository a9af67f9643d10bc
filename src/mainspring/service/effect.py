"""Operations on an effect: forget it, or confirm that it happened."""

from mainspring.domain.effects.identity import require_key
from mainspring.domain.values.codec import encode
from mainspring.domain.values.sealing import Sealing
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.effects import ConfirmEffect, ForgetEffect


def forget_effect(store: Store, key: str, *, act: OperationContext) -> None:
    """Delete the record of an effect, so that the next call of its key performs it.

    Raises:
        NotFoundError: the ledger has no such key.
        ConflictError: a live holder is performing the effect.
    """
    perform(store, act, "forget", f"effect:{require_key(key)}", ForgetEffect(key))


def confirm_effect(store: Store, key: str, result: object, *, sealing: Sealing, act: OperationContext) -> None:
    """Record that an effect of unknown outcome happened, with its result (None = without one).

    Raises:
        NotFoundError: the ledger has no such key.
        ConflictError: its outcome is known, or a holder is performing it.
        ValueRefusedError: the result cannot be saved.
    """
    data = None
    if result is not None:
        data = sealing.seal(encode(result, value_name=f"result of effect {key!r}", limit=sealing.limit))
    perform(store, act, "confirm", f"effect:{require_key(key)}", ConfirmEffect(key, data, str(act.actor), act.reason))
