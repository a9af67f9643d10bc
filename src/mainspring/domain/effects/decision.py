"""Decide what a call of a key may do: the rules of ADR 0025 as one pure function."""

from enum import StrEnum

from mainspring.domain.effects.effect import DECIDED_BY_PARTS, EffectCall, EffectRecord, Recovery
from mainspring.domain.states import EffectState


class EffectDecision(StrEnum):
    """The decision on one call of a key."""

    BEGIN = "begin"
    """Perform a new effect, under a new idempotency key."""
    REPEAT = "repeat"
    """Repeat the effect of unknown outcome, under its idempotency key."""
    CHECK = "check"
    """Ask the target first; perform the effect only if it does not have it."""
    CONTINUE = "continue"
    """Continue: this very call has begun the effect."""
    SKIP = "skip"
    """Return the result on record."""
    SUPPRESS = "suppress"
    """Skip, although the identity differs."""
    WAIT = "wait"
    """Wait for the holder."""
    NESTED = "nested"
    """Fail: the attempt has begun this effect itself, and would wait for itself."""
    CONFLICT = "conflict"
    """Fail: the same key means something else."""
    DOUBT = "doubt"
    """Stop: a person must decide."""


def decide(
    effect: EffectRecord | None,
    call: EffectCall,
    *,
    session: int | None,
    now: int,
    is_holder_live: bool,
    is_on_hold: bool,
) -> EffectDecision:
    """Return what a call may do, `effect` being the row of its key.

    `session` = that of the caller; `is_holder_live` = the session of the row's holder lives. `is_on_hold` = the store was restored and not
    released: an effect that is not on record may have happened.
    """
    if effect is None:
        return _decide_new(call, is_on_hold=is_on_hold)
    if effect.state is EffectState.PENDING and is_holder_live and not _has_attempt_ended(effect, call):
        return _decide_held(effect, call, session)
    if _is_over(effect, call, now):
        return _decide_new(call, is_on_hold=is_on_hold)
    if effect.identity_hash != call.identity_hash and (call.within_ms is None or call.must_match):
        return EffectDecision.CONFLICT
    if effect.state is EffectState.UNKNOWN and effect.decided_by is not None:  # it did not happen, or not as a whole
        if effect.identity_hash == call.identity_hash:
            return EffectDecision.REPEAT
        # A person says that nothing happened. Parts on record did happen, and another call would perform them again.
        return EffectDecision.DOUBT if effect.decided_by == DECIDED_BY_PARTS else EffectDecision.BEGIN
    if effect.state is EffectState.DONE:
        return EffectDecision.SKIP if effect.identity_hash == call.identity_hash else EffectDecision.SUPPRESS
    return _decide_unproven(effect, call)


def settled_instant(effect: EffectRecord, now: int) -> int:
    """Return the instant from which a window counts; one in the future counts as now, for the clock was put back."""
    return min(now, effect.started_at if effect.settled_at is None else effect.settled_at)


def _has_attempt_ended(effect: EffectRecord, call: EffectCall) -> bool:
    """Tell whether the holder is an earlier attempt of the caller's step: two attempts of one step never run at once."""
    holder = call.holder
    if effect.run is None or (effect.run, effect.ident) != (holder.run, holder.ident):
        return False
    return effect.step_key != holder.step_key or (effect.attempt or 0) < (holder.attempt or 0)


def _decide_held(effect: EffectRecord, call: EffectCall, session: int | None) -> EffectDecision:
    holder = call.holder
    if effect.session != session:
        return EffectDecision.WAIT
    if effect.call_id == holder.call_id:
        return EffectDecision.CONTINUE
    is_same_attempt = effect.run is not None and (effect.run, effect.ident) == (holder.run, holder.ident)
    return EffectDecision.NESTED if is_same_attempt else EffectDecision.WAIT


def _is_over(effect: EffectRecord, call: EffectCall, now: int) -> bool:
    """Tell whether the window of the call has passed. It never has for the same step in a later attempt: that wants the same effect.

    An unknown outcome stays for the longest window of all calls: a shorter one does not decide it.
    """
    within_ms = call.within_ms
    if within_ms is None or _has_attempt_ended(effect, call):
        return False
    if effect.state is not EffectState.DONE:
        if effect.within_ms is None:
            return False
        within_ms = max(within_ms, effect.within_ms)
    return settled_instant(effect, now) + within_ms <= now


def _decide_new(call: EffectCall, *, is_on_hold: bool) -> EffectDecision:
    """Decide on an effect that is not on record. In a restored store it may be one of the lost interval, under an unknown key."""
    if is_on_hold and call.recovery is Recovery.CHECK:
        return EffectDecision.CHECK
    return EffectDecision.DOUBT if is_on_hold and not call.is_part else EffectDecision.BEGIN


def _decide_unproven(effect: EffectRecord, call: EffectCall) -> EffectDecision:
    """Decide on an effect of unknown outcome. A repetition is safe only if the earlier call, too, gave its key to the target.

    A call with another identity would check or repeat something else. If the outcome was known, and the target does not have the effect, a
    check would repeat what did happen.
    """
    if effect.disputed or effect.identity_hash != call.identity_hash:
        return EffectDecision.DOUBT
    if call.recovery is Recovery.CHECK:
        return EffectDecision.CHECK
    is_safe = call.recovery is effect.recovery is Recovery.KEYED and effect.state is not EffectState.IN_DOUBT
    return EffectDecision.REPEAT if is_safe else EffectDecision.DOUBT
