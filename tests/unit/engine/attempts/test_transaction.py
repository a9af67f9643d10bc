"""`ms.Tx`: what it offers, what it refuses, and that abandoning frees the database."""

import contextlib
import threading

import apsw
import pytest

from mainspring.engine.attempts.step_context import AttemptClosed
from mainspring.engine.attempts.transaction import Tx
from mainspring.engine.attempts.transactional_call import build_transactional_call
from mainspring.store.effect_database import TransactionError
from mainspring.store.sqlite.effect_database import SqliteEffectDatabase
from tests.unit.engine.transactional_steps import call, make, paid, pay, spec_of


@pytest.fixture
def path(tmp_path):
    return make(tmp_path / "app.db")


@pytest.fixture
def database(path):
    return SqliteEffectDatabase("default", path)


def test_rows_are_read_as_from_a_cursor(database):
    """All rows of a statement, by fetching, index or loop; several at a time are written by executemany."""

    def step(tx: Tx) -> int:
        tx.executemany("insert into paid (amount) values (:a)", ({"a": n} for n in range(4)))
        rows = tx.execute("select amount from paid where amount > :low order by 1", {"low": 0})
        assert (len(rows), rows[0], list(rows)) == (3, (1,), [(1,), (2,), (3,)])
        assert (rows.fetchone(), rows.fetchall(), rows.fetchone()) == ((1,), [(2,), (3,)], None)
        assert tx.connection.execute("select count(*) from paid").get == 4
        return len(tx.execute("insert into paid (amount) values (9) returning id"))

    assert call(database, step) == 1


def test_tx_is_refused_after_its_step(path, database):
    """Anyone who kept it can do nothing with it, nor with the connection below."""
    saved = []

    def step(tx: Tx) -> None:
        saved.extend((tx, tx.connection))

    call(database, step)
    uses = [
        lambda: saved[0].execute("select 1"),
        lambda: saved[0].executemany("select 1", [()]),
        lambda: saved[0].last_rowid,
        lambda: saved[0].connection,
    ]
    for use in uses:
        with pytest.raises(TransactionError, match="after its end"):
            use()
    with pytest.raises(apsw.ConnectionClosedError):
        saved[1].execute("select 1")


def test_step_cannot_commit_by_itself(path, database):
    """A COMMIT that the step swallows the refusal of is still none."""

    def step(tx: Tx) -> None:
        pay(tx, 1)
        with contextlib.suppress(TransactionError):
            tx.execute("commit")
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        call(database, step)
    assert paid(path) == []


def test_step_that_continues_after_the_database_rolled_back_fails_with_the_cause(path, database):
    """What it swallowed is what it is reported, and nothing of it stays."""

    def step(tx: Tx) -> None:
        pay(tx, 1)
        with contextlib.suppress(apsw.ConstraintError):
            tx.execute("insert or rollback into paid values (1, 1)")
        with contextlib.suppress(apsw.ConstraintError):
            pay(tx, 2)

    with pytest.raises(apsw.ConstraintError, match="UNIQUE"):
        call(database, step)
    assert paid(path) == []


ENDLESS = "with recursive n(i) as (values (1) union all select i + 1 from n) select count(*) from n"


@pytest.mark.parametrize("busy", ["python", "statement"])
def test_giving_up_frees_the_database_while_the_step_hangs(path, database, busy):
    """A zombie holds no lock: the next attempt is done while it still runs, and it can write nothing more."""
    holds, go, ends = threading.Event(), threading.Event(), []

    def step(tx: Tx, amount: int) -> None:
        pay(tx, amount)
        holds.set()
        if busy == "statement":
            with contextlib.suppress(apsw.InterruptError, AttemptClosed):
                tx.execute(ENDLESS)
        go.wait(20)
        pay(tx, amount)

    zombie = build_transactional_call(database, spec_of(step))

    def serve():
        try:
            zombie(1)
        except BaseException as end:
            ends.append(end)

    thread = threading.Thread(target=serve)
    thread.start()
    assert holds.wait(20)
    zombie.abandon()
    assert call(database, pay, 2)["amount"] == 2
    go.set()
    thread.join(20)
    assert [type(end) for end in ends] == [AttemptClosed]
    assert paid(path) == [2]


def test_giving_up_stops_a_statement_on_the_connection_below(path, database):
    """What runs past us is stopped too; the database is free as soon as the step ends or comes back to tx."""
    holds, ends = threading.Event(), []

    def step(tx: Tx, amount: int) -> None:
        pay(tx, amount)
        raw = tx.connection
        holds.set()
        raw.execute(ENDLESS)

    zombie = build_transactional_call(database, spec_of(step))

    def serve():
        try:
            zombie(1)
        except apsw.InterruptError as end:
            ends.append(end)

    thread = threading.Thread(target=serve)
    thread.start()
    assert holds.wait(20)
    zombie.abandon()
    assert call(database, pay, 2)["amount"] == 2
    thread.join(20)
    assert len(ends) == 1
    assert paid(path) == [2]
