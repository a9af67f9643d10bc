"""The user's database on a server: what is refused, what is guarded, what a cut commit means, and who waits for whom."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from mainspring.domain.errors import ConfigError, NotSent
from mainspring.domain.failures.classifier import FailureKind, classify
from mainspring.store.effect_database import EarlierAttemptError, StoredEffect, TransactionError, UnknownCommitError
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.connection import connect as connect_store
from mainspring.store.postgres.effect_database import CREATE, PostgresEffectConnection, PostgresEffectDatabase
from mainspring.store.postgres.migrate import migrate
from tests.postgres_proxy import Proxy
from tests.postgres_server import PostgresServer

EFFECT = StoredEffect(key="k", result=b"1", run="r", step="s", at=5)


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    """A user's schema with one table."""
    url = postgres.new_store()
    schema = read_address(url).schema
    with psycopg.connect(postgres.url("postgres")) as raw:
        raw.execute(f"create schema {schema}")
        raw.execute(f"create table {schema}.t (a int primary key)")
    return url


@pytest.fixture
def database(url: str) -> PostgresEffectDatabase:
    return PostgresEffectDatabase("default", url)


@pytest.fixture
def connection(database: PostgresEffectDatabase) -> Iterator[PostgresEffectConnection]:
    opened = database.open()
    opened.begin()
    yield opened
    opened.close()


def rows(url: str, text: str = "select a from t order by 1") -> list[Any]:
    address = read_address(url)
    with psycopg.connect(address.conninfo, options=f"-csearch_path={address.schema}") as raw:
        return raw.execute(text).fetchall()


def attempt(database: PostgresEffectDatabase, value: int, key: str = "k") -> bytes:
    """Do the effect as a step would, or find that it was done."""
    connection = database.open()
    with contextlib.closing(connection):
        connection.begin()
        found = connection.find(key)
        if found is not None:
            return found
        connection.execute("insert into t values (%s)", (value,))
        connection.save(StoredEffect(key=key, result=str(value).encode(), run="r", step="s", at=5))
        connection.commit()
        return str(value).encode()


def test_effect_and_its_row_are_one_commit(url: str, database: PostgresEffectDatabase) -> None:
    """After the commit both are there, and anyone who comes with the key finds the result and does nothing."""
    assert attempt(database, 7) == b"7"
    assert attempt(database, 8) == b"7"
    assert attempt(database, 8, "other") == b"8"
    assert rows(url) == [(7,), (8,)]
    assert rows(url, "select * from mainspring_effects order by key")[0] == ("k", b"7", "r", "s", 5, None)


def test_close_rolls_back(url: str, connection: PostgresEffectConnection) -> None:
    """Without a commit neither the effect nor its row stays."""
    assert connection.find("k") is None
    connection.execute("insert into t values (7)", ())
    connection.save(EFFECT)
    connection.close()
    connection.close()
    assert rows(url) == []
    assert rows(url, "select * from mainspring_effects") == []


@pytest.mark.parametrize(
    "text",
    [
        "commit",
        " COMMIT",
        "/* a */ commit",
        "-- a\ncommit",
        "select 1; end",
        "begin",
        "rollback",
        "abort",
        "start transaction",
        "prepare transaction 'x'",
    ],
)
def test_step_cannot_end_its_transaction(url: str, connection: PostgresEffectConnection, text: str) -> None:
    """It is refused before it is sent, through `tx` and through the library's connection alike."""
    connection.find("k")
    connection.execute("insert into t values (7)", ())
    for use in (lambda: connection.execute(text, ()), lambda: connection.raw.execute(text)):
        with pytest.raises(TransactionError, match="may not"):
            use()
    for word in (connection.raw.commit, connection.raw.rollback):
        with pytest.raises(TransactionError, match="may not"):
            word()
    assert connection.in_transaction
    assert rows(url) == []


def test_commit_that_slips_through_is_refused_by_the_database(url: str, connection: PostgresEffectConnection) -> None:
    """The row of an effect that is not finished refers to nothing: no commit but ours can pass."""
    connection.find("k")
    connection.execute("insert into t values (7)", ())
    result = connection.raw.pgconn.exec_(b"commit")
    assert result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"23503"
    assert rows(url) == []


def test_savepoints_words_in_texts_and_percent_signs_are_free(url: str, connection: PostgresEffectConnection) -> None:
    """A part may be rolled back; `commit` in a text or name is none."""
    connection.find("k")
    connection.execute("savepoint a", ())
    with pytest.raises(psycopg.errors.DivisionByZero):
        connection.execute("select 1 / 0", ())
    connection.execute("rollback to a", ())
    assert connection.execute("select 'x; commit', 5 %% %s, 'it''s; commit' as \"; commit\"", (3,)) == [
        ("x; commit", 2, "it's; commit")
    ]
    assert connection.execute("select '100%'", ()) == [("100%",)]
    assert connection.execute("select $$; commit$$ || %(a)s", {"a": "b"}) == [("; commitb",)]
    with pytest.raises(TransactionError, match="returning"):
        _ = connection.last_rowid


def test_second_attempt_waits_for_the_first_and_finds_its_effect(
    url: str, database: PostgresEffectDatabase, connection: PostgresEffectConnection
) -> None:
    """A zombie that is slow to commit is waited for: its effect is the one there is."""
    connection.find("k")
    connection.execute("insert into t values (1)", ())
    found: list[bytes] = []
    second = threading.Thread(target=lambda: found.append(attempt(database, 2)))
    second.start()
    waits = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%mainspring_effects%'"
    while rows(url, waits) != [(1,)]:
        pass
    connection.save(EFFECT)
    connection.commit()
    second.join()
    assert found == [b"1"]
    assert rows(url) == [(1,)]


def test_attempt_that_waits_too_long_gives_way(url: str, connection: PostgresEffectConnection) -> None:
    """The first one still stands after the patience: nothing was done, and that is no failure of the step."""
    connection.find("k")
    with pytest.raises(EarlierAttemptError, match="another attempt"):
        attempt(PostgresEffectDatabase("default", url, busy_for=timedelta(milliseconds=50)), 2)
    assert rows(url) == []


@pytest.mark.parametrize("cut", ["before", "after", "late"])
def test_commit_that_is_cut_is_unknown_and_found_out(url: str, postgres: PostgresServer, cut: Any) -> None:
    """Lost before the server, after it, or still on its way: the next attempt with the key leaves one effect."""
    proxy = Proxy(postgres.port)
    try:
        near = PostgresEffectDatabase("default", url.replace(str(postgres.port), str(proxy.port)))
        connection = near.open()
        connection.begin()
        assert connection.find("k") is None
        connection.execute("insert into t values (1)", ())
        connection.save(EFFECT)
        proxy.arm(cut)
        proxy.pass_place("commit.before")
        with pytest.raises(UnknownCommitError) as failure:
            connection.commit()
        assert classify(failure.value).kind is FailureKind.TRANSIENT
        connection.close()
        found: list[bytes] = []
        again = threading.Thread(target=lambda: found.append(attempt(PostgresEffectDatabase("default", url), 2)))
        again.start()
        if cut == "late":
            proxy.deliver()
        again.join()
        # A client that is cut off before it commits is rolled back as soon as the server notices.
        assert (found, rows(url)) in (([b"1"], [(1,)]), ([b"2"], [(2,)]))
        assert cut != "after" or found == [b"1"]
    finally:
        proxy.close()


def test_first_steps_of_a_database_do_not_wait_for_each_other(url: str) -> None:
    """Who looked before the table of effects was there, and comes after it was made, is not held up by anyone who writes in it."""
    database, schema, opened = PostgresEffectDatabase("default", url), read_address(url).schema, threading.Event()

    def open_late() -> None:
        database.open().close()
        opened.set()

    with psycopg.connect(read_address(url).conninfo, autocommit=True, options=f"-csearch_path={schema}") as holder:
        holder.execute("select pg_advisory_lock(hashtext('mainspring_effects'))")
        late = threading.Thread(target=open_late)
        late.start()
        lock_query = "select 1 from pg_locks where locktype = 'advisory' and not granted and pid <> pg_backend_pid()"
        while not holder.execute(lock_query).fetchone():
            assert late.is_alive()
        holder.execute(CREATE.encode())
        with contextlib.closing(database.open()) as first:
            first.begin()
            first.find("k")
            holder.execute("select pg_advisory_unlock_all()")
            assert opened.wait(30)
    late.join()


def test_statement_of_a_client_that_died_ends_soon(url: str, database: PostgresEffectDatabase) -> None:
    """Its server looks whether it is still there, so the next attempt need not wait for the end of what no one wants."""
    dead = database.open()
    dead.begin()
    dead.find("k")
    dead.raw.pgconn.send_query(b"select pg_sleep(600)")
    with socket.socket(fileno=os.dup(dead.raw.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)  # what the kernel does for a process that was killed
    assert attempt(database, 2) == b"2"
    dead.close()


def test_conflicts_of_the_database_are_passing_failures() -> None:
    """What the server broke off for another transaction's sake is tried again by the retry policy."""
    for fault in (
        psycopg.errors.SerializationFailure("x"),
        psycopg.errors.DeadlockDetected("x"),
        psycopg.errors.AdminShutdown("x"),
    ):
        assert classify(fault).kind is FailureKind.TRANSIENT
    assert classify(psycopg.errors.UniqueViolation("x")).kind is not FailureKind.TRANSIENT


def test_abandoned_attempt_stops_its_statement(connection: PostgresEffectConnection) -> None:
    """A statement that runs is broken off, and none begins later, through neither way."""
    connection.find("k")
    threading.Timer(0.1, connection.interrupt).start()
    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute("select pg_sleep(30)", ())
    for use in (lambda: connection.execute("select 1", ()), lambda: connection.raw.execute("select 1")):
        with pytest.raises(psycopg.errors.QueryCanceled):
            use()


def test_store_of_the_engine_and_what_is_not_there_are_refused(postgres: PostgresServer, url: str) -> None:
    """A store is never lent; a missing schema, an address that cannot be read and a server that is away say so."""
    store = postgres.new_store()
    address = read_address(store)
    with connect_store(address) as raw:
        migrate(raw, address)
    with pytest.raises(ConfigError, match="store of Mainspring"):
        PostgresEffectDatabase("default", store).open()
    with pytest.raises(ConfigError, match="cannot be created"):
        PostgresEffectDatabase("default", postgres.new_store()).open()
    with pytest.raises(ConfigError, match="cannot be read"):
        PostgresEffectDatabase("default", "postgresql://u:secret@h/d?nonsense=1")
    with pytest.raises(NotSent, match="cannot be reached"):
        PostgresEffectDatabase("default", url.replace(str(postgres.port), "1")).open()


def test_role_that_may_not_make_tables_works_where_the_owner_made_the_table(postgres: PostgresServer, url: str) -> None:
    """It needs select, insert and update on the table of effects, and nothing else of it."""
    schema = read_address(url).schema
    role = f"{schema}_user"
    PostgresEffectDatabase("default", url).open().close()
    with psycopg.connect(postgres.url("postgres")) as raw:
        raw.execute(f"create role {role} login")
        raw.execute(f"grant usage on schema {schema} to {role}")
        raw.execute(f"grant select, insert, update on {schema}.mainspring_effects, {schema}.t to {role}")
    assert attempt(PostgresEffectDatabase("default", url.replace("mainspring@", f"{role}@")), 3) == b"3"
    assert rows(url) == [(3,)]
