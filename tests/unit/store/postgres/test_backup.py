"""Putting a backup back on a server: cut anywhere, the store is the old one or the new one, whole."""

import os
from pathlib import Path
from typing import Any

import pytest

from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import ConflictError
from mainspring.store import failpoints
from mainspring.store.postgres.address import Address, read_address
from mainspring.store.postgres.backup import back_up, restore
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.database import PostgresDatabase
from mainspring.store.restore_hold import HOLD_KEY
from mainspring.store.write.command_handlers import HANDLERS
from tests.postgres_server import PostgresServer
from tests.unit.store.postgres.test_opening import grant
from tests.unit.store.sqlite.stores import StoppedClock, do, starting


class Cut(BaseException):
    """The process ends here."""


@pytest.fixture(autouse=True)
def _nothing_ordered() -> Any:
    yield
    failpoints.install(None)


def make_runs(address: Address, *names: str) -> None:
    database = PostgresDatabase(address, clock=StoppedClock(), handlers=HANDLERS)
    for name in names:
        assert do(database, starting(name)).created
    database.close()


def read(address: Address, text: str) -> list[Any]:
    with connect(address) as connection:
        connection.execute("select set_config('search_path', $1, false)", (address.schema,))
        return connection.execute(text).fetchall()


def test_backup_is_good_though_ids_are_given_meanwhile(tmp_path: Path, postgres: PostgresServer) -> None:
    """A counter heeds no snapshot: a process that begins while a copy is compared made the copy look as if it lacked something."""
    address = read_address(postgres.new_store())
    make_runs(address, "one")

    def meanwhile(place: str) -> None:
        if place == "move.copied":
            make_runs(address, "two")

    failpoints.install(meanwhile)
    assert back_up(address, tmp_path, clock=SystemClock()).rows["runs"] == 1


def test_interrupted_restore_leaves_the_old_store_and_is_repeated(tmp_path: Path, postgres: PostgresServer) -> None:
    """After each part, and when the new schema is full but does not yet have the name, the old store is as it was."""
    address = read_address(postgres.new_store())
    make_runs(address, "one", "two")
    made = back_up(address, tmp_path, clock=SystemClock())
    assert made.rows["runs"] == 2
    make_runs(address, "three")
    for stop in ("move.batch", "move.copied", "restore.filled"):

        def cut(place: str, stop: str = stop) -> None:
            if place == stop:
                raise Cut

        failpoints.install(cut)
        with pytest.raises(Cut):
            restore(made.path, address, clock=SystemClock())
        failpoints.install(None)
        assert read(address, "select count(*) from runs") == [(3,)]
    done = restore(made.path, address, clock=SystemClock())
    assert done.unfinished == 2
    assert read(address, "select count(*) from runs") == [(2,)]
    assert read(address, f"select value from meta where key = '{HOLD_KEY}'") == [("1",)]
    assert read(address, "select key from meta where key like 'move.%' and key <> 'move.done'") == []
    previous_schema = str(done.previous_store).removeprefix("schema ")
    assert read(address, f'select count(*) from "{previous_schema}".runs') == [(3,)]


def test_schema_of_another_user_is_not_dropped_for_a_restore(tmp_path: Path, postgres: PostgresServer) -> None:
    """Only what a restore itself left unfinished is in its way and goes."""
    address = read_address(postgres.new_store())
    make_runs(address, "one")
    made = back_up(address, tmp_path, clock=SystemClock())
    other = read_address(f"{postgres.url('postgres')}?schema={address.schema}_restoring")
    make_runs(other, "theirs")
    with pytest.raises(ConflictError, match="not empty"):
        restore(made.path, address, clock=SystemClock())
    assert read(other, "select count(*) from runs") == [(1,)]


def test_a_role_without_the_right_to_change_tables_makes_backups(tmp_path: Path, postgres: PostgresServer) -> None:
    """What workers may do is enough to read the whole store, with the last number that each sequence gave."""
    url = postgres.new_store()
    make_runs(read_address(url), "one", "two")
    made = back_up(read_address(grant(postgres, url, f"keeper_{os.getpid()}")), tmp_path, clock=SystemClock())
    assert made.rows["runs"] == 2
