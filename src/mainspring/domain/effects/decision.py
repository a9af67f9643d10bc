"""Decide what a call of a key may do: the rules of ADR 0025 as one pure function."""

from enum import StrEnum

from mainspring.domain.effects.effect import EffectCall, EffectRecord, Recovery
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

    `session` = that of the caller; `is_holder_live` = the session of the row's holder lives, or it has none. `is_on_hold` = the store was
    restored and not released: an effect that is not on record may have happened.
    """
    if effect is None:
        return _decide_unproven(call.recovery, may_repeat=False) if is_on_hold else EffectDecision.BEGIN
    if effect.state is EffectState.PENDING and is_holder_live and not _has_attempt_ended(effect, call):
        return _decide_held(effect, call, session)
    if effect.state is EffectState.DONE:
        return _decide_done(effect, call, now)
    if call.within_ms is not None and _is_over(effect, call.within_ms, now):
        return EffectDecision.BEGIN
    if call.within_ms is None and effect.identity_hash != call.identity_hash:
        return EffectDecision.CONFLICT
    return _decide_unproven(call.recovery, may_repeat=True)


def settled_instant(effect: EffectRecord, now: int) -> int:
    """Return the instant from which a window counts; one in the future counts as now, for the clock was put back."""
    return min(now, effect.started_at if effect.settled_at is None else effect.settled_at)


def _has_attempt_ended(effect: EffectRecord, call: EffectCall) -> bool:
    """Tell whether the holder is an earlier attempt of the caller's step: two attempts of one step never run at once."""
    holder = call.holder
    return (
        effect.run is not None
        and (effect.run, effect.ident) == (holder.run, holder.ident)
        and (effect.step_key, effect.attempt) != (holder.step_key, holder.attempt)
    )


def _decide_held(effect: EffectRecord, call: EffectCall, session: int | None) -> EffectDecision:
    holder = call.holder
    if effect.session != session:
        return EffectDecision.WAIT
    if effect.call_id == holder.call_id:
        return EffectDecision.CONTINUE
    is_same_attempt = effect.run is not None and (effect.run, effect.ident) == (holder.run, holder.ident)
    return EffectDecision.NESTED if is_same_attempt else EffectDecision.WAIT


def _decide_done(effect: EffectRecord, call: EffectCall, now: int) -> EffectDecision:
    is_same = effect.identity_hash == call.identity_hash
    if call.within_ms is None:
        return EffectDecision.SKIP if is_same else EffectDecision.CONFLICT
    if _is_over(effect, call.within_ms, now) and not _has_attempt_ended(effect, call):
        return EffectDecision.BEGIN
    if is_same:
        return EffectDecision.SKIP
    return EffectDecision.CONFLICT if call.must_match else EffectDecision.SUPPRESS


def _is_over(effect: EffectRecord, within_ms: int, now: int) -> bool:
    return settled_instant(effect, now) + within_ms <= now


def _decide_unproven(recovery: Recovery, *, may_repeat: bool) -> EffectDecision:
    if recovery is Recovery.CHECK:
        return EffectDecision.CHECK
    return EffectDecision.REPEAT if recovery is Recovery.KEYED and may_repeat else EffectDecision.DOUBT
