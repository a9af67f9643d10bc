"""Named locks with fencing tokens. A lock belongs to a session; it is free once that session ended."""

from mainspring.domain.states import SessionState
from mainspring.store.commands.automations import AcquireLock, BreakLock, ReleaseLock, SetMeta
from mainspring.store.commands.results import DONE, CommandDone, NumberAnswer, Refused
from mainspring.store.restore_hold import HOLD_KEY, RELEASED_AT
from mainspring.store.transaction import Transaction

_LIVE = frozenset({SessionState.ALIVE, SessionState.DRAINING})


def acquire_lock(tx: Transaction, command: AcquireLock) -> NumberAnswer | Refused:
    """Take a lock, or name its holder. Who holds it already gets the same token."""
    tx.hold("lock", command.name)
    row = tx.one("read_lock", (command.name,))
    if row is not None:
        owner, session, token, taken_at, state = row
        if owner == command.owner and session == tx.session:
            return NumberAnswer(token)
        if session is None or state in _LIVE:
            return Refused("held", f"lock {command.name!r} is held by {owner} since {taken_at}")
    given = tx.all("issue_fencing_token", (command.name,))[0][0]
    tx.change("write_lock", (command.name, command.owner, tx.session, given, tx.now, command.note))
    return NumberAnswer(given)


def release_lock(tx: Transaction, command: ReleaseLock) -> CommandDone | Refused:
    """Let a lock go; a token of before its breaking lets nothing go."""
    if tx.change("release_lock", (command.name, command.token)):
        return DONE
    row = tx.one("read_fencing_token", (command.name,))
    if tx.again and row is not None and row[0] >= command.token:
        return DONE
    return Refused("not_held", f"lock {command.name!r} is not held under token {command.token}")


def break_lock(tx: Transaction, command: BreakLock) -> CommandDone | Refused:
    """Take a lock away; its holder's token is of no use from now on."""
    if tx.change("break_lock", (command.name,)):
        return DONE
    return Refused("not_found", f"nobody holds lock {command.name!r}")


def set_meta(tx: Transaction, command: SetMeta) -> CommandDone:
    """Write or delete one entry of `meta`."""
    if command.value is None:
        tx.change("delete_meta", (command.key,))
        if command.key == HOLD_KEY:
            tx.change("put_meta", (RELEASED_AT, str(tx.now)))
        tx.ready = True
    else:
        tx.change("put_meta", (command.key, command.value))
    tx.cache.pop(command.key, None)
    return DONE
