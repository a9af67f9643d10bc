"""Putting a copy back on a server, broken off on the way."""

import psycopg
import pytest

from mainspring.store import failpoints
from mainspring.store.handlers.table import HANDLERS
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.backup import back_up, restore
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.database import PostgresDatabase
from mainspring.store.postgres.endpoint import PostgresEndpoint
from mainspring.store.postgres.migrate import migrate
from tests.unit.store.sqlite.stores import StandingClock, do, starting


@pytest.mark.parametrize("place", ["migrate.done", "move.batch", "move.copied"])
def test_a_restore_that_was_broken_off_is_done_anew(postgres, tmp_path, place):
    """Wherever it ended, the store is as it was, and the same command puts the copy back."""
    url, clock = postgres.new_store(), StandingClock()
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
    with psycopg.connect(postgres.url("postgres"), options=f"-csearch_path={address.schema}") as looking:
        assert looking.execute("select count(*) from runs").fetchone() == (2,)
    assert restore(copy, address, clock=clock).kept
    with psycopg.connect(postgres.url("postgres"), options=f"-csearch_path={address.schema}") as looking:
        assert looking.execute("select count(*) from runs").fetchone() == (1,)
        assert looking.execute("select count(*) from meta where key like 'move.from%'").fetchone() == (0,)


def test_the_bounds_of_a_role_are_none_for_what_reads_or_moves_a_whole_store(postgres):
    """A copy's transaction stands still while its other end writes, and a table is counted by one statement."""
    address = read_address(
        f"{postgres.new_store()}&options=-cstatement_timeout%3D50s%20-cidle_in_transaction_session_timeout%3D50s"
    )
    with connect(address) as connection:
        migrate(connection, address)
    with PostgresEndpoint(address, StandingClock()).reading() as rows:
        for bound in ("statement_timeout", "idle_in_transaction_session_timeout"):
            assert rows._rows(f"show {bound}") == [("0",)]
