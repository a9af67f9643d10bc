"""Targets that actions call: the state of their rate limiters and circuit breakers."""

from mainspring.domain.effects.target_limits import TargetEntry, TargetRefused, TargetState, TargetTurn, enter, leave
from mainspring.store.commands.results import DONE, CommandDone, Refused
from mainspring.store.commands.targets import EnterTarget, LeaveTarget, ResetTarget
from mainspring.store.schema.effects.http_targets import NEW_TARGET, TARGET
from mainspring.store.transaction import Params, Transaction


def enter_target(tx: Transaction, command: EnterTarget) -> TargetTurn | TargetRefused:
    """Give a request its turn, or refuse it."""
    c = command
    before = _read(tx, c.target, c.owner)
    reserved_at = None if c.owner is None else tx.value("find_turn", (c.target, c.owner), int)
    may_reserve = c.owner is not None
    entry = TargetEntry(c.request, c.longest_wait_ms, c.probe_ms, reserved_at, may_reserve=may_reserve)
    state, answer = enter(before, c.limits, entry, tx.now)
    if state != before:
        tx.change("write_target", NEW_TARGET.values(state))
    if isinstance(answer, TargetTurn):
        if reserved_at is not None:
            tx.change("delete_turn", (c.target, c.owner))
    elif may_reserve and state != before:
        tx.change("reserve_turn", (c.target, c.owner, tx.now + answer.retry_after_ms))
    return answer


def leave_target(tx: Transaction, command: LeaveTarget) -> CommandDone:
    """Record how a request ended."""
    c = command
    before = _read(tx, c.target)
    state = leave(before, c.limits, c.request, tx.now, is_ok=c.is_ok, retry_after_ms=c.retry_after_ms)
    if state != before:
        tx.change("write_target", NEW_TARGET.values(state))
    return DONE


def reset_target(tx: Transaction, command: ResetTarget) -> CommandDone | Refused:
    """Delete the state of a target."""
    tx.hold("target", command.target)
    tx.change("delete_turns", (command.target,))
    if tx.change("delete_target", (command.target,)) or tx.again:
        return DONE
    return Refused("not_found", f"no request to target {command.target!r} is on record")


def _read(tx: Transaction, target: str, owner: str | None = None) -> TargetState:
    """Lock a target and read it; `owner` = the turn that is read next, in the same round trip."""
    reads: list[tuple[str, Params]] = [("read_target", (target,))]
    if owner is not None:
        reads.append(("find_turn", (target, owner)))
    tx.hold("target", target, then=reads)
    state = TARGET.read_first(tx.all("read_target", (target,)))
    return TargetState(target) if state is None else state
