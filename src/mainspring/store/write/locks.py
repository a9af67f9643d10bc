"""Named locks with fencing tokens. A lock belongs to a session and is free once that session has ended."""

from mainspring.domain.states import SessionState
from mainspring.store.commands.automations import AcquireLock, BreakLock, ReleaseLock, SetMeta
from mainspring.store.commands.results import DONE, CommandDone, NumberAnswer, Refused
from mainspring.store.restore_hold import HOLD_KEY, RELEASED_AT
from mainspring.store.transaction import Transaction

_LIVE = frozenset({SessionState.ALIVE, SessionState.DRAINING})


def acquire_lock(tx: Transaction, command: AcquireLock) -> NumberAnswer | Refused:
    """Acquire a lock, or name its holder. The holder gets the same token again."""
    tx.hold("lock", command.name)
    row = tx.first("read_lock", (command.name,))
    if row is not None:
        owner, session, token, acquired_at, state = row
        if owner == command.owner and session == tx.session:
            return NumberAnswer(token)
        if session is None or state in _LIVE:
            return Refused("held", f"lock {command.name!r} is held by {owner} since {acquired_at}")
    token_issued = tx.value("issue_fencing_token", (command.name,), int)
    assert token_issued is not None
    tx.change("write_lock", (command.name, command.owner, tx.session, token_issued, tx.now, command.note))
    return NumberAnswer(token_issued)


def release_lock(tx: Transaction, command: ReleaseLock) -> CommandDone | Refused:
    """Release a lock; a token from before the lock was broken releases nothing."""
    if tx.change("release_lock", (command.name, command.token)):
        return DONE
    newest_token = tx.value("read_fencing_token", (command.name,), int)
    if tx.again and newest_token is not None and newest_token >= command.token:
        return DONE
    return Refused("not_held", f"lock {command.name!r} is not held with token {command.token}")


def break_lock(tx: Transaction, command: BreakLock) -> CommandDone | Refused:
    """Break a lock; its holder's token is invalid from now on."""
    if tx.change("break_lock", (command.name,)):
        return DONE
    return Refused("not_found", f"lock {command.name!r} is not held")


def set_meta(tx: Transaction, command: SetMeta) -> CommandDone:
    """Write or delete one entry of `meta`."""
    if command.value is None:
        tx.change("delete_meta", (command.key,))
        if command.key == HOLD_KEY:
            tx.change("put_meta", (RELEASED_AT, str(tx.now)))
        tx.ready = tx.triggers = True
    else:
        tx.change("put_meta", (command.key, command.value))
    tx.cache.pop(command.key, None)
    return DONE
