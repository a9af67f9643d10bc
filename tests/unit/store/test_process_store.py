"""Waiters for the ends of runs, over a reader that a test scripts."""

import threading
from typing import Any

import msgspec
import pytest

from mainspring.domain.errors import StoreUnavailableError
from mainspring.store import process_store
from mainspring.store.process_store import POLL_EVERY_S, RunEndWaiters

TIMEOUT_S = 60.0
NEVER = 3600.0


class ScriptedReader:
    """Says that the runs in `ended` have ended, or raises `error`; remembers which runs it was asked for."""

    notice = None

    def __init__(self) -> None:
        self.ended: set[str] = set()
        self.error: Exception | None = None
        self.requests: list[list[str]] = []
        self.has_request = threading.Event()

    def read(self, query: str, params: Any = ()) -> list[tuple[Any, ...]]:
        assert query == "list_ended_among"
        self.requests.append(msgspec.json.decode(params[0]))
        self.has_request.set()
        if self.error is not None:
            raise self.error
        return [(run_id,) for run_id in self.requests[-1] if run_id in self.ended]


@pytest.fixture
def reader():
    return ScriptedReader()


def _pollers():
    return [thread for thread in threading.enumerate() if thread.name == "mainspring-run-ends"]


def test_waiters_of_a_run_that_this_process_ends_are_called_at_once_and_no_others(reader):
    """No question is put to the store: the commit says which runs it ended."""
    waiters, called = RunEndWaiters(NEVER), []
    for run_id in ("a", "a", "b"):
        waiters.add(run_id, lambda run_id=run_id: called.append(run_id), reader)
    waiters.wake(["a", "c"])
    assert called == ["a", "a"]
    waiters.wake(["a"])
    assert called == ["a", "a"]
    assert not reader.requests
    waiters.close()


def test_waiters_of_runs_that_other_processes_end_are_found_by_one_question_for_all(reader):
    """A thousand waiters cost one read in 20 ms; only the one whose run ended is called."""
    assert POLL_EVERY_S <= 0.02
    waiters, called = RunEndWaiters(), threading.Event()
    other_ends: list[int] = []
    for number in range(1_000):
        waiters.add(f"r{number}", lambda number=number: other_ends.append(number), reader)
    waiters.add("last", called.set, reader)
    reader.ended.add("last")
    assert called.wait(TIMEOUT_S)
    assert not other_ends
    assert "last" in max(reader.requests, key=len)
    assert len(_pollers()) == 1
    waiters.close()
    assert len(other_ends) == 1_000


def test_slow_questions_are_put_less_often(reader, monkeypatch):
    """A question that takes 50 ms comes once a second, not one after the other."""
    times = iter([0.0, 0.05])
    monkeypatch.setattr(process_store.time, "monotonic", lambda: next(times))
    pauses: list[float] = []
    waiters = RunEndWaiters()

    def note(pause: float) -> bytes | None:
        pauses.append(pause)
        return b"[]" if len(pauses) == 1 else None

    monkeypatch.setattr(waiters, "_next_run_ids", note)
    waiters._poll(reader)
    assert pauses == [0.0, pytest.approx(1.0)]


def test_the_thread_ends_with_its_last_waiter_and_starts_again(reader):
    """A process that waits for nothing asks nothing."""
    waiters = RunEndWaiters(NEVER)
    for _ in range(2):
        waiters.add("a", print, reader)
        (poller,) = _pollers()
        waiters.remove("a", print)
        poller.join(TIMEOUT_S)
        assert not poller.is_alive()
    waiters.remove("a", print)


def test_waiters_are_called_when_the_store_fails_and_when_it_closes(reader):
    """They read their run again and find out by themselves."""
    waiters, called = RunEndWaiters(), threading.Event()
    reader.error = StoreUnavailableError("away")
    waiters.add("a", called.set, reader)
    assert called.wait(TIMEOUT_S)
    reader.error = None
    closed = threading.Event()
    waiters.add("b", closed.set, reader)
    waiters.close()
    assert closed.is_set()
    late = threading.Event()
    waiters.add("c", late.set, reader)
    assert late.is_set()


def test_a_waiting_process_that_is_notified_of_commits_reads_only_after_one(reader):
    """A poll that found nothing makes no read; the next one that found a commit makes one."""
    waiters, called = RunEndWaiters(0.001, NEVER), threading.Event()
    waiters.note_poll(is_changed=False, is_pushed=True)
    waiters.add("a", called.set, reader)
    for _ in range(20):
        waiters.note_poll(is_changed=False, is_pushed=True)
    assert not reader.has_request.wait(0.1)
    reader.ended.add("a")
    waiters.note_poll(is_changed=True, is_pushed=True)
    assert called.wait(TIMEOUT_S)
    assert reader.requests == [["a"]]


def test_commit_of_the_waiting_process_itself_is_read(reader):
    """It names ended runs only, and a waiter may wait for a record of a stream that another thread of the process writes."""
    waiters, called = RunEndWaiters(0.001, NEVER), threading.Event()
    waiters.note_poll(is_changed=False, is_pushed=True)
    waiters.add("a", called.set, reader)
    reader.ended.add("a")
    waiters.note_own_commit()
    assert called.wait(TIMEOUT_S)


@pytest.mark.parametrize("is_pushed", [True, False])
def test_a_waiting_process_reads_by_itself_when_no_word_counts(reader, is_pushed):
    """The committer may be blocked for longer than its word counts, or its database may tell nothing of ends."""
    waiters, called = RunEndWaiters(0.001, 0.001 if is_pushed else NEVER), threading.Event()
    waiters.note_poll(is_changed=False, is_pushed=is_pushed)
    waiters.add("a", called.set, reader)
    reader.ended.add("a")
    assert called.wait(TIMEOUT_S)
