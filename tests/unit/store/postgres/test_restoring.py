"""Putting a copy back on a server, broken off on the way."""

import psycopg
import pytest

from mainspring.domain.errors import StoreTooNewError
from mainspring.store import failpoints
from mainspring.store.commands.automations import AuditedCommand, SetMeta
from mainspring.store.maintenance.move_marker import GONE
from mainspring.store.maintenance.store_move import MoveResult, move
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.backup import back_up, restore
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.database import PostgresDatabase
from mainspring.store.postgres.migrate import migrate
from mainspring.store.postgres.move_endpoint import PostgresEndpoint
from mainspring.store.sqlite.connection import connect as connect_file
from mainspring.store.sqlite.migrate import migrate as migrate_file
from mainspring.store.sqlite.move_endpoint import SqliteEndpoint
from mainspring.store.write.command_handlers import HANDLERS
from tests.unit.store.sqlite.stores import StoppedClock, do, starting


@pytest.mark.parametrize("place", ["migrate.done", "move.batch", "move.copied"])
def test_a_restore_that_was_broken_off_is_done_again(postgres, tmp_path, place):
    """Wherever it ended, the store is as it was, and the same command puts the copy back."""
    url, clock = postgres.new_store(), StoppedClock()
    address = read_address(url)
    database = PostgresDatabase(address, clock=clock, handlers=HANDLERS)
    do(database, starting("kept"))
    copy = back_up(address, tmp_path, clock=clock).path
    do(database, starting("later"))
    database.close()

    def broken_off(passed: str) -> None:
        if passed == place:
            raise InterruptedError

    failpoints.install(broken_off)
    try:
        with pytest.raises(InterruptedError):
            restore(copy, address, clock=clock)
    finally:
        failpoints.install(None)
    with psycopg.connect(postgres.url("postgres"), options=f"-csearch_path={address.schema}") as connection:
        assert connection.execute("select count(*) from runs").fetchone() == (2,)
    assert restore(copy, address, clock=clock).previous_store
    with psycopg.connect(postgres.url("postgres"), options=f"-csearch_path={address.schema}") as connection:
        assert connection.execute("select count(*) from runs").fetchone() == (1,)
        assert connection.execute("select count(*) from meta where key like 'move.from%'").fetchone() == (0,)


def test_the_bounds_of_a_role_are_none_for_what_reads_or_moves_a_whole_store(postgres):
    """A copy's transaction is stuck while its other end writes, and a table is counted by one statement."""
    address = read_address(
        f"{postgres.new_store()}&options=-cstatement_timeout%3D50s%20-cidle_in_transaction_session_timeout%3D50s"
    )
    with connect(address) as connection:
        migrate(connection, address)
    with PostgresEndpoint(address, StoppedClock()).reading() as rows:
        for bound in ("statement_timeout", "idle_in_transaction_session_timeout"):
            assert rows._rows(f"show {bound}") == [("0",)]


def test_a_store_stays_open_if_the_place_it_is_to_go_to_is_of_a_newer_version(postgres, tmp_path):
    """What cannot be moved to is known before the old store is marked; and a move that was done already is reported as done."""
    url, clock = postgres.new_store(), StoppedClock()
    file = connect_file(tmp_path / "a.db")
    migrate_file(file)
    file.close()
    address = read_address(url)
    postgres.execute(f"create schema {address.schema}")
    postgres.execute(f"create table {address.schema}.meta (key text primary key, value text)")
    postgres.execute(
        f"insert into {address.schema}.meta values ('schema', '0999_future'), ('first_migration', '0001_release')"
    )
    source, target = SqliteEndpoint(tmp_path / "a.db", clock), PostgresEndpoint(address, clock)

    def go() -> MoveResult:
        mark = AuditedCommand("c1", "somebody", "move", "store:place", SetMeta(GONE, None), None, {})
        return move(source, target, act=lambda _: mark, new_id="m1", report=lambda _: None)

    with pytest.raises(StoreTooNewError):
        go()
    assert source.read_marker() is None
    postgres.execute(f"drop schema {address.schema} cascade")
    assert go().tables
    assert go() == MoveResult(source.location, target.location, {})
