"""Targets that actions call: the state of their rate limiters and circuit breakers."""

from mainspring.domain.effects.target_limits import TargetRefused, TargetState, TargetTurn, enter, leave
from mainspring.store.commands.results import DONE, CommandDone, Refused
from mainspring.store.commands.targets import EnterTarget, LeaveTarget, ResetTarget
from mainspring.store.schema.effects.http_targets import NEW_TARGET, TARGET
from mainspring.store.transaction import Transaction


def enter_target(tx: Transaction, command: EnterTarget) -> TargetTurn | TargetRefused:
    """Give a request its turn, or refuse it."""
    c = command
    state, answer = enter(
        _read(tx, c.target), c.limits, c.request, tx.now, longest_wait_ms=c.longest_wait_ms, probe_ms=c.probe_ms
    )
    if isinstance(answer, TargetTurn):
        tx.change("write_target", NEW_TARGET.values(state))
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
    if tx.change("delete_target", (command.target,)) or tx.again:
        return DONE
    return Refused("not_found", f"no request to target {command.target!r} is on record")


def _read(tx: Transaction, target: str) -> TargetState:
    tx.hold("target", target)
    state = TARGET.read_first(tx.all("read_target", (target,)))
    return TargetState(target) if state is None else state
