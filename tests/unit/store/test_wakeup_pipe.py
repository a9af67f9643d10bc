"""Where the committing thread sleeps."""

import os
import threading

import pytest

from mainspring.store.wakeup_pipe import WakeupPipe

LONG = 1_000.0


@pytest.fixture
def wakeup_pipe():
    """A bell that is closed afterwards."""
    found = WakeupPipe()
    yield found
    found.close()


@pytest.fixture
def pipe():
    """A descriptor to sleep at, and the end that makes it readable."""
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_wakeup_pipe_does_not_sleep_with_work_pending(wakeup_pipe, pipe):
    """What was queued before ringers knew of the sleeper is seen by itself."""
    assert not wakeup_pipe.sleep(pipe[0], LONG, lambda: False)


def test_wakeup_pipe_wakes_its_sleeper(wakeup_pipe, pipe):
    """A ring that comes at any time after the question ends the sleep, and is used up by it."""

    def is_idle():
        threading.Thread(target=wakeup_pipe.ring).start()
        return True

    for _ in range(20):
        assert not wakeup_pipe.sleep(pipe[0], LONG, is_idle)
    assert not wakeup_pipe.sleep(pipe[0], 0, lambda: True)


def test_wakeup_pipe_reports_a_readable_or_broken_descriptor(wakeup_pipe):
    """Both are for the owner of the descriptor to look at."""
    reading, writing = os.pipe()
    os.write(writing, b"!")
    assert wakeup_pipe.sleep(reading, LONG, lambda: True)
    os.read(reading, 1)
    assert not wakeup_pipe.sleep(reading, 0, lambda: True)
    os.close(writing)
    assert wakeup_pipe.sleep(reading, LONG, lambda: True)
    os.close(reading)


def test_wakeup_pipe_ignores_wakes_without_a_sleeper(wakeup_pipe, pipe):
    """Before the first sleep, between two and after the end nothing is written."""
    wakeup_pipe.ring()
    wakeup_pipe.sleep(pipe[0], 0, lambda: True)
    wakeup_pipe.ring()
    assert not wakeup_pipe.sleep(pipe[0], 0, lambda: True)
    wakeup_pipe.close()
    wakeup_pipe.ring()
