"""A file that was removed or replaced under an open connection is noticed before anything is acknowledged into it."""

import apsw
import pytest

from mainspring.domain.clock import SystemClock
from mainspring.store.base import StoreRemovedError
from mainspring.store.commands.sessions import RecordHeartbeat
from mainspring.store.sqlite import database
from mainspring.store.sqlite.connection import connect
from mainspring.store.sqlite.fair_write_lock import FairWriteLock
from mainspring.store.sqlite.file_identity import FileIdentity
from mainspring.store.sqlite.reader import SqliteReader
from mainspring.store.sqlite.store import SqliteStore
from tests.unit.store.sqlite.stores import do, open_database, starting


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.db"


def test_nothing_is_acknowledged_into_a_removed_file(path):
    """The commit itself looks, whatever was looked at before; the one before it stands."""
    database = open_database(path)
    do(database, starting("r1"))
    renamed = path.rename(path.with_name("kept.db"))
    with pytest.raises(StoreRemovedError, match=r"removed while it was in use\nat .*state\.db"):
        database.commit([starting("r2")])
    renamed.rename(path)
    assert [row[0] for row in database.connection.execute("select id from runs")] == ["r1"]
    do(database, starting("r3"))
    database.close()


@pytest.mark.parametrize("end", ["-wal", "-shm"])
def test_files_next_to_the_store_belong_to_it(path, end):
    """Without its log or the index of the log the store is not what was committed."""
    database = open_database(path)
    path.with_name(f"state.db{end}").unlink()
    with pytest.raises(StoreRemovedError, match=f"state.db{end}"):
        database.poll()
    database.close()


def test_reader_answers_nothing_from_a_replaced_file(path, tmp_path):
    """Also what only reads would tell for ever how things stood when the file was replaced."""
    open_database(path).close()
    other = tmp_path / "other.db"
    open_database(other).close()
    reader = SqliteReader(path)
    assert reader.read_text("select count(*) from runs") == [(0,)]
    other.replace(path)
    with pytest.raises(StoreRemovedError, match="replaced by another one"):
        reader.read_text("select count(*) from runs")
    reader.close()


def test_reader_reads_nothing_from_a_file_placed_as_it_opened(path, tmp_path, monkeypatch):
    """Neither rows of another store nor the complaint that it has no such table: the store is gone, and that is said."""
    open_database(path).close()
    reader, real = SqliteReader(path), connect

    def late(*words, **options):
        path.rename(tmp_path / "kept.db")
        apsw.Connection(str(path)).execute("create table other (x)")
        return real(*words, **options)

    monkeypatch.setattr("mainspring.store.sqlite.reader.connect", late)
    with pytest.raises(StoreRemovedError, match="replaced by another one"):
        reader.read_text("select count(*) from runs")
    reader.close()


def test_fault_of_a_reader_whose_file_was_replaced_is_reported(path, tmp_path):
    """It asks while the file goes: what the statement finds wrong is not what is wrong."""
    open_database(path).close()
    reader = SqliteReader(path)
    with pytest.raises(StoreRemovedError, match="removed"), reader.snapshot() as read:
        path.rename(tmp_path / "kept.db")
        read("list_runs_of_incident", ("too few",))
    reader.close()


def test_ordinary_use_changes_no_file(path):
    """Commits, readers that come and go, and checkpoints by others leave all of them in their places."""
    store = SqliteStore(path, clock=SystemClock())
    store.open()
    store.open_session("worker")
    seen = FileIdentity(path)
    for _ in range(3):
        other = open_database(path)
        do(other, starting(f"r{_}"))
        other.connection.execute("pragma wal_checkpoint(truncate)").fetchall()
        other.close()
        store.apply(RecordHeartbeat())
        seen.check()
    store.close()


def test_store_that_is_removed_while_a_process_opens_it_is_not_made_again(path, monkeypatch):
    """A process that starts late may wait for the lock for writing; it must not continue in an empty store of its own."""
    store = SqliteStore(path, clock=SystemClock())
    store.open()
    store.open_session("worker")

    class RemovingLock(FairWriteLock):
        def __enter__(self):
            path.unlink(missing_ok=True)
            super().__enter__()

    with monkeypatch.context() as patch, pytest.raises(StoreRemovedError, match="the store's file is gone"):
        patch.setattr(database, "FairWriteLock", RemovingLock)
        SqliteStore(path, clock=SystemClock()).open()
    assert not path.exists()
    store.close(drain=False)


def test_used_store_is_recreated_only_on_request(path):
    """What lies beside a store tells that there was one."""
    store = SqliteStore(path, clock=SystemClock())
    store.open()
    store.open_session("worker")
    store.close()
    path.unlink()
    with pytest.raises(StoreRemovedError, match="the store's file is gone"):
        SqliteStore(path, clock=SystemClock()).open()
    path.touch()
    with pytest.raises(StoreRemovedError, match="the store's file is gone"):
        SqliteStore(path, clock=SystemClock()).open()
    recreated = SqliteStore(path, clock=SystemClock(), recreate=True)
    recreated.open()
    recreated.close()


def test_noted_store_is_recreated_only_on_request(tmp_path):
    """The note lies elsewhere: it proves that there was a store although its whole folder is missing."""
    path, note = tmp_path / "disk" / "state.db", tmp_path / "state" / "note"
    store = SqliteStore(path, clock=SystemClock(), note=note)
    store.open()
    store.close()
    path.parent.rename(tmp_path / "aside")
    with pytest.raises(StoreRemovedError, match="is its disk mounted"):
        SqliteStore(path, clock=SystemClock(), note=note).open()
    assert not path.parent.exists()
    recreated = SqliteStore(path, clock=SystemClock(), note=note, recreate=True)
    recreated.open()
    recreated.close()
