"""Effects without a key of the user: their keys, and the earlier effects that a later attempt has to meet again.

Role: a call without `once=` has a key of what it does: action, hash of the arguments, count. So calls match by what they do, not by their
order. A call that an earlier attempt did not make may be one of its effects with other arguments: `EarlierEffects` finds that.
"""

from collections.abc import Collection, Iterable

import msgspec

from mainspring.domain.effects.effect import EarlierEffect
from mainspring.domain.effects.identity import hash_identity
from mainspring.domain.ids import hash_parts
from mainspring.domain.states import EffectState

_HASH_DIGITS = 12
_CHECKPOINT_MARK = "@"


class EffectScope(msgspec.Struct, frozen=True):
    """The maker of a call: one attempt of a step, or the function of an outer effect.

    `prefix` = the start of the keys of all its effects; `number` = the attempt, or the intent of the outer effect. `is_new` = nothing has
    made calls under this prefix before. `step_key` = the idempotency key of the step, "" outside of steps. `checkpoint` = the mark of the
    checkpoint that the step has saved last, `started_from` = of the one that its attempt found, both "" without one. `is_resumed` = its
    code has read that checkpoint.
    """

    prefix: str
    number: int
    is_new: bool
    step_key: str = ""
    checkpoint: str = ""
    started_from: str = ""
    is_resumed: bool = False


def name_use(action: str, identity: bytes) -> str:
    """Return what an action does with these arguments, as a part of a key; `identity` is canonical JSON without known secrets."""
    return f"{action}#{hash_identity(identity)[:_HASH_DIGITS]}"


def mark_checkpoint(step_key: str, value: bytes | None) -> str:
    """Return the mark of a saved checkpoint of a step."""
    return "" if value is None else hash_parts(step_key.encode(), value)[:_HASH_DIGITS]


def add_mark(call_id: str, mark: str) -> str:
    """Return the id of a call with the mark of the checkpoint under which it is made."""
    return f"{call_id}{_CHECKPOINT_MARK}{mark}"


class EarlierEffects:
    """The effects of earlier attempts under the prefix of a scope. `released` = the keys of those that did not happen."""

    def __init__(self, effects: Iterable[EarlierEffect], released: Collection[str], scope: EffectScope) -> None:
        self._scope = scope
        self._effects = {effect.key: effect for effect in effects}
        self._known = self._effects.keys() | set(released)
        self._unmet: dict[str, dict[str, EarlierEffect]] = {}
        """The effects that this attempt has to meet again, by action."""
        for key, effect in self._effects.items():
            if not self._is_behind(effect) and not effect.is_permitted:
                self._unmet.setdefault(_action_of(key), {})[key] = effect

    def meet(self, key: str, *, is_resumed: bool) -> EarlierEffect | None:
        """Note a call; return its effect if the code has continued after it: then the call may be another one with the same arguments."""
        effect = self._effects.get(key)
        if effect is not None and is_resumed and self._is_behind(effect):
            return effect
        self._unmet.get(_action_of(key), {}).pop(key, None)
        return None

    def find_rival(self, key: str) -> EarlierEffect | None:
        """Return an effect that this call may be, with other arguments: one of the same action that this attempt has not met."""
        if key in self._known:
            return None
        return next(iter(self._unmet.get(_action_of(key), {}).values()), None)

    def _is_behind(self, effect: EarlierEffect) -> bool:
        """Tell whether the effect was done before the checkpoint from which this attempt started: it does not have to come again."""
        if effect.state is not EffectState.DONE or effect.step_key != self._scope.step_key:
            return False
        _, has_mark, mark = effect.call_id.rpartition(_CHECKPOINT_MARK)
        return bool(has_mark) and self._scope.started_from not in ("", mark)


def _action_of(key: str) -> str:
    return key.rpartition("#")[0]
