"""Writers pass one at a time, in turn, and the dead do not block."""

import itertools
import os
import signal
import threading
import time

import pytest

from mainspring.store.sqlite.fair_write_lock import FairWriteLock


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.db"


def test_only_one_is_inside_and_who_waits_knows_for_whom(path):
    """The second waits until the first leaves, and can meanwhile tell the process it waits for."""
    first, second = FairWriteLock(path), FairWriteLock(path)
    inside = threading.Event()

    def enter():
        with second:
            inside.set()

    assert second.waits_for(0.0) is None
    with first:
        thread = threading.Thread(target=enter)
        thread.start()
        while (text := second.waits_for(0.0)) is None:
            time.sleep(0)
        assert f"process {os.getpid()}" in text
        assert second.waits_for(60.0) is None
        assert not inside.is_set()
    assert inside.wait(10)
    thread.join()
    assert second.waits_for(0.0) is None
    first.close()
    second.close()


def test_leaving_holder_cannot_overtake_a_waiter(path):
    """Three busy writers take turns: no one is inside again while another has been waiting the whole time."""
    order: list[int] = []
    start = threading.Barrier(3)

    def write(me: int) -> None:
        lock = FairWriteLock(path)
        start.wait()
        for _ in range(30):
            with lock:
                order.append(me)
                time.sleep(0.0005)
        lock.close()

    threads = [threading.Thread(target=write, args=(me,)) for me in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    middle = order[10:60]
    repeats = sum(a == b for a, b in itertools.pairwise(middle))
    assert repeats <= 5


def test_killed_holder_frees_the_lock(path):
    """The kernel drops the lock of a process that dies inside."""
    ready, signal_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        with FairWriteLock(path):
            os.write(signal_end, b"x")
            signal.pause()
    os.read(ready, 1)
    lock = FairWriteLock(path)
    inside = threading.Event()

    def enter() -> None:
        with lock:
            inside.set()

    thread = threading.Thread(target=enter)
    thread.start()
    while lock.waits_for(0.0) is None:
        time.sleep(0)
    assert not inside.is_set()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    assert inside.wait(10)
    thread.join()
    lock.close()
    os.close(ready)
    os.close(signal_end)
