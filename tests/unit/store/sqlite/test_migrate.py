"""Migrations: once, whole, in order, whatever dies in between."""

import os

import apsw
import pytest

from mainspring.domain.errors import StoreError, StoreTooNewError
from mainspring.store import failpoints
from mainspring.store.schema_version import load_migrations
from mainspring.store.sqlite.connection import connect
from mainspring.store.sqlite.database import SqliteDatabase
from mainspring.store.sqlite.migrate import migrate, migrations, require_known, statements, version_of
from mainspring.store.sqlite.schema_check import require_schema_version
from tests.unit.store.sqlite.stores import StoppedClock, open_database

TWO = [
    (
        1,
        "first",
        "create table meta (key text primary key, value text);\ncreate table a (x);\ninsert into a values (1);\n",
    ),
    (2, "second", "alter table a add column y;\nupdate a set y = 'a;b';\ncreate index a_y on a (y);\n"),
]


@pytest.fixture(autouse=True)
def nothing_ordered():
    yield
    failpoints.install(None)


def forms(path):
    """Return (version, last migration on record, columns of a) as another process sees them."""
    connection = connect(path)
    try:
        version = version_of(connection)
        if version == 0:
            return 0, None, connection.execute("select count(*) from sqlite_schema").get
        named = connection.execute("select value from meta where key = 'schema'").get
        return version, named, len(connection.execute("select name from pragma_table_info('a')").fetchall())
    finally:
        connection.close()


def test_migrations_are_numbered_in_order():
    """The files of the package are read in order, from 1, each number once."""
    numbers = [number for number, _, _ in migrations()]
    assert (numbers[0], numbers) == (1, sorted(set(numbers)))
    assert all(statements(text) for _, _, text in migrations())


def test_statements_are_cut_where_sqlite_would():
    """A semicolon in a text, a comment or a trigger does not end a statement."""
    text = "create table a (x); -- a;b\ninsert into a values ('b;c');\ncreate trigger t after insert on a begin select 1; select 2; end;\n"
    assert len(statements(text)) == 3


def test_migrating_runs_what_is_missing_once(tmp_path):
    """The second time nothing is left to do."""
    connection = connect(tmp_path / "x.db")
    assert migrate(connection, TWO[:1]) == ["first"]
    assert migrate(connection, TWO) == ["second"]
    assert migrate(connection, TWO) == []
    assert connection.execute("select x, y from a").fetchall() == [(1, "a;b")]
    connection.close()


@pytest.mark.parametrize("crash_at", range(1, 10))
def test_a_migration_killed_at_any_statement_is_whole_or_not_there(tmp_path, crash_at):
    """kill -9 after each statement: the store has the old or the new form, and starting again finishes it."""
    path = tmp_path / "x.db"
    pid = os.fork()
    if pid == 0:
        failpoints.install(failpoints.parse(f"migrate.statement:kill@{crash_at}"))
        migrate(connect(path), TWO)
        os._exit(0)
    killed = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0
    assert killed == (crash_at <= 8)
    assert forms(path) in [(0, None, 0), (1, "0001_first", 1), (2, "0002_second", 2)]
    connection = connect(path)
    migrate(connection, TWO)
    assert connection.execute("select x, y from a").fetchall() == [(1, "a;b")]
    connection.close()
    assert forms(path) == (2, "0002_second", 2)


def test_a_real_store_killed_at_any_statement_opens_afterwards(tmp_path):
    """The same with the package's own first migration, at a spread of its statements."""
    total = sum(len(statements(text)) + 1 for _, _, text in migrations())
    for crash_at in range(1, total + 1, 7):
        path = tmp_path / f"{crash_at}.db"
        pid = os.fork()
        if pid == 0:
            failpoints.install(failpoints.parse(f"migrate.statement:kill@{crash_at}"))
            open_database(path)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -9
        open_database(path).close()


def test_processes_that_start_at_once_migrate_once(tmp_path):
    """Eight processes open one new store: all succeed, one of them did the work."""
    path = tmp_path / "x.db"
    read, write = os.pipe()
    children = []
    for _ in range(8):
        pid = os.fork()
        if pid == 0:
            try:
                failpoints.install(lambda place: os.write(write, b"m") if place == "migrate.done" else None)
                SqliteDatabase(path, clock=StoppedClock(), handlers={}).close()
                os._exit(0)
            except BaseException as error:
                os.write(2, repr(error).encode())
                os._exit(1)
        children.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 8
    os.close(write)
    assert len(os.read(read, 100)) == 1, "a new store comes into being in one transaction"
    os.close(read)


def test_a_store_of_a_newer_version_is_refused_untouched(tmp_path):
    """An older program does not guess at tables it does not know."""
    path = tmp_path / "x.db"
    open_database(path).close()
    connection = connect(path)
    connection.pragma("user_version", 9_999)
    connection.close()
    with pytest.raises(StoreTooNewError, match=r"form 9999(.|\n)*newer version"):
        open_database(path)


def test_a_store_of_other_migrations_is_refused_untouched(tmp_path):
    """The numbers of a development version mean something else, whether they are higher or lower than ours."""
    path = tmp_path / "x.db"
    connection = connect(path)
    migrate(connection, TWO)
    for known in (migrations(), [(1, "tables", "create table b (x);"), (3, "more", "create table c (x);")]):
        with pytest.raises(StoreError, match=r"development version(.|\n)*at .*x\.db"):
            migrate(connection, known)
    connection.close()
    with pytest.raises(StoreError, match="development version"):
        require_schema_version(path)
    assert forms(path) == (2, "0002_second", 2)


def test_a_migration_can_be_a_folder_of_files(tmp_path):
    """They are joined in the order of their names; what else lies in the folder is not read."""
    (tmp_path / "0001_first").mkdir()
    for name, text in (("1_a.sql", "create table a (x);\n"), ("2_b.sql", "create table b (x);\n"), ("notes.md", "no")):
        (tmp_path / "0001_first" / name).write_text(text)
    (tmp_path / "0002_second.sql").write_text("create table c (x);\n")
    (tmp_path / "notes.sql").write_text("no")
    assert load_migrations(tmp_path) == [
        (1, "first", "create table a (x);\ncreate table b (x);\n"),
        (2, "second", "create table c (x);\n"),
    ]


def test_a_foreign_database_is_refused_untouched(tmp_path):
    """A database with tables of something else, or marked as another program's, is not migrated."""
    path = tmp_path / "x.db"
    connection = connect(path)
    connection.execute("create table photos (x)")
    with pytest.raises(StoreError, match="not a store of Mainspring"):
        migrate(connection)
    connection.pragma("application_id", 42)
    with pytest.raises(StoreError, match="another program"):
        require_known(connection)
    connection.pragma("application_id", 0)
    connection.pragma("user_version", 1)
    with pytest.raises(StoreError, match="another program"):
        migrate(connection)
    assert connection.execute("select name from sqlite_schema").fetchall() == [("photos",)]
    connection.close()


def test_a_failing_migration_leaves_no_trace(tmp_path):
    """An error in a statement rolls the whole migration back."""
    connection = connect(tmp_path / "x.db")
    with pytest.raises(apsw.SQLError):
        migrate(
            connection,
            [(1, "bad", "create table meta (key text primary key, value text); create table a (x); nonsense;")],
        )
    assert connection.execute("select count(*) from sqlite_schema").get == 0
    assert version_of(connection) == 0
    connection.close()


def test_requests_of_targets_survive_the_new_name_of_their_column(tmp_path):
    """A store of the version before has them under the old name."""
    connection = connect(tmp_path / "x.db")
    migrate(connection, migrations()[:6])
    connection.execute("insert into http_targets values ('h', '5:1', 1, 0, null, null, null, null, 1, null, 1)")
    migrate(connection)
    assert connection.execute("select target, requests from http_targets").fetchall() == [("h", "5:1")]
    connection.close()


def test_versions_of_a_session_survive_the_wider_key(tmp_path):
    """Each row stays, and from now on a session may have several versions of a name."""
    connection = connect(tmp_path / "x.db")
    migrate(connection, migrations()[:8])
    insert = "insert into session_automations (session, automation, version) values (?, ?, ?)"
    for row in [(1, "a", 1), (1, "b", 4), (2, "a", 2)]:
        connection.execute(insert, row)
    assert migrate(connection, migrations()[:9]) == ["rollouts"]
    connection.execute(insert, (1, "a", 2))
    rows = "select session, automation, version from session_automations order by session, automation, version"
    assert connection.execute(rows).fetchall() == [(1, "a", 1), (1, "a", 2), (1, "b", 4), (2, "a", 2)]
    assert connection.execute("select count(*) from automation_versions").get == 0
    connection.close()
