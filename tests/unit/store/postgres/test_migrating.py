"""Bringing a store on a server to the form of a later version: cut at each statement, and beside work that continues."""

import threading
from typing import Any

import psycopg
import pytest

from mainspring.store import failpoints
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.database import PostgresDatabase
from mainspring.store.postgres.migrate import migrate, migrations, statements, version_of
from mainspring.store.schema_version import Migration
from mainspring.store.write.command_handlers import HANDLERS
from tests.contract.store.overlap import wait_until
from tests.later_version import add_migration
from tests.postgres_server import PostgresServer
from tests.unit.store.sqlite.stores import StoppedClock, do, starting


def open_database(url: str) -> PostgresDatabase:
    return PostgresDatabase(read_address(url), clock=StoppedClock(), handlers=HANDLERS)


def add_migration_of_data(known: list[Migration]) -> list[Migration]:
    """Return these migrations and one that changes rows."""
    text = (
        "alter table meta add column note text;\nupdate meta set note = key;\ncreate index meta_note on meta (note);\n"
    )
    return [*known, (known[-1][0] + 1, "notes", text)]


@pytest.fixture(autouse=True)
def _nothing_ordered() -> Any:
    yield
    failpoints.install(None)


@pytest.mark.slow
def test_each_later_migration_survives_a_server_that_ends_it_at_any_statement(postgres: PostgresServer) -> None:
    """The backend is ended after each statement in turn: the store has the form of before, whole, and the next try continues from there."""
    url = postgres.new_store()
    address = read_address(url)
    known = add_migration(add_migration_of_data(migrations()))
    with connect(address) as own:
        migrate(own, address, known[:1])
    for index, (number, _, text) in enumerate(known[1:], 1):
        for place in range(1, len(statements(text)) + 2):
            passed = 0
            with connect(address) as own:
                pid = own.info.backend_pid

                def end(at: str, place: int = place, pid: int = pid) -> None:
                    nonlocal passed
                    passed += at == "migrate.statement"
                    if passed == place and at == "migrate.statement":
                        with psycopg.connect(postgres.url("postgres"), autocommit=True) as other:
                            other.execute("select pg_terminate_backend(%s, 5000)", (pid,))

                failpoints.install(end)
                with pytest.raises(psycopg.OperationalError):
                    migrate(own, address, known[: index + 1])
                failpoints.install(None)
            with connect(address) as connection:
                assert version_of(connection, address.schema) == known[index - 1][0]
        with connect(address) as own:
            migrate(own, address, known[: index + 1])
            assert version_of(own, address.schema) == number


def test_work_continues_while_a_newer_version_adds_to_the_store(postgres: PostgresServer) -> None:
    """A process of this form commits before, during and after the change of another one, and loses nothing; a new one of it is refused."""
    url = postgres.new_store()
    address = read_address(url)
    database = open_database(url)
    known = add_migration(migrations())
    started: list[str] = []
    over = threading.Event()
    faults: list[BaseException] = []

    def work() -> None:
        try:
            while not over.is_set():
                name = f"run{len(started)}"
                assert do(database, starting(name)).created
                started.append(name)
        except BaseException as fault:
            faults.append(fault)

    worker = threading.Thread(target=work)
    worker.start()
    wait_until(lambda: len(started) > 20)

    def dawdle(at: str) -> None:
        # Those that want the changed table are stuck now; let them stand for a moment.
        if at == "migrate.statement":
            with connect(address) as connection:
                connection.execute("select pg_sleep(0.2)")

    failpoints.install(dawdle)
    with connect(address) as own:
        assert migrate(own, address, known) == ["colour"]
    failpoints.install(None)
    before = len(started)
    wait_until(lambda: len(started) > before + 20 or bool(faults))
    over.set()
    worker.join()
    assert faults == []
    with connect(address) as connection:
        row_counts = connection.execute(f'select count(*) from "{address.schema}".runs').fetchall()
    assert row_counts == [(len(started),)]
    database.close()
    with pytest.raises(Exception, match="this version knows"):
        open_database(url)


def test_versions_of_a_session_survive_the_wider_key(postgres: PostgresServer) -> None:
    """Each row stays, and from now on a session may have several versions of a name."""
    address = read_address(postgres.new_store())
    with connect(address) as own:
        migrate(own, address, migrations()[:8])
        own.execute(f"set search_path = {address.schema}")
        insert = "insert into session_automations (session, automation, version) values ($1, $2, $3)"
        for row in [(1, "a", 1), (1, "b", 4), (2, "a", 2)]:
            own.execute(insert, row)
        migrate(own, address, migrations()[:9])
        own.execute(insert, (1, "a", 2))
        rows = "select session, automation, version from session_automations order by session, automation, version"
        assert own.execute(rows).fetchall() == [(1, "a", 1), (1, "a", 2), (1, "b", 4), (2, "a", 2)]
