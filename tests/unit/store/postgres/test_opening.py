"""Opening a store on a real server: what could lose an acknowledged commit is refused, and a schema is made or changed once and whole."""

import contextlib
import os
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mainspring.cli.exits import NOT_ALLOWED, find_exit_code
from mainspring.domain.errors import (
    ConfigError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreTooNewError,
    StoreUnavailableError,
)
from mainspring.store import failpoints
from mainspring.store.base import ServerLoginError, UnsafeServerError
from mainspring.store.committer import Committer
from mainspring.store.postgres import connection
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.database import PostgresDatabase
from mainspring.store.postgres.migrate import migrate, migrations, statements, version_of
from mainspring.store.postgres.schema_check import require_schema_version
from mainspring.store.write.command_handlers import HANDLERS
from tests.contract.store.overlap import wait_until
from tests.postgres_server import PostgresServer
from tests.unit.store.sqlite.stores import StoppedClock, do, starting

TWO = [
    (
        1,
        "first",
        "create table meta (key text primary key, value text);\ncreate table a (x int);\ninsert into a values (1);\n",
    ),
    (2, "second", "alter table a add column y text;\nupdate a set y = 'a;b';\ncreate index a_y on a (y);\n"),
]


@pytest.fixture(scope="module")
def own_server():
    """A server whose settings a test may change."""
    server = PostgresServer().start()
    yield server
    server.remove()


@pytest.fixture(autouse=True)
def nothing_ordered():
    yield
    failpoints.install(None)


def open_database(url: str) -> PostgresDatabase:
    return PostgresDatabase(read_address(url), clock=StoppedClock(), handlers=HANDLERS)


@contextlib.contextmanager
def setting(server: PostgresServer, name: str, value: str) -> Any:
    """Change a setting of the whole server for a while."""

    def change(text: str, expected: str) -> None:
        with psycopg.connect(server.url("postgres"), autocommit=True) as administrator:
            administrator.execute(text.encode())
            administrator.execute("select pg_reload_conf()")
            wait_until(lambda: administrator.execute(f"show {name}".encode()).fetchall() == [(expected,)])

    change(f"alter system set {name} = {value}", value)
    try:
        yield
    finally:
        change(f"alter system reset {name}", "on")


@pytest.mark.parametrize("name", ["fsync", "full_page_writes"])
def test_a_server_that_may_damage_what_it_acknowledged_is_refused(own_server, name):
    """Nothing is written to it, and the error says what to set."""
    url = own_server.new_store()
    with setting(own_server, name, "off"), pytest.raises(UnsafeServerError, match=f"{name} is off") as refused:
        open_database(url)
    assert f"{name} = on" in refused.value.hint
    with connect(read_address(url)) as connection:
        assert version_of(connection, read_address(url).schema) == 0


def test_a_role_that_does_not_wait_for_its_commits_is_refused(postgres):
    """synchronous_commit may be switched off for a role, a database or a connection."""
    with pytest.raises(UnsafeServerError, match="synchronous_commit is off"):
        open_database(f"{postgres.new_store()}&options=-csynchronous_commit%3Doff")


@pytest.mark.parametrize("isolation", ["repeatable%5C%20read", "serializable"])
def test_the_isolation_that_a_role_has_by_default_is_not_ours(postgres, isolation):
    """What two processes could decide upon at once is locked first and read then, so reads as of the transaction's start would be stale."""
    url = f"{postgres.new_store()}&options=-cdefault_transaction_isolation%3D{isolation}"
    handlers = {str: lambda tx, _: tx.cursor.execute("show transaction_isolation").fetchone()}
    database = PostgresDatabase(read_address(url), clock=StoppedClock(), handlers=handlers)
    assert database.commit(["probe"]).results == [("read committed",)]
    with database.connection.transaction():
        assert database.connection.execute("show transaction_isolation").fetchone() == ("read committed",)
    database.close()


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_each_letter_is_refused(postgres, encoding):
    """Names, tags and texts of errors may have any letter; the error says how a database is made that takes them."""
    name = f"in_{encoding.lower()}"
    postgres.execute(f"create database {name} encoding '{encoding}' template template0 lc_collate 'C' lc_ctype 'C'")
    with pytest.raises(UnsafeServerError, match=encoding) as refused:
        open_database(postgres.url(name))
    assert "UTF8" in refused.value.hint


def test_letters_travel_as_utf8_whatever_the_role_has_set(postgres):
    """Where the client's encoding is none, a text would come back as bytes."""
    with connect(read_address(f"{postgres.new_store()}&client_encoding=SQL_ASCII")) as connection:
        assert connection.execute("select 'ä😀'").fetchone() == ("ä😀",)


def test_read_only_role_is_reported(postgres):
    """No one should have to look for a server that is up."""
    postgres.execute("create role only_reads login")
    postgres.execute("alter role only_reads set default_transaction_read_only = on")
    url = postgres.new_store().replace("mainspring@", "only_reads@")
    with pytest.raises(StoreUnavailableError, match="read-only") as refused:
        open_database(url)
    assert "default_transaction_read_only" in refused.value.hint


@pytest.mark.parametrize("schema", ["pg_mine", "pg_catalog", "information_schema"])
def test_a_schema_of_the_server_itself_is_refused(schema):
    """It is no place for a store."""
    with pytest.raises(ConfigError, match=schema):
        read_address(f"postgresql://h/db?schema={schema}")


def test_a_server_that_became_unsafe_is_an_outage_when_the_line_is_opened_again(own_server):
    """What was safe once is looked at again with each connection: nothing is written until it is safe again."""
    url = own_server.new_store()
    database = open_database(url)
    database.connection.close()
    with setting(own_server, "fsync", "off"), pytest.raises(StoreUnavailableError, match="fsync is off"):
        do(database, starting("new"))
    assert do(database, starting("new"), again=True).created
    database.close()


def test_a_server_that_is_too_old_is_refused(postgres, monkeypatch):
    """The version is known before anything is asked of it."""
    monkeypatch.setattr(connection, "OLDEST", 990_000)
    with pytest.raises(UnsafeServerError, match="too old"):
        open_database(postgres.new_store())


def test_a_copy_is_no_store_until_it_is_the_primary():
    """It is out of reach for us, and is one as soon as it was promoted."""
    server = PostgresServer().start()
    try:
        url = server.new_store()
        open_database(url).close()
        server.stop()
        mark = server.data / "standby.signal"
        mark.touch()
        mark.chmod(0o644)
        server.start()
        for address in (url, f"{url}&target_session_attrs=any"):
            with pytest.raises(StoreUnavailableError, match="read-only"):
                open_database(address)
        with psycopg.connect(server.url("postgres"), autocommit=True) as administrator:
            administrator.execute("select pg_promote()")
        database = open_database(url)
        assert do(database, starting("new")).created
        database.close()
    finally:
        server.remove()


def grant(server: Any, url: str, role: str) -> str:
    """Make a role that may read and write the store and change no table; return its address."""
    schema = read_address(url).schema
    with psycopg.connect(server.url("postgres"), autocommit=True) as administrator:
        for text in (
            f"create role {role} login",
            f"grant usage on schema {schema} to {role}",
            f"grant select, insert, update, delete on all tables in schema {schema} to {role}",
            f"grant usage on all sequences in schema {schema} to {role}",
        ):
            administrator.execute(text.encode())
    return url.replace("//mainspring@", f"//{role}@")


def test_a_role_without_the_right_to_change_tables_runs_a_store_that_is_up_to_date(postgres):
    """It needs no more than to read and write."""
    url = postgres.new_store()
    open_database(url).close()
    database = open_database(grant(postgres, url, f"writer_{os.getpid()}"))
    assert do(database, starting("new")).created
    database.close()


def test_role_without_that_right_is_reported_when_a_change_is_due(postgres):
    """Not a table is made halfway."""
    url = postgres.new_store()
    with connect(read_address(url)) as own:
        own.execute(f"create schema {read_address(url).schema}")
        migrate(own, read_address(url), TWO[:1])
    narrow = read_address(grant(postgres, url, f"narrow_{os.getpid()}"))
    with connect(narrow) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        migrate(connection, narrow, TWO)
    with connect(read_address(url)) as observer:
        assert version_of(observer, narrow.schema) == 1
    with pytest.raises(StoreReadOnlyError, match="may not do that"):
        open_database(postgres.new_store().replace("//mainspring@", f"//narrow_{os.getpid()}@"))


def forms(url: str) -> tuple[int, int]:
    """Return the store's form and how many columns its table a has."""
    address = read_address(url)
    with connect(address) as connection:
        text = "select count(*) from information_schema.columns where table_schema = $1 and table_name = 'a'"
        return version_of(connection, address.schema), connection.execute(text, (address.schema,)).fetchall()[0][0]


def migrate_and_die(url: str, known: Any, place: int) -> int:
    """Migrate in a process of its own that is killed after that many statements; return its wait status."""
    pid = os.fork()
    if pid == 0:
        failpoints.install(failpoints.parse(f"migrate.statement:kill@{place}"))
        with contextlib.suppress(BaseException):
            migrate(connect(read_address(url)), read_address(url), known)
        os._exit(0)
    return os.waitpid(pid, 0)[1]


@pytest.mark.parametrize(("old", "seen_at_each"), [(0, [(0, 0)] * 8), (1, [(1, 1)] * 4)])
def test_a_migration_that_dies_at_any_statement_leaves_the_old_or_the_new_form(postgres, old, seen_at_each):
    """And anyone who comes next finishes it. A new store has its newest form at once: no one meets one on its way."""
    url = postgres.new_store()
    seen = []
    place = 1

    def made() -> None:
        with connect(read_address(url)) as own:
            own.execute(f"drop schema if exists {read_address(url).schema} cascade")
            if old:
                migrate(own, read_address(url), TWO[:old])

    made()
    while migrate_and_die(url, TWO, place) != 0:
        wait_until(lambda: no_one_migrates(url))
        seen.append(forms(url))
        made()
        place += 1
    assert seen == seen_at_each
    assert forms(url) == (2, 2)


def no_one_migrates(url: str) -> bool:
    """Tell whether the server has noticed that the killed process is gone."""
    with connect(read_address(url)) as connection:
        text = "select count(*) from pg_locks where locktype = 'advisory' and objid = (hashtext($1)::bigint & 4294967295)::oid"
        return connection.execute(text, (f"mainspring.migrate.{read_address(url).schema}",)).fetchall() == [(0,)]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_store_whose_making_was_killed_is_made_by_the_next_one(postgres, share):
    """At the first statement, in the middle, and before the last word."""
    url = postgres.new_store()
    count = sum(len(statements(text)) + 1 for _, _, text in migrations())
    assert migrate_and_die(url, migrations(), max(1, round(count * share))) != 0
    database = open_database(url)
    assert do(database, starting("new")).created
    database.close()


def test_many_that_open_an_empty_schema_at_once_make_it_once(postgres):
    """One makes it, the others find it; all have the same store."""
    url = postgres.new_store()
    together = threading.Barrier(6)
    opened: list[Any] = []

    def open_later() -> None:
        together.wait()
        try:
            opened.append(open_database(url))
        except BaseException as error:
            opened.append(error)

    threads = [threading.Thread(target=open_later) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [result for result in opened if not isinstance(result, PostgresDatabase)] == []
    with connect(read_address(url)) as connection:
        connection.execute("select set_config('search_path', $1, false)", (read_address(url).schema,))
        names = connection.execute(
            "select count(*) from meta where key not in ('schema', 'first_migration', 'epoch', 'blobs.open_from', 'files.key')"
        ).fetchall()
    assert names == [(1,)]
    for database in opened:
        database.close()


def test_a_store_of_a_newer_version_is_refused(postgres):
    """An old program does not write what it does not know."""
    url = postgres.new_store()
    with connect(read_address(url)) as own:
        migrate(own, read_address(url), TWO)
        with pytest.raises(StoreTooNewError, match="form 2"):
            migrate(own, read_address(url), TWO[:1])


def test_a_store_of_other_migrations_is_refused_untouched(postgres):
    """The numbers of a development version mean something else, whether they are higher or lower than ours."""
    url = postgres.new_store()
    address = read_address(url)
    with connect(address) as own:
        migrate(own, address, TWO)
        for known in (migrations(), [(1, "tables", "create table b (x int);"), (3, "more", "create table c (x int);")]):
            with pytest.raises(StoreError, match=r"development version(.|\n)*at .*schema="):
                migrate(own, address, known)
        with pytest.raises(StoreError, match="development version"):
            require_schema_version(address)
    assert forms(url) == (2, 2)


def test_schema_name_leaves_space_for_its_channel():
    """The server cuts longer names off, and hints would go to no one."""
    assert read_address(f"postgresql://h/d?schema={'s' * 52}").schema == "s" * 52
    with pytest.raises(ConfigError, match="not a valid schema"):
        read_address(f"postgresql://h/d?schema={'s' * 53}")


@pytest.fixture
def small_disk() -> Any:
    """A database with little room, and its folder; only an administrator of this machine can make one."""
    folder = Path(
        tempfile.mkdtemp(prefix="mainspring-disk-")
    )  # pytest closes its own folders to other users at any time
    made = os.geteuid() == 0 and mount("-t", "tmpfs", "-o", "size=16m,uid=nobody", "tmpfs", str(folder))
    if not made:
        folder.rmdir()
        pytest.skip("this user can mount nothing here")
    folder.chmod(0o755)
    server = PostgresServer().start()
    with psycopg.connect(server.url("postgres"), autocommit=True) as administrator:
        administrator.execute(f"create tablespace small location '{folder}'".encode())
        administrator.execute("create database small tablespace small")
    yield server.url("small"), folder
    server.remove()
    subprocess.run(["umount", folder], check=True)
    folder.rmdir()


def mount(*words: str) -> bool:
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0


def test_full_disk_holds_commits_until_there_is_space(small_disk):
    """Nothing fails and nothing is done twice; trouble is reported meanwhile."""
    url, folder = small_disk
    database = open_database(url)
    errors: list[str | None] = []
    committer = Committer(database, print, on_outage=errors.append)
    big = os.urandom(300_000)
    with pytest.raises(StoreFullError):
        for n in range(60):
            database.commit([starting(f"big-{n}", title=big.hex())])
    last = n
    committer.start()
    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.append(committer.apply(starting(f"big-{last}", title=big.hex()))))
    waiting.start()
    wait_until(lambda: errors)
    assert "disk of the database is full" in str(errors[0])
    assert mount("-o", "remount,size=200m", str(folder))
    waiting.join(30)
    assert answers[0].run == f"big-{last}"
    committer.stop()
    assert database.connection.execute("select count(*) from mainspring.runs").fetchall() == [(last + 1,)]
    assert errors[-1] is None
    database.close()


@pytest.mark.parametrize("change", ["stranger@", "mainspring@nowhere"])
def test_server_that_does_not_let_us_in_is_an_error_of_the_address(postgres, change):
    """A wrong user and a wrong database are distinguished from a server that is away: trying again does not help."""
    user, _, database = change.partition("@")
    url = postgres.url(database or "postgres").replace("mainspring@", f"{user}@")
    with pytest.raises(ServerLoginError, match="the database rejects the connection") as refused:
        open_database(url)
    assert find_exit_code(refused.value) == NOT_ALLOWED
    assert "store.url" in (refused.value.hint or "")
