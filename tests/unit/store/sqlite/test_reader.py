"""Reads beside the writer."""

import threading

import apsw
import pytest

from mainspring.domain.errors import StoreUnavailableError
from mainspring.store.sqlite.reader import _MAX_IDLE, SqliteReader
from tests.unit.store.sqlite.stores import do, open_database, opening


@pytest.fixture
def database(tmp_path):
    database = open_database(tmp_path / "x.db")
    yield database
    database.close()


@pytest.fixture
def reader(database):
    reader = SqliteReader(database.path)
    yield reader
    reader.close()


def test_reads_see_what_is_committed_and_a_snapshot_sees_one_commit(database, reader):
    """A commit in the middle of a snapshot is not seen by it."""
    with reader.snapshot() as read:
        assert read("list_sessions_to_declare_dead") == []
        do(database, opening())
        assert read("list_sessions_to_declare_dead") == []
    assert reader.read("list_sessions_to_declare_dead") == [(1,)]


def test_connections_are_lent_again_but_not_after_a_fault(reader):
    """One idle connection serves many reads; one that failed is closed."""
    reader.read("list_sessions_to_declare_dead")
    (first,) = reader._idle
    reader.read("list_sessions_to_declare_dead")
    assert reader._idle == [first]
    with pytest.raises(apsw.SQLError):
        reader.read_text("select nonsense")
    assert reader._idle == []


def test_threads_read_at_the_same_time(reader):
    """Each gets a connection of its own; only a few are kept."""
    count = _MAX_IDLE + 2
    inside, results = threading.Barrier(count), []

    def read():
        with reader.snapshot() as ask:
            inside.wait(10)
            results.append(ask("list_sessions_to_declare_dead"))

    threads = [threading.Thread(target=read) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[]] * count
    assert len(reader._idle) == _MAX_IDLE


def test_an_endless_read_is_broken_off(reader, monkeypatch):
    """It would keep the log from being emptied."""
    monkeypatch.setattr("mainspring.store.sqlite.reader._MAX_READ_S", 0.01)
    endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select sum(i) from n"
    with pytest.raises(StoreUnavailableError, match="was cancelled"):
        reader.read_text(endless)


def test_a_closed_reader_is_reported(reader):
    """Reads after closing are refused."""
    reader.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        reader.read("list_sessions_to_declare_dead")
