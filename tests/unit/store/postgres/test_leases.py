"""Each session lives by its own process's lease, no matter who looks."""

import time
from collections.abc import Iterator

import psycopg
import pytest

from mainspring.app.stores.store_factory import make_store
from mainspring.app.workers.dead_sessions import declare_expired_sessions_dead
from mainspring.domain.clock import SystemClock
from mainspring.store.commands.results import NumberAnswer
from mainspring.store.commands.sessions import DeclareSessionDead
from mainspring.store.postgres.connection import connect
from mainspring.store.postgres.database import PostgresDatabase
from mainspring.store.postgres.lease import Lease
from mainspring.store.process_store import ProcessStore
from tests.postgres_server import PostgresServer

LONG_MS, SHORT_MS = 60_000, 10_000


class Passing:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_lease_is_renewed_four_times_and_over_after_two_thirds() -> None:
    """A process beats well before, and ends itself well before others may take its session for dead."""
    passing = Passing()
    lease = Lease(3_000, passing)
    assert not lease.is_over, "there is no session yet"
    lease.renew(lease.ask())
    passing.seconds += 0.74
    assert not lease.is_due
    passing.seconds += 0.02
    assert lease.is_due
    passing.seconds += 1.23
    assert not lease.is_over
    passing.seconds += 0.02
    assert lease.is_over
    lease.end()
    assert not lease.is_over


def test_lease_counts_from_the_question_not_from_the_answer() -> None:
    """The server wrote the beat down before its answer came: a slow answer makes the lease no longer."""
    passing = Passing()
    lease = Lease(3_000, passing)
    request = lease.ask()
    passing.seconds += 1.9
    lease.renew(request)
    passing.seconds += 0.2
    assert lease.is_over


@pytest.fixture
def stores(postgres: PostgresServer) -> Iterator[tuple[ProcessStore, ProcessStore]]:
    """Two processes with different leases on one store: the long one's first."""
    url = postgres.new_store()
    made = (
        make_store(url, lease_ms=LONG_MS, clock=SystemClock()),
        make_store(url, lease_ms=SHORT_MS, clock=SystemClock()),
    )
    for store in made:
        store.open()
        store.open_session("worker")
    yield made
    for store in made:
        store.close(drain=False)


def silence(postgres: PostgresServer, store: ProcessStore, ms: int) -> None:
    """Let the last sign of life of a session be so old, and the server's start with it."""
    address = store.address  # type: ignore[attr-defined]
    with connect(address) as connection:
        text = f"update {address.schema}.sessions set beat_at = beat_at - $1 where id = $2"
        connection.execute(text, (ms, store.session))


def test_session_with_a_longer_lease_is_not_declared_dead_early(
    postgres: PostgresServer, stores: tuple[ProcessStore, ProcessStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process whose own lease is short leaves a silent session alone that asked for a longer one, and declares it dead after that."""
    from mainspring.store.postgres.texts import TEXTS

    long, short = stores
    text = TEXTS.source("list_expired_sessions").replace("pg_postmaster_start_time()", "to_timestamp(0)")
    monkeypatch.setitem(TEXTS, "list_expired_sessions", TEXTS.worded(text))  # the server of the tests has just begun
    silence(postgres, long, SHORT_MS * 2)
    assert short.expired() == []
    assert not declare_expired_sessions_dead(short)
    silence(postgres, long, LONG_MS)
    assert short.expired() == [(long.session, LONG_MS)]
    assert declare_expired_sessions_dead(short)
    assert short.reader.read_text("select state from sessions where id = ?", (long.session,)) == [("dead",)]


def test_silent_session_with_a_transaction_under_way_is_declared_dead_at_once(
    postgres: PostgresServer, stores: tuple[ProcessStore, ProcessStore]
) -> None:
    """What a stopped process holds on the server is taken from it: a process that declares it dead keeps its own lease without a wait."""
    long, short = stores
    url = long.address  # type: ignore[attr-defined]
    database = long._database
    assert isinstance(database, PostgresDatabase)
    silence(postgres, long, LONG_MS)
    holding = connect(url)
    holding.execute("begin")
    holding.execute("select pg_advisory_xact_lock($1)", (database.instance,))
    holding.execute(f"select state from {url.schema}.sessions where id = $1 for share", (long.session,))
    started = time.monotonic()
    short.cut_off(long.session or 0)
    answer = short.apply(DeclareSessionDead(long.session or 0, silent_ms=LONG_MS))
    assert isinstance(answer, NumberAnswer)
    assert time.monotonic() - started < SHORT_MS / 1000, "it waited until the server itself ended what stood still"
    with pytest.raises(psycopg.OperationalError):
        holding.execute("select 1")
