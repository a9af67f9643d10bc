"""Operations on an effect: forget it, confirm that it happened, or record that its target does not have it."""

from mainspring.domain.effects.effect import CallOutcome, EffectRecord
from mainspring.domain.effects.identity import require_key
from mainspring.domain.values.codec import encode
from mainspring.domain.values.sealing import Sealing
from mainspring.service.actor import OperationContext
from mainspring.service.perform import perform
from mainspring.store.base import Store
from mainspring.store.commands.effects import ConfirmEffect, DisputeEffect, ForgetEffect, SettleEffect

_NOT_AT_TARGET = "it was on record as done, and its check= did not find it at the target"


def forget_effect(store: Store, key: str, *, act: OperationContext) -> None:
    """Delete the record of an effect, so that the next call of its key performs it.

    Raises:
        NotFoundError: the ledger has no such key.
        ConflictError: a live holder is performing the effect.
    """
    perform(store, act, "forget", f"effect:{require_key(key)}", ForgetEffect(key))


def dispute_effect(store: Store, effect: EffectRecord, *, act: OperationContext) -> None:
    """Record that the target does not have an effect that is on record as done. Then it is in doubt until a person decides.

    Raises:
        NotFoundError: the ledger has no such key.
        ConflictError: the effect has changed since it was read, or a person decided that it happened.
    """
    command = DisputeEffect(effect.key, effect.id, effect.intent, _NOT_AT_TARGET)
    perform(store, act, "dispute", f"effect:{effect.key}", command)


def complete_effect(store: Store, effect: EffectRecord, result: bytes | None, *, act: OperationContext) -> None:
    """Record that the target has an effect of unknown outcome, with its sealed result. No person has decided that.

    Raises:
        ConflictError: the effect has changed since it was read.
    """
    command = SettleEffect(effect.key, effect.id, effect.intent, CallOutcome.DONE, result)
    perform(store, act, "confirm", f"effect:{effect.key}", command)


def confirm_effect(store: Store, key: str, result: object, *, sealing: Sealing, act: OperationContext) -> None:
    """Record that an effect of unknown outcome happened, with its result (None = the one on record, if there is one).

    A result replaces that of an effect which a person has confirmed before.

    Raises:
        NotFoundError: the ledger has no such key.
        ConflictError: its outcome is known by a call, or a holder is performing it.
        ValueRefusedError: the result cannot be saved.
    """
    data = None
    if result is not None:
        data = sealing.seal(encode(result, value_name=f"result of effect {key!r}", limit=sealing.limit))
    perform(store, act, "confirm", f"effect:{require_key(key)}", ConfirmEffect(key, data, str(act.actor), act.reason))
