"""Writers pass one at a time, in turn, and the dead do not block."""

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
    """A holder that leaves and wants the lock at once gets it after the thread that was waiting."""
    holder, waiter = FairWriteLock(path), FairWriteLock(path)
    order = []

    def enter():
        with waiter:
            order.append("waiter")

    for _ in range(30):
        with holder:
            thread = threading.Thread(target=enter)
            thread.start()
            while waiter.waits_for(0.0) is None:
                time.sleep(0)
        with holder:
            order.append("holder")
        thread.join()
    assert order == ["waiter", "holder"] * 30
    holder.close()
    waiter.close()


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
