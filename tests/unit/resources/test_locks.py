"""The consumer at which attempts get their locks: who is next, and what becomes of a lock that no one waits for any more."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from mainspring.domain.errors import ConflictError, StoreUnavailableError
from mainspring.resources.locks import AttemptLocks, LockHeldError, LockSlotsError, LockSpec
from mainspring.store.commands.automations import AcquireLock, CancelLockWait, ReleaseLock
from mainspring.store.commands.results import DONE, LockGranted, Refused
from mainspring.testing import FakeClock, VirtualLoop

HELD = Refused("held", "lock 'l' is held by another since 1")


class Store:
    """Keeps what it is reported; the test answers."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, Any]] = []

    def submit(self, command: Any, on_done: Any) -> None:
        self.sent.append((command, on_done))

    def answer(self, result: Any) -> Any:
        """Answer the oldest command, and return it."""
        command, on_done = self.sent.pop(0)
        on_done(result)
        return command


class Scene:
    """A consumer, its store, and what each attempt was reported."""

    def __init__(self) -> None:
        self.loop = VirtualLoop(FakeClock())
        self.store = Store()
        self.locks = AttemptLocks(self.store, self.loop)  # type: ignore[arg-type]
        self.reported: list[tuple[str, LockGranted | BaseException]] = []
        self.requests = 0

    def ask(self, owner: str, within_s: float = 60.0, name: str = "l", slots: int = 1) -> int:
        self.requests += 1
        spec = LockSpec(name, within_s, slots)
        self.locks.request(owner, self.requests, spec, lambda result: self.reported.append((owner, result)))
        return self.requests

    @property
    def sent(self) -> list[Any]:
        return [command for command, _ in self.store.sent]

    def pass_time(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.loop.close()


def test_waiter_repeats_its_request_when_woken_and_each_second(scene: Scene) -> None:
    """The hint of a change may be lost; one that comes while the command is on its way counts, too. Many hints are one request."""
    scene.ask("a")
    first = scene.store.answer(HELD)
    assert (first.slots, first.wait_ms) == (1, 60_000)
    scene.locks.wake()
    scene.pass_time(0.05)
    scene.locks.wake()
    assert scene.sent == []
    scene.pass_time(0.06)
    scene.locks.wake()
    scene.store.answer(HELD)
    scene.pass_time(0.05)
    assert scene.sent == []
    scene.pass_time(0.06)
    assert isinstance(scene.store.answer(HELD), AcquireLock)
    scene.pass_time(0.5)
    scene.locks.wake()
    scene.pass_time(0.001)
    assert isinstance(scene.store.answer(HELD), AcquireLock)
    scene.pass_time(0.9)
    assert scene.sent == []
    scene.pass_time(0.2)
    scene.store.answer(LockGranted(7))
    assert scene.reported == [("a", LockGranted(7))]


def test_only_the_first_waiter_of_a_lock_repeats_its_request(scene: Scene) -> None:
    """The store passes a lock on in the order of its waiters; of several slots the next one may have been passed on as well."""
    for owner in "abc":
        scene.ask(owner, slots=2)
        scene.store.answer(HELD)
    scene.pass_time(0.2)
    scene.locks.wake()
    scene.pass_time(0.001)
    assert [command.owner for command in scene.sent] == ["a"]
    scene.store.answer(LockGranted(1))
    assert [command.owner for command in scene.sent] == ["b"]
    scene.store.answer(LockGranted(2, 2))
    assert [command.owner for command in scene.sent] == ["c"]
    scene.store.answer(HELD)
    assert [owner for owner, _ in scene.reported] == ["a", "b"]


def test_another_number_of_slots_is_an_error_at_once(scene: Scene) -> None:
    """No wait can help."""
    scene.ask("a", slots=2)
    scene.store.answer(Refused("slots", "lock 'l': slots=2, but another holds it with slots=3"))
    ((_, error),) = scene.reported
    assert isinstance(error, LockSlotsError)
    assert "same slots=" in (error.hint or "")


def test_waiting_ends_at_the_timeout(scene: Scene) -> None:
    """The last request, when the time is over, takes its place in line away; then it learns who holds the lock."""
    scene.ask("a", within_s=0.2)
    assert scene.store.answer(HELD).wait_ms == 200
    scene.pass_time(0.3)
    assert scene.store.answer(HELD).wait_ms == 0
    ((_, error),) = scene.reported
    assert isinstance(error, LockHeldError)
    assert "held by another" in str(error)
    scene.ask("a")
    assert len(scene.store.sent) == 1, "it may ask again"


def test_end_of_a_wait_is_sent_after_its_request(scene: Scene) -> None:
    """The attempt ended while the store was asked: it gets no lock but an error, and neither a lock nor a place in line is left."""
    scene.ask("a")
    scene.locks.release("a")
    scene.store.answer(LockGranted(3))
    assert scene.store.answer(DONE) == CancelLockWait("l", "a")
    ((_, error),) = scene.reported
    assert isinstance(error, ConflictError)
    assert "the wait for lock 'l' was cancelled" in str(error)


def test_end_of_an_attempt_lets_all_of_its_locks_go_and_no_other(scene: Scene) -> None:
    """Those it has and those it waits for; another attempt's stay."""
    for owner, name, token in (("a", "l", 1), ("a", "m", 2), ("b", "n", 3)):
        scene.ask(owner, name=name)
        scene.store.answer(LockGranted(token))
    scene.ask("a", name="o")
    scene.store.answer(HELD)
    scene.locks.release("a")
    scene.pass_time(5)
    assert scene.sent == [ReleaseLock("l", 1), ReleaseLock("m", 2), CancelLockWait("o", "a")]


def test_longest_waiter_of_the_process_is_next(scene: Scene) -> None:
    """The lock is asked for in the same breath in which it is released: no pause is waited out."""
    number = scene.ask("a")
    scene.store.answer(LockGranted(1))
    for owner in ("b", "c"):
        scene.ask(owner)
        scene.store.answer(HELD)
    scene.locks.release("a", number)
    assert scene.sent == [ReleaseLock("l", 1), AcquireLock("l", "b", None, 1, 60_000)]


def test_error_of_the_store_is_reported(scene: Scene) -> None:
    """It is not asked again: the store tries by itself as long as that helps."""
    scene.ask("a")
    fault = StoreUnavailableError("closed")
    scene.store.answer(fault)
    assert scene.reported == [("a", fault)]
    assert scene.store.sent == []


def test_second_request_of_one_attempt_is_refused(scene: Scene) -> None:
    """It would wait for itself; to give the second up lets nothing of the first one go."""
    scene.ask("a")
    second = scene.ask("a")
    assert isinstance(scene.reported[0][1], ConflictError)
    scene.locks.release("a", second)
    scene.store.answer(LockGranted(4))
    assert scene.reported[1:] == [("a", LockGranted(4))]


def test_closed_locks_report_and_send_nothing(scene: Scene) -> None:
    """The process ends: its session's end frees what is held."""
    scene.ask("a")
    scene.store.answer(LockGranted(1))
    scene.ask("b")
    scene.store.answer(HELD)
    scene.locks.close()
    scene.locks.release("a")
    scene.ask("c")
    scene.pass_time(5)
    assert scene.store.sent == []
