"""The ledger of effects: an intent before each effect, its outcome afterwards, and what a call of a key may do."""

import msgspec

from mainspring.domain.effects.decision import EffectDecision, decide, settled_instant
from mainspring.domain.effects.effect import (
    DECIDED_BY_PARTS,
    CallOutcome,
    EffectCall,
    EffectHolder,
    EffectRecord,
    Recovery,
    prefix_of_parts,
)
from mainspring.domain.states import EFFECT_MOVES, EffectMove, EffectState, SessionState
from mainspring.store.commands.effects import (
    BeginEffect,
    ConfirmEffect,
    DisputeEffect,
    EarlierEffectsFound,
    EffectConflict,
    EffectFound,
    EffectGranted,
    ForgetEffect,
    ListEarlierEffects,
    SettleEffect,
)
from mainspring.store.commands.results import DONE, CommandDone, Refused
from mainspring.store.schema.effects.effect_calls import BLOCKED_CALL, MOST_BLOCKED, NEW_CALL, EffectCallRow
from mainspring.store.schema.effects.effects import EARLIER_EFFECT, HELD_EFFECT, NEW_EFFECT
from mainspring.store.transaction import Transaction
from mainspring.store.write.held_store import is_store_on_hold

_LIVE = frozenset({SessionState.ALIVE, SessionState.DRAINING})
_MAX_NOTE = 500
_RESTORED = "the store was restored from a backup: this effect may be one of the lost interval"
_HOLDER_ENDED = "its holder ended without an outcome"
_PERFORMING = {EffectDecision.BEGIN, EffectDecision.REPEAT, EffectDecision.CHECK}


def begin_effect(tx: Transaction, command: BeginEffect) -> EffectGranted | EffectFound | EffectConflict | Refused:
    """Write the intent of an effect, or answer why there is none."""
    call = command.call
    tx.hold("effect", call.key)
    if not is_store_on_hold(tx):
        first = _new_effect(tx, command, None, is_new=True)
        if tx.change("insert_effect", NEW_EFFECT.values(first)):
            return EffectGranted(first.id, first.intent, must_check=False)
    held = HELD_EFFECT.read_first(tx.all("read_effect", (call.key,)))
    effect = None if held is None else held.effect
    decision = decide(
        effect,
        call,
        session=tx.session,
        now=tx.now,
        is_holder_live=held is not None and held.session_state in _LIVE,
        is_on_hold=is_store_on_hold(tx),
    )
    if effect is None or decision in _PERFORMING:
        return _begin(tx, command, effect, decision)
    if decision is EffectDecision.CONTINUE:
        return _grant(effect)
    if decision in (EffectDecision.SKIP, EffectDecision.SUPPRESS):
        return _skip(tx, call, effect, is_suppressed=decision is EffectDecision.SUPPRESS)
    if decision is EffectDecision.CONFLICT:
        return EffectConflict(effect.identity, effect.owner, settled_instant(effect, tx.now))
    if decision is EffectDecision.DOUBT:
        return (
            _doubt(tx, call.holder, effect)
            if effect.state is not EffectState.DONE
            else _begin(tx, command, effect, decision)
        )
    if decision is EffectDecision.NESTED:
        return Refused("nested", f"this attempt is performing effect {call.key!r} already")
    return Refused("held", f"{effect.owner} is performing effect {call.key!r}")


def settle_effect(tx: Transaction, command: SettleEffect) -> CommandDone | Refused:
    """Save the outcome of an intent. A late outcome settles an open doubt of its intent, and never a decision of a person.

    An intent that repeats an effect and releases it proves nothing about the intents before it: the outcome stays unknown. If parts of the
    effect are on record, its row stays too, so that the next call continues after them.
    """
    c = command
    tx.hold("effect", c.key)
    if c.outcome is CallOutcome.DONE and tx.change(
        "complete_effect", (tx.now, c.result, c.refused, c.key, c.id, c.intent)
    ):
        if c.has_parts:
            _delete_parts(tx, c.id)
        return DONE
    held = HELD_EFFECT.read_first(tx.all("read_effect", (c.key,)))
    effect = None if held is None else held.effect
    if effect is None or effect.id != c.id:
        return DONE if tx.again and c.outcome is CallOutcome.RELEASED else _not_held(c.key)
    if effect.intent != c.intent or effect.state is EffectState.DONE or effect.decided_by is not None:
        is_known = effect.state is EffectState.DONE and c.outcome is CallOutcome.DONE and effect.decided_by is None
        return DONE if effect.intent == c.intent and (tx.again or is_known) else _not_held(c.key)
    is_released = c.outcome is CallOutcome.RELEASED and (c.was_checked or not effect.repeats)
    if effect.state is not EffectState.PENDING and not is_released:
        return DONE  # it is on record as unknown
    open_part = tx.value("find_open_part", _range_of_parts(effect.id), int) if is_released else None
    _record_call(tx, _holder_of(effect), effect, c.outcome, c.note)
    if is_released and open_part is None:
        tx.change("delete_effect", (c.key,))
    elif is_released and not open_part:
        _write(
            tx, effect, EffectMove.KEEP, settled_at=tx.now, note=_short(c.note), decided_by=DECIDED_BY_PARTS, disputed=0
        )
    elif effect.state is EffectState.PENDING:
        move = EffectMove.DOUBT if effect.recovery is Recovery.PERSON else EffectMove.LOSE
        _write(tx, effect, move, settled_at=tx.now, note=_short(c.note))
    return DONE


def forget_effect(tx: Transaction, command: ForgetEffect) -> CommandDone | Refused:
    """Delete the row of a key whose holder has ended."""
    tx.hold("effect", command.key)
    held = HELD_EFFECT.read_first(tx.all("read_effect", (command.key,)))
    if held is None:
        return DONE if tx.again else Refused("not_found", f"no effect {command.key!r} is on record")
    if held.effect.state is EffectState.PENDING and held.session_state in _LIVE:
        return Refused("holder_live", f"{held.effect.owner} is performing effect {command.key!r}")
    tx.change("delete_effect", (command.key,))
    _delete_parts(tx, held.effect.id)
    return DONE


def dispute_effect(tx: Transaction, command: DisputeEffect) -> CommandDone | Refused:
    """Make an effect that is on record as done doubtful, unless a person decided that it is."""
    c = command
    tx.hold("effect", c.key)
    held = HELD_EFFECT.read_first(tx.all("read_effect", (c.key,)))
    if held is None:
        return Refused("not_found", f"no effect {c.key!r} is on record")
    effect = held.effect
    if (effect.id, effect.intent) != (c.id, c.intent) or effect.state is not EffectState.DONE or effect.decided_by:
        return DONE if tx.again else Refused("not_done", f"effect {c.key!r} has changed since it was checked")
    _write(tx, effect, EffectMove.DISPUTE, settled_at=tx.now, note=_short(c.note), disputed=1)
    return DONE


def confirm_effect(tx: Transaction, command: ConfirmEffect) -> CommandDone | Refused:
    """Record that an effect did happen, as a person decided. Without a result of that person, the one on record stays.

    A result replaces that of an effect which a person has confirmed before.
    """
    c = command
    tx.hold("effect", c.key)
    held = HELD_EFFECT.read_first(tx.all("read_effect", (c.key,)))
    if held is None:
        return Refused("not_found", f"no effect {c.key!r} is on record")
    if held.effect.state is EffectState.DONE and held.effect.decided_by is not None and c.result is not None:
        _write(tx, held.effect, EffectMove.CORRECT, result=c.result, note=c.reason, decided_by=c.by)
        return DONE
    if held.effect.state not in (EffectState.UNKNOWN, EffectState.IN_DOUBT):
        if tx.again and held.effect.decided_by == c.by:
            return DONE
        if held.effect.state is EffectState.PENDING:
            return Refused("holder_live", f"{held.effect.owner} is performing effect {c.key!r}")
        return Refused("not_in_doubt", f"effect {c.key!r} is {held.effect.state}: nothing is to be decided")
    result = held.effect.result if c.result is None else c.result
    _write(tx, held.effect, EffectMove.COMPLETE, settled_at=tx.now, result=result, note=c.reason, decided_by=c.by)
    _delete_parts(tx, held.effect.id)
    return DONE


def list_earlier_effects(tx: Transaction, command: ListEarlierEffects) -> EarlierEffectsFound:
    """List the effects whose keys begin with a prefix, and those that were released."""
    keys = _range_of(command.prefix)
    released = tx.values("list_released_keys", (*keys, CallOutcome.RELEASED.value), str)
    return EarlierEffectsFound(EARLIER_EFFECT.read_all(tx.all("list_earlier_effects", keys)), released)


def lose_effects(tx: Transaction, session: int) -> None:
    """Make the pending effects of a session that has ended unknown."""
    tx.change("lose_effects_of_session", {"now": tx.now, "session": session, "note": _HOLDER_ENDED})


def find_blocking_doubt(tx: Transaction, run: str, ident: str) -> Refused | None:
    """Refuse to run a step again that would stop at once, because an effect of another holder is in doubt."""
    for call in BLOCKED_CALL.read_all(tx.all("list_blocked_calls", (run, MOST_BLOCKED))):
        if call.ident == ident and (call.window_ends_at is None or call.window_ends_at > tx.now):
            text = f"effect {call.key!r} of {call.owner} may or may not have happened"
            return Refused("effect_in_doubt", f"step {ident!r} of run {run} waits for a decision: {text}")
    return None


def settle_doubts_of_step(tx: Transaction, run: str, ident: str, *, happened: bool) -> None:
    """Settle the effects in doubt of a step, for a person has decided on the step.

    If the step runs again, each effect keeps its idempotency key: if the person is wrong, a target that knows the key drops the duplicate.
    """
    tx.hold_all("effect", [(key,) for key in tx.values("list_doubts_of_step", (run, ident), str)])
    if happened:
        tx.change("confirm_effects_of_step", (tx.now, f"the result given for {run}/{ident}", run, ident))
    else:
        tx.change("permit_doubts_of_step", (tx.now, f"the decision to run {run}/{ident} again", run, ident))


def _begin(
    tx: Transaction, command: BeginEffect, effect: EffectRecord | None, decision: EffectDecision
) -> EffectGranted | Refused:
    is_new = decision is EffectDecision.BEGIN or effect is None or effect.state is EffectState.DONE
    row = _new_effect(tx, command, effect, is_new=is_new)
    if decision is not EffectDecision.BEGIN:
        # What a person decided counts for all intents before.
        repeats = 0 if effect is not None and effect.decided_by is not None else row.repeats + 1
        row = msgspec.structs.replace(row, repeats=repeats)
    if decision is EffectDecision.DOUBT:  # the store is on hold, and nothing can tell whether the effect happened
        _write(tx, row, EffectMove.DOUBT, settled_at=tx.now, note=_RESTORED)
        return _in_doubt(row.key, _RESTORED)
    if effect is not None and effect.state is EffectState.DONE and effect.decided_by is None:
        _record_call(tx, _holder_of(effect), effect, CallOutcome.DONE, None)
    if effect is not None and is_new:
        _delete_parts(tx, effect.id)
    tx.change("write_effect", NEW_EFFECT.values(row))
    return _grant(row)


def _new_effect(tx: Transaction, command: BeginEffect, before: EffectRecord | None, *, is_new: bool) -> EffectRecord:
    """Return the row of an intent; `before` = the row of its key, `is_new` = not the effect of that row."""
    call, holder = command.call, command.call.holder
    same = None if is_new else before
    return EffectRecord(
        key=call.key,
        id=command.new_id if same is None else same.id,
        state=EffectState.PENDING,
        intent=1 if before is None else before.intent + 1,
        repeats=0 if same is None else same.repeats,
        started_at=tx.now if same is None else same.started_at,
        settled_at=None,
        within_ms=call.within_ms if before is None else _longest(before, call),
        recovery=call.recovery,
        identity_hash=call.identity_hash,
        identity=call.identity,
        result=None,
        refused=None,
        note=None,
        decided_by=None,
        owner=holder.owner,
        call_id=holder.call_id,
        automation=holder.automation,
        session=tx.session,
        run=holder.run,
        ident=holder.ident,
        step_key=holder.step_key,
        attempt=holder.attempt,
        skips=0 if before is None else before.skips,
        suppressed=0 if before is None else before.suppressed,
        skipped_at=None if before is None else before.skipped_at,
        skipped_by=None if before is None else before.skipped_by,
    )


def _grant(effect: EffectRecord) -> EffectGranted:
    must_check = effect.repeats > 0 and effect.recovery is Recovery.CHECK
    return EffectGranted(effect.id, effect.intent, must_check=must_check)


def _delete_parts(tx: Transaction, id: str) -> None:
    """Delete the parts of an effect that has happened as a whole, or that was forgotten."""
    tx.change("delete_effect_parts", _range_of_parts(id))


def _range_of_parts(id: str) -> tuple[str, str]:
    """Return the first key that a part of an effect can have, and the first one after them."""
    return _range_of(prefix_of_parts(id))


def _range_of(prefix: str) -> tuple[str, str]:
    return prefix, f"{prefix[:-1]}{chr(ord(prefix[-1]) + 1)}"


def _holder_of(effect: EffectRecord) -> EffectHolder:
    step = (effect.automation, effect.run, effect.ident, effect.step_key, effect.attempt)
    return EffectHolder(effect.owner, effect.call_id, *step)


def _longest(effect: EffectRecord, call: EffectCall) -> int | None:
    """Return the longest window that a caller asked for: the row stays as long."""
    return None if call.within_ms is None or effect.within_ms is None else max(call.within_ms, effect.within_ms)


def _skip(tx: Transaction, call: EffectCall, effect: EffectRecord, *, is_suppressed: bool) -> EffectFound:
    at = settled_instant(effect, tx.now)
    if not (tx.again and effect.skipped_by == call.holder.call_id):
        parameters = (int(is_suppressed), tx.now, call.holder.call_id, _longest(effect, call), at, effect.key)
        tx.change("count_effect_skip", parameters)
        _record_call(tx, call.holder, effect, CallOutcome.SUPPRESSED if is_suppressed else CallOutcome.SKIPPED, None)
    return EffectFound(effect.id, at, effect.result, effect.refused, is_suppressed, effect.decided_by or effect.owner)


def _doubt(tx: Transaction, holder: EffectHolder, effect: EffectRecord) -> Refused:
    if effect.state is EffectState.PENDING:  # its holder ended, and this call is the first to meet it
        effect = _write(tx, effect, EffectMove.DOUBT, settled_at=tx.now, note=_HOLDER_ENDED)
    elif effect.state is EffectState.UNKNOWN:
        effect = _write(tx, effect, EffectMove.DOUBT, decided_by=None)
    is_same_step = effect.run is not None and (effect.run, effect.ident) == (holder.run, holder.ident)
    if is_same_step or effect.call_id == holder.call_id:
        return _in_doubt(effect.key, effect.note)
    _record_call(tx, holder, effect, CallOutcome.BLOCKED, f"the effect of {effect.owner} is in doubt")
    return _in_doubt(effect.key, effect.note, effect.owner)


def _write(tx: Transaction, effect: EffectRecord, move: EffectMove, **changes: object) -> EffectRecord:
    sources, target = EFFECT_MOVES[move]
    if effect.state not in sources:
        raise ValueError(f"effect {effect.key!r} is {effect.state}: it cannot {move}")
    row = msgspec.structs.replace(effect, state=target, **changes)
    tx.change("write_effect", NEW_EFFECT.values(row))
    return row


def _record_call(
    tx: Transaction, holder: EffectHolder, effect: EffectRecord, outcome: CallOutcome, note: str | None
) -> None:
    if holder.run is not None:
        ident, attempt = holder.ident or "", holder.attempt or 0
        row = EffectCallRow(effect.key, effect.id, holder.run, ident, attempt, outcome, tx.now, _short(note))
        tx.change("insert_effect_call", NEW_CALL.values(row))


def _short(note: str | None) -> str | None:
    return None if note is None else note[:_MAX_NOTE]


def _in_doubt(key: str, note: str | None, owner: str | None = None) -> Refused:
    """Refuse a call; `owner` = the holder, if it is not the caller."""
    of_owner = "" if owner is None else f" of {owner}"
    return Refused("in_doubt", f"effect {key!r}{of_owner} may or may not have happened: {note or _HOLDER_ENDED}")


def _not_held(key: str) -> Refused:
    return Refused("not_held", f"effect {key!r} is not pending under this intent")
