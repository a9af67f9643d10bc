"""Locks in the store: slots, the line of waiters across sessions, and every way to leave it."""

from mainspring.store.commands.automations import AcquireLock, BreakLock, CancelLockWait, ReleaseLock
from mainspring.store.commands.results import DONE, LockGranted
from mainspring.store.commands.sessions import CloseSession, DeclareSessionDead

MINUTE_MS = 60_000


def waiting(owner: str, slots: int = 1, wait_ms: int = MINUTE_MS) -> AcquireLock:
    return AcquireLock("l", owner, None, slots, wait_ms)


def holders(store) -> list[tuple[str, int, int]]:
    return [(lock.owner, lock.slot, lock.token) for lock in store.read("locks") if lock.place is None]


def line(store) -> list[tuple[int, str, int]]:
    return [(lock.place, lock.owner, lock.until_at) for lock in store.read("locks") if lock.place is not None]


def test_waiters_get_the_lock_in_their_order(store, second):
    """Across sessions; a release passes the lock on, so that no newcomer can take it."""
    store.do(AcquireLock("l", "x"))
    until = store.clock.now() + MINUTE_MS
    assert store.twice(waiting("a")).code == second.twice(waiting("b")).code == store.do(waiting("c")).code == "held"
    refused = second.do(AcquireLock("l", "newcomer"))
    assert refused.text.startswith("lock 'l' is held by x since 20")
    assert refused.text.endswith("until released; 3 wait before this request")
    assert [(place, owner) for place, owner, _ in line(store)] == [(1, "a"), (2, "b"), (3, "c")]
    assert all(until <= until_at <= until + 1_000 for _, _, until_at in line(store))
    assert second.do(AcquireLock("l", "b", None, 1, 1)).code == "held", "it keeps its place"
    assert store.twice(ReleaseLock("l", 1)) == DONE
    assert holders(store) == [("a", 1, 2)]
    assert second.do(AcquireLock("l", "newcomer")).code == "held"
    changes = store.database.commit([ReleaseLock("l", 2)]).changes
    assert (changes.locks, changes.ready) == (True, False), "its process is woken"
    assert second.do(waiting("b")) == LockGranted(3)
    assert store.do(ReleaseLock("l", 2)).code == "not_held"
    assert second.do(ReleaseLock("l", 3)) == DONE
    assert store.do(waiting("c")) == LockGranted(4)
    changes = store.database.commit([ReleaseLock("l", 4)]).changes
    assert not changes.locks, "no one waits"


def test_each_slot_has_its_own_token(store, second):
    """A lock has as many holders as slots, and all its users the same number of them while it is used."""
    assert store.do(waiting("a", 2)) == LockGranted(1, 1)
    assert second.do(waiting("b", 2)) == LockGranted(2, 2)
    refused = second.do(waiting("c", 3))
    assert (refused.code, refused.text.partition(" since ")[0]) == (
        "slots",
        "lock 'l': slots=3, but a holds it with slots=2",
    )
    assert "in all 2 slots by a since" in store.do(waiting("c", 2)).text
    assert store.do(waiting("d", 2)).code == "held"
    store.do(ReleaseLock("l", 1))
    assert holders(store) == [("c", 1, 3), ("b", 2, 2)]
    assert store.do(waiting("e", 1)).code == "slots"
    assert store.do(BreakLock("l", 9)).code == "not_found"
    assert second.do(BreakLock("l", 2)) == DONE
    assert holders(store) == [("c", 1, 3), ("d", 2, 4)]
    assert second.do(BreakLock("l")) == DONE
    assert store.do(waiting("e", 1)) == LockGranted(5), "a free lock takes the number of its next user"


def test_waiter_that_does_not_receive_its_lock_loses_its_turn(store, second):
    """Its process is stopped: it never learned its token, so the next waiter can have the lock. It waits again if it wakes."""
    store.do(AcquireLock("l", "x"))
    second.do(waiting("stopped"))
    store.do(waiting("next"))
    store.do(ReleaseLock("l", 1))
    store.clock.forward(8_000)
    assert store.do(waiting("next")).code == "held"
    store.clock.forward(3_000)
    assert store.do(waiting("next")) == LockGranted(3)
    assert second.do(waiting("stopped")).code == "held"
    assert [owner for _, owner, _ in line(store)] == ["stopped"]
    store.do(ReleaseLock("l", 3))
    assert second.do(waiting("stopped")) == LockGranted(4)
    store.do(waiting("next"))
    store.clock.forward(20_000)
    assert store.do(waiting("next")).code == "held", "a lock that was received is held"


def test_waiter_whose_own_request_passes_the_lock_on_has_one_slot(store, second):
    """The holders did not receive their slots in time, and the second waiter is the first to ask: it gets its turn once."""
    for owner in ("x", "y"):
        store.do(waiting(owner, 2))
    for owner in ("stopped", "also stopped"):
        second.do(waiting(owner, 2))
    second.do(waiting("first", 2))
    store.do(waiting("next", 2))
    store.do(ReleaseLock("l", 1))
    store.do(ReleaseLock("l", 2))
    store.clock.forward(11_000)
    assert store.do(waiting("next", 2)) == LockGranted(6, 2)
    assert (holders(store), line(store)) == ([("first", 1, 5), ("next", 2, 6)], [])


def test_late_waiter_still_receives_its_lock(store, second):
    """If no other one has it yet."""
    store.do(AcquireLock("l", "x"))
    second.do(waiting("late"))
    store.do(ReleaseLock("l", 1))
    store.clock.forward(20_000)
    assert second.do(waiting("late")) == LockGranted(2)


def test_longest_hold_is_recorded(store):
    """Of those longer than a minute."""
    for seconds in (30, 90, 61):
        token = store.do(AcquireLock("l", "x")).token
        store.clock.forward(seconds * 1_000)
        store.do(ReleaseLock("l", token))
    store.do(AcquireLock("l", "x"))
    (lock,) = store.read("locks")
    assert 90_000 <= lock.longest_ms < 91_000


def test_longest_hold_counts_a_session_that_ended_in_order(store, second, new_process):
    """A command with a lock holds it until its session ends; how long a dead one held it says nothing about what is usual."""
    command = new_process().open("exec")
    command.do(AcquireLock("l", "a command"))
    store.clock.forward(90_000)
    command.do(CloseSession())
    second.do(AcquireLock("l", "killed"))
    store.clock.forward(300_000)
    store.do(DeclareSessionDead(second.session))
    store.do(AcquireLock("l", "x"))
    (lock,) = store.read("locks")
    assert 90_000 <= lock.longest_ms < 91_000


def test_waiter_leaves_the_line(store, second):
    """By its last try, by a cancel, when its time is over, and with its session."""
    store.do(AcquireLock("l", "x"))
    for owner in ("tries", "cancels", "too late", "mine"):
        store.do(waiting(owner, wait_ms=2_000 if owner == "too late" else MINUTE_MS))
    second.do(waiting("of the dead"))
    second.do(waiting("also"))
    store.do(AcquireLock("l", "tries"))
    assert store.twice(CancelLockWait("l", "cancels")) == DONE
    store.clock.forward(5_000)
    store.do(DeclareSessionDead(second.session))
    assert [owner for _, owner, _ in line(store)] == ["mine"]
    store.do(ReleaseLock("l", 1))
    assert (holders(store), line(store)) == ([("mine", 1, 2)], [])


def test_end_of_a_session_passes_its_locks_on(store, second):
    """And a waiter whose wait was cancelled after it got the lock leaves nothing."""
    second.do(AcquireLock("l", "x"))
    second.do(AcquireLock("m", "x"))
    store.do(waiting("a"))
    store.do(waiting("b"))
    store.do(DeclareSessionDead(second.session))
    assert holders(store) == [("a", 1, 2)]
    store.do(CancelLockWait("l", "a"))
    assert holders(store) == [("b", 1, 3)]
    store.do(CancelLockWait("l", "b"))
    assert store.read("locks") == []
