"""A commit of another process wakes this one; without the wakeup a poll finds the commit all the same."""

import os
import sys
import threading

import pytest

from mainspring.store.commands.base import StoreCommand
from mainspring.store.committer import Committer
from mainspring.store.sqlite import commit_watch
from mainspring.store.sqlite.commit_watch import CommitWatch
from mainspring.store.sqlite.store_mark import mark_of
from tests.unit.store.sqlite.processes import exit_code, in_child
from tests.unit.store.sqlite.stores import open_database

TIMEOUT_S = 60.0
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="there is no inotify here")


class Put(StoreCommand[None], frozen=True):
    key: str


def put(tx, command):
    tx._execute("insert or replace into meta values (?, 'x')", (command.key,))


HANDLERS = {Put: put}


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    """A process watches from its first poll on."""
    monkeypatch.setattr("mainspring.store.sqlite.database._POLLS_BEFORE_WATCH", 0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.db"


@pytest.fixture
def database(path):
    """A database that has its mark and watches it."""
    database = open_database(path, HANDLERS)
    database.commit([Put("first")])
    database.poll()
    yield database
    database.close()


def commit_elsewhere(path, key="b"):
    """Let another process commit, and end."""

    def act():
        other = open_database(path, HANDLERS)
        other.commit([Put(key)])
        other.close()

    assert exit_code(in_child(act)) == 0


@LINUX
def test_a_process_that_never_polls_by_itself_is_woken_by_each_commit_of_another(path, database):
    """The commit is visible when the wakeup comes: one poll finds it."""
    woken = threading.Semaphore(0)
    polls = []
    committer = Committer(
        database,
        lambda answers: None,
        on_change=lambda changes: woken.release(),
        on_poll=polls.append,
        poll_every=1_000,
    )
    committer.start()
    try:
        for number in range(5):
            commit_elsewhere(path, f"k{number}")
            assert woken.acquire(timeout=TIMEOUT_S)
    finally:
        committer.stop()
    assert polls.count(True) == 5


@LINUX
def test_a_wakeup_is_over_once_it_was_polled(path, database):
    """So the committer sleeps again; an own commit wakes it for one poll that finds nothing."""
    watch = os.dup(database.hints)
    try:
        commit_elsewhere(path)
        assert os.read(watch, 4096)
        assert database.poll()
        database.commit([Put("own")])
        assert not database.poll()
        with pytest.raises(BlockingIOError):
            os.read(watch, 4096)
    finally:
        os.close(watch)


@LINUX
def test_a_mark_that_was_removed_is_watched_again(path, database):
    """The next commit writes a new file; the watch follows the name."""
    mark_of(path).unlink()
    assert not database.poll()
    assert database.hints is None
    commit_elsewhere(path, "b")
    assert database.poll()
    assert database.hints is not None
    commit_elsewhere(path, "c")
    assert os.read(database.hints, 4096)


def _link_to_elsewhere(mark):
    elsewhere = mark.with_name("elsewhere")
    elsewhere.write_bytes(b"")
    mark.symlink_to(elsewhere)


@pytest.mark.parametrize(
    "replace", [_link_to_elsewhere, os.mkfifo, os.mkdir, lambda mark: None], ids=["link", "pipe", "folder", "nothing"]
)
def test_a_lost_wakeup_costs_one_interval(path, database, replace):
    """Whatever has the name of the mark: the poll neither blocks nor fails, and finds the commit."""
    mark_of(path).unlink()
    replace(mark_of(path))
    assert not database.poll()
    commit_elsewhere(path)
    assert database.poll()


def test_without_inotify_only_polls_are_left(path, monkeypatch):
    """The kernel refuses one more instance to this user, or there is none."""
    monkeypatch.setattr(commit_watch, "_open_inotify", lambda: None)
    database = open_database(path, HANDLERS)
    database.commit([Put("a")])
    assert not database.poll()
    assert database.hints is None
    commit_elsewhere(path)
    assert database.poll()
    database.close()


@LINUX
def test_a_closed_watch_gives_its_descriptor_back_and_opens_none(path, database):
    """A poll after the end of a store leaves nothing open."""
    watch = CommitWatch(mark_of(path))
    watch.renew()
    descriptor = watch.descriptor
    assert descriptor is not None
    watch.close()
    watch.renew()
    assert watch.descriptor is None
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
