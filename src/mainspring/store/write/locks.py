"""Named locks with slots, waiters and fencing tokens (ADR 0027). A holder and a waiter belong to a session, and end with it.

Invariants: a slot is free only if no living waiter waits, because whatever frees a slot makes the next waiter its holder. A waiter receives
its lock by asking again; until then it does not know the token, so the lock can be passed on to the next one without harm.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mainspring.domain.runs.log_line import format_iso_instant
from mainspring.store.commands.automations import AcquireLock, BreakLock, CancelLockWait, ReleaseLock, SetMeta
from mainspring.store.commands.results import DONE, CommandDone, LockGranted, Refused
from mainspring.store.restore_hold import HOLD_KEY, RELEASED_AT
from mainspring.store.transaction import Transaction

RECEIVE_WITHIN_MS = 10_000
"""A waiter that does not ask for its lock so long after it was passed on loses its turn."""
_LONG_HOLD_MS = 60_000
"""Shorter holds are not recorded: most releases write no statistics."""
_MAX_NAMED = 3
"""At most this many holders are named in a sentence."""


class _LockRow(NamedTuple):
    """A holder, whose `place` is its slot, or a waiter, whose `place` is its ticket."""

    is_holder: int
    place: int
    owner: str
    session: int | None
    token: int
    since_at: int
    until_at: int
    slots: int
    note: str | None
    live: int
    received: int

    def is_of(self, tx: Transaction, owner: str) -> bool:
        """Whether this owner of the sending session made it."""
        return self.owner == owner and self.session == tx.session


def acquire_lock(tx: Transaction, command: AcquireLock) -> LockGranted | Refused:
    """Acquire a lock, or wait for it, or name its holders. A holder gets the same token again."""
    tx.hold("lock", command.name, then=[("read_lock", (command.name,))])
    holders, waiters = _read_lock(tx, command.name, receiver=command.owner)
    if len(holders) < command.slots and waiters and not waiters[0].is_of(tx, command.owner):
        _pass_on(tx, command.name, receiver=command.owner)
        holders, waiters = _read_lock(tx, command.name, receiver=command.owner)
    for holder in holders:
        if holder.is_of(tx, command.owner):
            if not holder.received:
                tx.change("confirm_lock", (command.name, holder.place))
            return LockGranted(holder.token, holder.place)
    own = next((waiter for waiter in waiters if waiter.is_of(tx, command.owner)), None)
    for other in (*holders, *waiters):
        if other.slots != command.slots and other is not own:
            return Refused("slots", _describe_mismatch(command, other))
    first = next(iter(waiters), None)
    if len(holders) < command.slots and first in (None, own):
        if own is not None:
            tx.change("delete_lock_waiter", (command.name, own.place))
        values = {"owner": command.owner, "session": tx.session, "note": command.note, "slots": command.slots}
        return _grant(tx, command.name, holders, {**values, "received": 1})
    if own is not None and not command.wait_ms:
        tx.change("delete_lock_waiter", (command.name, own.place))
    elif own is None and command.wait_ms and tx.session is not None:
        tx.change(
            "insert_lock_waiter",
            {
                "name": command.name,
                "owner": command.owner,
                "session": tx.session,
                "now": tx.now,
                "until": tx.now + command.wait_ms,
                "slots": command.slots,
                "note": command.note,
            },
        )
    before = len(waiters) if own is None else waiters.index(own)
    return Refused("held", _describe_holders(command.name, holders, command.slots, before))


def cancel_lock_wait(tx: Transaction, command: CancelLockWait) -> CommandDone:
    """Delete a waiter, or release what was passed on to it before."""
    tx.hold("lock", command.name)
    tx.change("delete_locks_of_owner", (command.name, command.owner, tx.session))
    _pass_on(tx, command.name, leaving=command.owner)
    return DONE


def release_lock(tx: Transaction, command: ReleaseLock) -> CommandDone | Refused:
    """Release a lock to the next waiter; a token from before the lock was broken releases nothing."""
    reads = [("release_lock", (command.name, command.token)), ("read_lock", (command.name,))]
    tx.hold("lock", command.name, then=reads)
    acquired_at = tx.value("release_lock", (command.name, command.token), int)
    if acquired_at is not None:
        _record_hold(tx, command.name, acquired_at)
        _pass_on(tx, command.name)
        return DONE
    newest_token = tx.value("read_fencing_token", (command.name,), int)
    if tx.again and newest_token is not None and newest_token >= command.token:
        return DONE
    return Refused("not_held", f"lock {command.name!r} is not held with token {command.token}")


def break_lock(tx: Transaction, command: BreakLock) -> CommandDone | Refused:
    """Break a lock, or one slot of it. The token of its holder is invalid from now on, and the next waiter has the lock."""
    tx.hold("lock", command.name)
    if tx.change("break_lock", (command.name, command.slot)):
        _pass_on(tx, command.name)
        return DONE
    slot = "" if command.slot is None else f"slot {command.slot} of "
    return Refused("not_found", f"{slot}lock {command.name!r} is not held")


def release_locks_of_session(tx: Transaction, session: int, *, is_orderly: bool) -> None:
    """Release all locks of a session that ends to the next waiters, and delete its waiters.

    `is_orderly` = its process ended by itself, as a command with a lock does: then the holds count as usual ones.
    """
    names = tx.values("list_lock_names_of_session", (session,), str)
    if not names:
        return
    tx.hold_all("lock", [(name,) for name in names])
    for name, acquired_at in tx.all("delete_locks_of_session", (session,)):
        if is_orderly:
            _record_hold(tx, name, acquired_at)
    tx.change("delete_lock_waiters_of_session", (session,))
    for name in names:
        _pass_on(tx, name)


def _record_hold(tx: Transaction, name: str, acquired_at: int) -> None:
    """Record a hold that ended in order, if it was long."""
    if tx.now - acquired_at >= _LONG_HOLD_MS:
        tx.change("record_lock_hold", (name, tx.now - acquired_at))


def _read_lock(
    tx: Transaction, name: str, *, leaving: str | None = None, receiver: str | None = None
) -> tuple[list[_LockRow], list[_LockRow]]:
    """Return the living holders, and the living waiters in their order.

    Other waiters are deleted, and a waiter who is `leaving`. So is a holder that did not receive its lock for long, unless it is the
    `receiver`: its process is stopped or slow.
    """
    holders, waiters = [], []
    for row in map(_LockRow._make, tx.all("read_lock", (name,))):
        if row.is_holder:
            is_late = not row.received and tx.now - row.since_at >= RECEIVE_WITHIN_MS
            if is_late and not (receiver is not None and row.is_of(tx, receiver)):
                tx.change("release_lock", (name, row.token))
            elif row.live:
                holders.append(row)
            continue
        if not row.live or row.until_at <= tx.now or (leaving is not None and row.is_of(tx, leaving)):
            tx.change("delete_lock_waiter", (name, row.place))
        else:
            waiters.append(row)
    return holders, waiters


def _pass_on(tx: Transaction, name: str, *, leaving: str | None = None, receiver: str | None = None) -> None:
    """Make the next waiters holders, as far as slots are free. `leaving` and `receiver` are those of `_read_lock`."""
    holders, waiters = _read_lock(tx, name, leaving=leaving, receiver=receiver)
    slots = waiters[0].slots if waiters else 0
    for waiter in waiters[: max(slots - len(holders), 0)]:
        tx.change("delete_lock_waiter", (name, waiter.place))
        values = {"owner": waiter.owner, "session": waiter.session, "note": waiter.note, "slots": slots}
        granted = _grant(tx, name, holders, {**values, "received": 0})
        holders.append(waiter._replace(is_holder=1, place=granted.slot))
        tx.locks = True


def _grant(
    tx: Transaction, name: str, holders: Sequence[_LockRow], values: Mapping[str, str | int | None]
) -> LockGranted:
    """Write the holder of the lowest free slot. `values` are the other columns of its row."""
    used = {holder.place for holder in holders}
    slot = next(slot for slot in itertools.count(1) if slot not in used)
    token = tx.value("issue_fencing_token", (name,), int)
    assert token is not None
    tx.change("write_lock", {"name": name, "slot": slot, "token": token, "now": tx.now, **values})
    return LockGranted(token, slot)


def _describe_mismatch(command: AcquireLock, other: _LockRow) -> str:
    """Return which request has another number of slots."""
    verb = "holds" if other.is_holder else "waits for"
    return (
        f"lock {command.name!r}: slots={command.slots}, but {other.owner} {verb} it with slots={other.slots} "
        f"since {format_iso_instant(other.since_at)}"
    )


def _describe_holders(name: str, holders: Sequence[_LockRow], slots: int, before: int) -> str:
    """Return who holds a lock, since when, and how many wait before the caller."""
    named = " and ".join(
        f"{holder.owner} since {format_iso_instant(holder.since_at)}" for holder in holders[:_MAX_NAMED]
    )
    if len(holders) > _MAX_NAMED:
        named += f" and {len(holders) - _MAX_NAMED} more"
    all_slots = "" if slots == 1 else f" in all {slots} slots"
    line = f"; {before} wait before this request" if before else ""
    return f"lock {name!r} is held{all_slots} by {named or 'the first waiter'}, until released{line}"


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
