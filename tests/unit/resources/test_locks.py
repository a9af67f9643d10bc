"""The consumer at which attempts get their locks: who is next, and what becomes of a lock that no one waits for any more."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from mainspring.domain.errors import ConflictError, StoreUnavailableError
from mainspring.resources.locks import AttemptLocks, LockHeldError
from mainspring.store.commands.automations import AcquireLock, ReleaseLock
from mainspring.store.commands.results import DONE, NumberAnswer, Refused
from mainspring.testing import FakeClock, VirtualLoop

HELD = Refused("held", "lock 'l' is held by somebody since 1")


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
        self.reported: list[tuple[str, int | BaseException]] = []
        self.requests = 0

    def ask(self, owner: str, within_s: float = 60.0, name: str = "l") -> int:
        self.requests += 1
        self.locks.request(owner, self.requests, name, within_s, lambda result: self.reported.append((owner, result)))
        return self.requests

    def pass_time(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.loop.close()


def test_lock_is_requested_until_it_is_acquired(scene: Scene) -> None:
    """While it is held the consumer asks again with pauses that grow, but not beyond half a second."""
    scene.ask("a")
    for _ in range(8):
        assert isinstance(scene.store.answer(HELD), AcquireLock)
        scene.pass_time(0.5)
    assert scene.reported == []
    scene.store.answer(NumberAnswer(7))
    assert scene.reported == [("a", 7)]


def test_waiting_ends_at_the_timeout(scene: Scene) -> None:
    """The last question comes when the time is over; then it learns who holds the lock."""
    scene.ask("a", within_s=0.2)
    while not scene.reported:
        scene.store.answer(HELD)
        scene.pass_time(0.1)
    ((_, error),) = scene.reported
    assert isinstance(error, LockHeldError)
    assert "held by somebody" in str(error)
    scene.ask("a")
    assert len(scene.store.sent) == 1, "it may ask again"


def test_lock_that_is_granted_too_late_is_released(scene: Scene) -> None:
    """The attempt ended while the store was asked: it gets no lock but an error, and the lock is free again."""
    scene.ask("a")
    scene.locks.release("a")
    scene.store.answer(NumberAnswer(3))
    assert scene.store.answer(DONE) == ReleaseLock("l", 3)
    ((_, error),) = scene.reported
    assert isinstance(error, ConflictError)
    assert "the wait for lock 'l' was cancelled" in str(error)


def test_end_of_an_attempt_lets_all_of_its_locks_go_and_no_other(scene: Scene) -> None:
    """Those it has and those it waits for; another attempt's stay."""
    for owner, name, token in (("a", "l", 1), ("a", "m", 2), ("b", "n", 3)):
        scene.ask(owner, name=name)
        scene.store.answer(NumberAnswer(token))
    scene.ask("a", name="o")
    scene.store.answer(HELD)
    scene.locks.release("a")
    scene.pass_time(5)
    assert [command for command, _ in scene.store.sent] == [ReleaseLock("l", 1), ReleaseLock("m", 2)]


def test_longest_waiter_of_the_process_is_next(scene: Scene) -> None:
    """The lock is asked for in the same breath in which it is released: no pause is waited out."""
    number = scene.ask("a")
    scene.store.answer(NumberAnswer(1))
    for owner in ("b", "c"):
        scene.ask(owner)
        scene.store.answer(HELD)
    scene.locks.release("a", number)
    assert [command for command, _ in scene.store.sent] == [ReleaseLock("l", 1), AcquireLock("l", "b")]


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
    scene.store.answer(NumberAnswer(4))
    assert scene.reported[1:] == [("a", 4)]


def test_closed_locks_report_and_send_nothing(scene: Scene) -> None:
    """The process ends: its session's end frees what is held."""
    scene.ask("a")
    scene.store.answer(NumberAnswer(1))
    scene.ask("b")
    scene.store.answer(HELD)
    scene.locks.close()
    scene.locks.release("a")
    scene.ask("c")
    scene.pass_time(5)
    assert scene.store.sent == []
