"""No room on the server: what does not fit is held, and the session that holds it lives on."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import FencedError, StoreFullError
from mainspring.store.commands.sessions import OpenSession
from mainspring.store.committer import Committer
from mainspring.store.postgres.address import Address, read_address
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.database import PostgresDatabase
from mainspring.store.write.command_handlers import HANDLERS
from tests.postgres_server import PostgresServer
from tests.unit.store.postgres.test_leases import Passing
from tests.unit.store.sqlite.stores import do, starting

LEASE_MS = 10_000
FULL = """
create function {schema}.is_full() returns trigger language plpgsql as
$$ begin raise exception using errcode = '53100', message = 'could not extend file: No space left on device'; end $$;
create trigger is_full before {what} on {schema}.{table} execute function {schema}.is_full()
"""


@pytest.fixture
def passing() -> Passing:
    return Passing()


@pytest.fixture
def database(postgres: PostgresServer, passing: Passing) -> Iterator[PostgresDatabase]:
    address = read_address(postgres.new_store())
    opened = PostgresDatabase(address, clock=SystemClock(), handlers=HANDLERS, lease_ms=LEASE_MS, passing=passing)
    session = OpenSession(
        uuid="u", role="worker", host="h", hostname="box", pid=1, pid_started="1", lock_path="/l", lease_ms=LEASE_MS
    )
    opened.commit([session])
    yield opened
    opened.close()


def fill(address: Address, table: str, content: str) -> None:
    """Let the server have no room for this table."""
    with connect(address) as other:
        for text in FULL.format(schema=address.schema, table=table, what=content).split(";\n"):
            other.execute(text)


def free_space(address: Address, table: str) -> None:
    with connect(address) as other:
        other.execute(f"drop trigger is_full on {address.schema}.{table}")


def test_session_beats_while_its_commands_do_not_fit(database: PostgresDatabase, passing: Passing) -> None:
    """It waits for room three leases long, and no one may take it for dead meanwhile."""
    fill(database.address, "runs", "insert")
    seen = []
    for _ in range(12):
        passing.seconds += LEASE_MS / 4000
        with pytest.raises(StoreFullError, match="the disk of the database is full"):
            database.commit([starting("r1")], again=True)
        assert not database.lease.is_over
        with connect(database.address) as other:
            seen += other.execute(f"select beat_at from {database.address.schema}.sessions").fetchall()
    assert seen == sorted(set(seen))
    free_space(database.address, "runs")
    assert do(database, starting("r1"), again=True).run == "r1"


def test_session_that_cannot_even_beat_ends_itself(database: PostgresDatabase, passing: Passing) -> None:
    """Others might take its runs as soon as there is room: it releases them before."""
    fill(database.address, "sessions", "update")
    fill_again = "create trigger is_full before insert on {0}.runs execute function {0}.is_full()"
    with connect(database.address) as other:
        other.execute(fill_again.format(database.address.schema))
    passing.seconds += LEASE_MS / 4000
    with pytest.raises(StoreFullError):
        database.commit([starting("r1")])
    passing.seconds += LEASE_MS / 1000
    with pytest.raises(FencedError, match="the lease of session"):
        database.commit([starting("r1")])


def test_waiting_commits_succeed_once_there_is_space(database: PostgresDatabase) -> None:
    """The committing thread tells of it, holds the command, and answers it when it fits: once."""
    errors: list[str | None] = []
    full, fits = threading.Event(), threading.Event()

    def note(text: str | None) -> None:
        errors.append(text)
        (fits if text is None else full).set()

    def deliver(answers: list[tuple[Any, Any]]) -> None:
        for on_done, result in answers:
            on_done(result)

    fill(database.address, "runs", "insert")
    committer = Committer(database, deliver, on_outage=note)
    committer.start()
    answers: list[Any] = []
    committer.submit(starting("r1"), answers.append)
    assert full.wait(20)
    assert answers == []
    free_space(database.address, "runs")
    assert fits.wait(20)
    committer.stop()
    assert [answer.run for answer in answers] == ["r1"]
    assert len(errors) == 2
    assert "the disk of the database is full" in str(errors[0])
