"""The user's SQLite file: what is refused, what is guarded, and what a failed commit means."""

import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import apsw
import pytest

from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import ConfigError, Transient
from mainspring.domain.failures.classifier import FailureKind, classify
from mainspring.store.effect_database import StoredEffect, TransactionError, UnknownCommitError
from mainspring.store.sqlite.database import SqliteDatabase
from mainspring.store.sqlite.effect_database import SqliteEffectDatabase

EFFECT = StoredEffect(key="k", result=b"1", run="r", step="s", at=5)


@pytest.fixture
def path(tmp_path):
    """A user's file with one table."""
    file = tmp_path / "app.db"
    with contextlib.closing(apsw.Connection(str(file))) as raw:
        raw.execute("create table t (a primary key)")
    return file


@pytest.fixture
def database(path):
    return SqliteEffectDatabase("default", path, busy_for=timedelta(milliseconds=50))


@pytest.fixture
def connection(database):
    opened = database.open()
    opened.begin()
    yield opened
    opened.close()


def rows(path, sql="select a from t"):
    with contextlib.closing(apsw.Connection(str(path))) as raw:
        return raw.execute(sql).fetchall()


def test_effect_and_its_row_are_one_commit(path, connection, database):
    """After the commit both are there, and another connection finds the result."""
    connection.execute("insert into t values (?)", (7,))
    connection.save(EFFECT)
    connection.commit()
    again = database.open()
    again.begin()
    assert again.find("k") == b"1"
    assert again.find("other") is None
    again.close()
    assert rows(path) == [(7,)]
    assert rows(path, "select * from mainspring_effects") == [("k", b"1", "r", "s", 5)]


def test_close_rolls_back(path, connection):
    """Without a commit neither the effect nor its row stays."""
    connection.execute("insert into t values (7)", ())
    connection.save(EFFECT)
    connection.close()
    connection.close()
    assert rows(path) == []
    assert rows(path, "select name from sqlite_schema where name like 'mainspring%'") == []


def test_connection_keeps_what_it_commits(connection):
    """The log is forced to the disk at each commit, and references are enforced."""
    assert connection.raw.pragma("journal_mode") == "wal"
    assert connection.raw.pragma("synchronous") == 2
    assert connection.raw.pragma("foreign_keys") == 1


@pytest.mark.parametrize(
    "sql",
    [
        "commit",
        "END",
        "rollback",
        "begin",
        "/* no */ commit",
        "insert into t values (1); commit",
        "attach ':memory:' as x",
    ],
)
@pytest.mark.parametrize("way", ["execute", "raw"])
def test_user_sql_cannot_end_the_transaction(path, connection, sql, way):
    """Neither through us nor through the library's own connection, however it is spelt."""
    with pytest.raises(TransactionError, match="may not") as caught:
        connection.execute(sql, ()) if way == "execute" else connection.raw.execute(sql)
    assert "default" in caught.value.message
    assert connection.in_transaction
    connection.close()
    assert rows(path) == []


def test_cached_commit_of_ours_is_not_found_by_the_user(connection):
    """A BEGIN of ours was prepared with leave; the same text of the user is refused all the same."""
    with pytest.raises(TransactionError):
        connection.execute("begin immediate", ())


def test_savepoints_are_free(path, connection):
    """A part can be rolled back alone."""
    connection.execute("savepoint part; insert into t values (1); rollback to part; release part", ())
    connection.execute("insert into t values (2)", ())
    connection.commit()
    assert rows(path) == [(2,)]


def test_nothing_is_committed_after_the_database_ended_the_transaction(path, connection):
    """OR ROLLBACK ends the transaction; a later statement would then commit by itself, and does not."""
    connection.execute("insert into t values (1)", ())
    with pytest.raises(apsw.ConstraintError):
        connection.raw.execute("insert or rollback into t values (1)")
    assert not connection.in_transaction
    with pytest.raises(apsw.ConstraintError):
        connection.raw.execute("insert into t values (2)")
    assert rows(path) == []


def test_attempts_that_use_a_file_first_at_the_same_moment_all_get_it(tmp_path):
    """Anyone who comes first has it keep a write-ahead log: of two who ask for that at once SQLite refuses one without any waiting."""
    with ThreadPoolExecutor(4) as pool:
        for number in range(40):
            file = tmp_path / f"{number}.db"
            with contextlib.closing(apsw.Connection(str(file))) as raw:
                raw.execute("create table t (a primary key)")
            start = threading.Barrier(4)

            def use(file=file, start=start):
                start.wait(20)
                opened = SqliteEffectDatabase("default", file).open()
                opened.begin()
                opened.execute("insert into t values (?)", (threading.get_ident(),))
                opened.commit()
                opened.close()

            for future in [pool.submit(use) for _ in range(4)]:
                future.result()
            assert len(set(rows(file))) == 4


def test_missing_file_is_refused_and_not_made(tmp_path):
    """A mistyped path must not become an empty database that knows no effect."""
    with pytest.raises(ConfigError, match=r"no file for the database 'x'") as caught:
        SqliteEffectDatabase("x", tmp_path / "gone.db").open()
    assert "name of the environment" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_missing_file_of_an_address_has_no_hint_about_environments(tmp_path):
    """Only files of configured names have another name in each environment."""
    with pytest.raises(ConfigError, match="or correct the address") as caught:
        SqliteEffectDatabase("sqlite:///gone.db", tmp_path / "gone.db").open()
    assert "environment" not in caught.value.hint


@pytest.mark.parametrize("link", [None, os.symlink, os.link], ids=["itself", "symlink", "hard link"])
def test_store_of_the_engine_is_refused(tmp_path, link):
    """By its mark in the file, so under any name."""
    store, name = tmp_path / "state.db", tmp_path / "state.db"
    SqliteDatabase(store, clock=SystemClock(), handlers={}).close()
    if link is not None:
        name = tmp_path / "app.db"
        link(store, name)
    with pytest.raises(ConfigError, match="store of Mainspring"):
        SqliteEffectDatabase("x", name).open()


def test_file_that_is_no_database_is_reported(tmp_path):
    """The library's own error comes through, with nothing left open."""
    file = tmp_path / "app.db"
    file.write_text("no database at all, but long enough to be looked at" * 50)
    with pytest.raises(apsw.NotADBError):
        SqliteEffectDatabase("x", file).open()


def test_second_writer_waits_and_then_may_retry(path, database, connection):
    """A lock that is held too long is a passing trouble."""
    second = database.open()
    with pytest.raises(Transient, match="locked by another writer"):
        second.begin()
    second.close()
    connection.commit()


def test_commit_refused_with_the_transaction_open_is_certain(path, connection):
    """A deferred constraint fails at COMMIT; nothing was committed, so this is the fault of the step, told as it is."""
    connection.execute("create table c (a references t deferrable initially deferred); insert into c values (9)", ())
    with pytest.raises(apsw.ConstraintError) as caught:
        connection.commit()
    assert classify(caught.value).kind is FailureKind.PERMANENT
    connection.close()
    assert rows(path) == []


class _BrokenCommit:
    """A raw connection whose COMMIT takes place, and then reports an error."""

    def __init__(self, raw):
        self.real = raw

    def __getattr__(self, name):
        return getattr(self.real, name)

    def execute(self, sql, *args, **kwargs):
        done = self.real.execute(sql, *args, **kwargs)
        if sql == "commit":
            raise apsw.IOError("disk I/O error")
        return done


def test_commit_that_fails_otherwise_is_unknown(path, database, connection):
    """The failure is one to be tried again, and the next look tells that it took place."""
    connection.raw = _BrokenCommit(connection.raw)
    connection.save(EFFECT)
    with pytest.raises(UnknownCommitError) as caught:
        connection.commit()
    assert classify(caught.value).kind is FailureKind.TRANSIENT
    again = database.open()
    again.begin()
    assert again.find("k") == b"1"
    again.close()
