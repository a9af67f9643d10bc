"""The pool of children, with children that are not processes."""

import asyncio
import errno

import pytest

from mainspring.engine.attempts.processes import child_pool
from mainspring.engine.attempts.processes.child_pool import ChildPool
from mainspring.engine.attempts.processes.child_process import ChildSettings


class FakeChild:
    count = 0

    def __init__(self, loop, settings, on_exit):
        FakeChild.count += 1
        self.pid = FakeChild.count
        self.started = f"mark {self.pid}"
        self.user = None
        self.calls = 0
        self.first_memory = None
        self.is_ending = False
        self.on_exit = on_exit

    def terminate(self):
        self.is_ending = True

    def kill(self):
        self.is_ending = True
        self.on_exit(self)


class Borrower:
    def __init__(self):
        self.closed = False
        self.child = None
        self.error = None

    def take(self, child):
        self.child = child

    def handle_start_error(self, error):
        self.error = error


@pytest.fixture
def loop():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def pool(loop, monkeypatch):
    monkeypatch.setattr(child_pool, "ChildProcess", FakeChild)
    FakeChild.count = 0
    reported = []
    settings = ChildSettings(calls_at_most=3, growth_at_most=100)
    pool = ChildPool(
        loop,
        size=2,
        on_report=lambda spec, kind, sign: reported.append((spec, sign.pgid, sign.ended)),
        settings=settings,
    )
    pool.reported = reported
    return pool


def lend(pool):
    borrower = Borrower()
    pool.lend(borrower)
    return borrower


def turn(loop):
    loop.run_until_complete(asyncio.sleep(0))


def test_children_are_lent_in_order_of_request(pool):
    """With all children busy, who came first is served first, and one that was closed meanwhile is passed over."""
    first, _, third, fourth = [lend(pool) for _ in range(4)]
    assert (third.child, fourth.child) == (None, None)
    third.closed = True
    pool.give_back(first.child, 0, is_spent=False)
    assert (third.child, fourth.child) == (None, first.child)
    assert pool.pids == [1, 2]


@pytest.mark.parametrize(
    ("memories", "is_spent", "calls"), [([0, 0, 0], False, 3), ([50, 151], False, 2), ([0], True, 1)]
)
def test_child_is_replaced_when_it_is_old(pool, loop, memories, is_spent, calls):
    """After so many calls, so much growth, or when it says so, a child is ended and another is started."""
    for memory in memories:
        borrower = lend(pool)
        assert borrower.child.pid == 1
        pool.give_back(borrower.child, memory, is_spent=is_spent)
    assert borrower.child.calls == calls
    assert borrower.child.is_ending
    assert lend(pool).child.pid == 2
    waiting = lend(pool)
    assert waiting.child is None
    borrower.child.kill()
    turn(loop)
    assert waiting.child.pid == 3


def test_child_that_cannot_be_started_fails_its_borrower_only(pool, loop, monkeypatch):
    """Without memory for a process the attempt that wanted it hears of it, later ones are served."""

    def refuse(*args):
        raise OSError(errno.EAGAIN, "no")

    monkeypatch.setattr(child_pool, "ChildProcess", refuse)
    borrower = lend(pool)
    assert borrower.error is None  # not inside the call
    turn(loop)
    assert borrower.error.errno == errno.EAGAIN
    monkeypatch.setattr(child_pool, "ChildProcess", FakeChild)
    assert lend(pool).child.pid == 1


def test_engine_hears_of_each_group(pool):
    """Each child is reported at its start and at its end; after close none is left and none is started."""
    pool.warm(5)
    assert pool.pids == [1, 2]
    borrower = lend(pool)
    pool.close()
    assert pool.pids == []
    assert set(pool.reported) == {(None, number, ended) for number in (1, 2) for ended in (False, True)}
    assert lend(pool).child is None
    assert borrower.child is not None
