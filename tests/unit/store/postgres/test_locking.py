"""A client that stops in the middle of a message to the server keeps no one waiting, and anyone who waits keeps its own session."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mainspring.domain.clock import SystemClock
from mainspring.store.commands.automations import SetMeta
from mainspring.store.commands.results import NumberAnswer
from mainspring.store.commands.sessions import DeclareSessionDead
from mainspring.store.postgres.address import Address, read_address
from mainspring.store.postgres.connection import ServerConnection, connect
from mainspring.store.postgres.database import PostgresDatabase
from mainspring.store.postgres.store import PostgresStore
from mainspring.store.postgres.texts import TEXTS
from mainspring.store.postgres.transaction import run
from mainspring.store.write.command_handlers import HANDLERS
from tests.contract.store.overlap import wait_until
from tests.postgres_server import PostgresServer
from tests.unit.store.sqlite.stores import opening

LEASE_MS = 4_000


@pytest.fixture
def address(postgres: PostgresServer) -> Address:
    return read_address(postgres.new_store())


@pytest.fixture
def fatal() -> list[BaseException]:
    """What ended the worker."""
    return []


@pytest.fixture
def worker(address: Address, tmp_path: Path, fatal: list[BaseException]) -> Iterator[PostgresStore]:
    store = PostgresStore(address, locks=tmp_path, lease_ms=LEASE_MS, clock=SystemClock(), on_fatal=fatal.append)
    store.open()
    store.open_session("worker")
    yield store
    store.close(drain=False)


class Stopped:
    """A process of the same store that stops after the server has got the first part of a message; `close` ends it."""

    def __init__(self, address: Address, session: str | None) -> None:
        self.database = PostgresDatabase(address, clock=SystemClock(), handlers=HANDLERS, lease_ms=LEASE_MS)
        if session is not None:
            self.database.commit([opening(session)])
        connection = self.database.connection
        assert connection is not None
        self.connection: ServerConnection = connection
        self._message = connection.pipeline()

    def hold(self, text: str) -> None:
        """Open a group, let it hold what this statement holds, and stop before the end of the message."""
        self._message.__enter__()
        self.connection.execute("begin")
        run(self.connection.cursor(), TEXTS["prepare_group"], self.database._opening)
        run(self.connection.cursor(), TEXTS["read_writer"], (self.database.session, ""))
        self.connection.execute(text)
        with connect(self.database.address) as connection:
            state = "select 1 from pg_stat_activity where pid = $1 and state = 'active' and wait_event = 'ClientRead'"
            pid = self.connection.info.backend_pid
            wait_until(lambda: connection.execute(state, (pid,)).fetchone() is not None)

    def await_end(self) -> None:
        """Wait until the server has ended it. In the middle of a message the client itself may not notice that."""
        with connect(self.database.address) as connection:
            process = "select 1 from pg_stat_activity where pid = $1"
            pid = self.connection.info.backend_pid
            wait_until(lambda: connection.execute(process, (pid,)).fetchone() is None)

    def close(self) -> None:
        self.connection.close()


@pytest.fixture(params=["stopped", None], ids=["worker", "command"])
def stopped(request: pytest.FixtureRequest, address: Address) -> Iterator[Stopped]:
    """A worker, or a command of a person's, which has no session that could be declared dead."""
    made = Stopped(address, request.param)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _work(worker: PostgresStore) -> None:
    """What the others wait for."""
    worker.apply(SetMeta("thing", "made"))


HOLDING = "select 1 from meta where key = 'thing' for update"


def test_client_that_stops_within_a_message_blocks_no_one(
    worker: PostgresStore, stopped: Stopped, fatal: list[BaseException]
) -> None:
    """No limit of the server ends its transaction, with a session or without: who waits for it continues soon, in its own session."""
    stopped.hold(HOLDING)
    worker.apply(SetMeta("thing", "changed"))
    assert fatal == []
    stopped.await_end()


def test_death_declaration_waits_for_no_stopped_client(
    worker: PostgresStore, stopped: Stopped, postgres: PostgresServer, address: Address
) -> None:
    """Two look after a dead session, and one of them stops with its row in hand: the other one declares it dead."""
    dead = Stopped(address, "dead")
    stopped.hold("select 1 from sessions where uuid = 'dead' for update")
    assert isinstance(worker.apply(DeclareSessionDead(dead.database.session or 0)), NumberAnswer)
    dead.close()


@pytest.mark.slow
def test_transaction_of_another_user_is_ignored_and_costs_no_session(
    worker: PostgresStore, address: Address, fatal: list[BaseException]
) -> None:
    """A person holds a row by psql for longer than a lease: it is waited for, with beats meanwhile, and no one is ended."""
    beats = "select beat_at from sessions where id = ?"
    with connect(address) as holding:
        holding.execute("begin")
        holding.execute("select set_config('search_path', $1, true)", (address.schema,))
        holding.execute(HOLDING)
        answers: list[Any] = []
        worker.submit(SetMeta("thing", "changed"), answers.append)
        ((first,),) = worker.reader.read_text(beats, (worker.session,))
        wait_until(lambda: worker.reader.read_text(beats, (worker.session,))[0][0] > first + LEASE_MS * 3 // 2)
        assert answers == []
        assert fatal == []
        holding.execute("commit")
    wait_until(lambda: answers)
