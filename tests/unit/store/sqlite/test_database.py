"""One list of commands, one transaction: all or nothing, guilty ones set apart, faults of the disk told for what they are."""

import os
import signal

import apsw
import pytest

from mainspring.domain.errors import (
    FencedError,
    MainspringError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from mainspring.store import failpoints
from mainspring.store.base import SideFileFullError, StoreBrokenError, StoreDamagedError
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.sessions import OpenSession
from mainspring.store.sqlite.database import SqliteDatabase
from mainspring.store.sqlite.error_table import translate
from mainspring.store.write.sessions import open_session
from tests.unit.store.sqlite.stores import StoppedClock, open_database, opening


class Put(StoreCommand[str], frozen=True):
    key: str
    value: str = ""


class Fail(StoreCommand[str], frozen=True):
    error: type[Exception]


def put(tx, command):
    tx._execute(
        "insert into meta values (?, ?) on conflict do update set value = excluded.value", (command.key, command.value)
    )
    tx.count("a", steps=1, duration_ms=2, max_duration_ms=len(command.value))
    tx.ready |= command.key == "ready"
    return command.key


def fail(tx, command):
    tx._execute("insert into meta values ('half', 'done')")
    raise command.error("as told")


HANDLERS = {Put: put, Fail: fail, OpenSession: open_session}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.db"


@pytest.fixture
def database(path):
    database = open_database(path, HANDLERS)
    yield database
    failpoints.install(None)
    database.close()


def keys(database) -> list[str]:
    text = "select key from meta"
    return sorted(
        row[0]
        for row in database.connection.execute(text).fetchall()
        if row[0] not in ("schema", "first_migration", "store", "epoch", "blobs.open_from", "files.key")
    )


def test_a_group_is_one_transaction_with_one_rollup_row(database):
    """All commands of a group share one commit; the counters are summed, the largest kept."""
    commits = []
    failpoints.install(lambda place: commits.append(place))
    report = database.commit([Put("a", "xxx"), Put("b", "x"), Put("ready")])
    assert report.results == ["a", "b", "ready"]
    assert report.changes.ready
    assert not report.changes.facts
    assert commits == ["commit.before", "commit.after"]
    assert database.connection.execute("select steps, duration_ms, max_duration_ms from rollups").fetchall() == [
        (3, 6, 3)
    ]


@pytest.mark.parametrize("guilty", [(0,), (3,), (7,), (2, 3), (0, 7), tuple(range(8))])
def test_guilty_commands_fail_by_themselves_and_the_others_commit(database, guilty):
    """Each guilty command gets its error, leaves no trace, and all others are committed and answered in order."""
    commands = [Fail(ValueError) if n in guilty else Put(f"k{n}") for n in range(8)]
    results = database.commit(commands).results
    for n, result in enumerate(results):
        if n in guilty:
            assert isinstance(result, StoreError)
            assert "Fail cannot be written: ValueError: as told" in str(result)
            assert isinstance(result.__cause__, ValueError)
        else:
            assert result == f"k{n}"
    assert keys(database) == sorted(f"k{n}" for n in range(8) if n not in guilty)


def test_an_unknown_command_and_an_unfit_value_are_their_own_fault(database):
    """A command without handler, or with a value SQLite cannot hold, does not take its group down."""
    results = database.commit([Put("a"), "nonsense", Put("b", 2**70), Put("c")]).results  # type: ignore[arg-type]
    assert results[0] == "a"
    assert results[3] == "c"
    assert isinstance(results[1], StoreError)
    assert isinstance(results[2], MainspringError)


def test_a_dead_session_is_fenced_and_writes_nothing(database):
    """The session is checked in the transaction itself."""
    database.commit([opening()])
    database.connection.execute("update sessions set state = 'dead'")
    with pytest.raises(FencedError, match="is dead"):
        database.commit([Put("a")])
    database.connection.execute("delete from sessions")
    with pytest.raises(FencedError, match="is gone"):
        database.commit([Put("a")])
    assert keys(database) == []


@pytest.mark.parametrize(
    ("fault", "meaning"),
    [
        (apsw.FullError, StoreFullError),
        (apsw.IOError, StoreBrokenError),
        (apsw.CorruptError, StoreDamagedError),
        (apsw.NotADBError, StoreDamagedError),
        (apsw.ReadOnlyError, StoreReadOnlyError),
        (apsw.BusyError, StoreUnavailableError),
        (apsw.LockedError, StoreUnavailableError),
        (apsw.CantOpenError, StoreUnavailableError),
        (apsw.InterruptError, StoreUnavailableError),
    ],
)
@pytest.mark.parametrize("place", ["handler", "commit.before", "commit.after"])
def test_a_fault_of_the_file_leaves_as_what_it_is(database, fault, meaning, place):
    """Whether a statement or the commit meets it: rolled back, translated, never blamed on a command."""

    def hook(passed):
        if passed == place:
            raise fault("from the disk")

    failpoints.install(hook)
    command = Fail(fault) if place == "handler" else Put("a")
    if place == "commit.after":
        with pytest.raises(apsw.Error):
            database.commit([command])
    else:
        with pytest.raises(meaning) as caught:
            database.commit([command])
        assert type(caught.value) is meaning
        assert str(database.path) in str(caught.value)
    failpoints.install(None)
    assert not database.connection.in_transaction
    assert keys(database) == (["a"] if place == "commit.after" else [])


def test_extended_codes_report_a_full_disk_and_a_replaced_file(path):
    """The shared index that cannot grow is a full disk; a moved file ends the process."""
    full, moved = apsw.IOError("x"), apsw.ReadOnlyError("x")
    full.extendedresult, moved.extendedresult = apsw.SQLITE_IOERR_SHMSIZE, apsw.SQLITE_READONLY_DBMOVED
    assert type(translate(full, path)) is SideFileFullError
    assert type(translate(moved, path)) is StoreBrokenError
    assert translate(apsw.ConstraintError("x"), path) is None
    assert translate(ValueError("x"), path) is None


def test_a_full_disk_frees_the_reserve_and_restores_it_later(database, path):
    """Told at once, committed from the reserve, mentioned until there is room again."""
    reserve = path.with_name("x.db.reserve")
    assert reserve.stat().st_size == 4 * 1024 * 1024
    database.connection.pragma("max_page_count", database.connection.pragma("page_count"))
    with pytest.raises(StoreFullError, match="continue by themselves"):
        database.commit([Put("a", "x" * 100_000)])
    assert not reserve.exists()
    assert "nearly full" in str(database.warning)
    database.connection.pragma("max_page_count", 1_000_000)
    assert database.commit([Put("a", "x" * 100_000)], again=True).results == ["a"]
    assert reserve.exists()
    assert database.warning is None


def test_polling_reports_other_connections_commits_only(database, path):
    """Our own commit is no news; another process's is, once."""
    other = SqliteDatabase(path, clock=StoppedClock(), handlers=HANDLERS)
    database.poll()
    database.commit([Put("a")])
    assert not database.poll()
    other.commit([Put("b")])
    assert database.poll()
    assert not database.poll()
    other.close()


@pytest.mark.parametrize(("place", "there"), [("commit.before", []), ("commit.after", ["a"])])
def test_a_process_killed_around_its_commit_leaves_all_or_nothing(path, place, there):
    """kill -9 just before the commit loses the group; just after it keeps it, and the next process continues at once."""
    pid = os.fork()
    if pid == 0:
        database = open_database(path, HANDLERS)
        failpoints.install(failpoints.parse(f"{place}:kill"))
        database.commit([Put("a")])
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    database = open_database(path, HANDLERS)
    assert keys(database) == there
    database.commit([Put("b")])
    database.close()


def test_a_store_has_one_identity(path):
    """It is given once, at its making."""
    names = set()
    for _ in range(2):
        database = open_database(path, clock=StoppedClock())
        names.add(database.connection.execute("select value from meta where key = 'store'").get)
        database.close()
    assert len(names) == 1


def test_schema_has_no_view(database):
    """A view may come first among the tables that SQLite checks. Then its check of the whole file skips the free pages and the page map."""
    assert database.connection.execute("select name from sqlite_schema where type = 'view'").fetchall() == []
