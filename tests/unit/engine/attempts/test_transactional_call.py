"""Transactional delivery: one effect per key, whatever fails, repeats or is abandoned in between."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import threading
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mainspring.domain.errors import ConfigError, DefinitionError, ValueRefusedError
from mainspring.domain.failures.classifier import FailureKind, classify
from mainspring.domain.values.codec import DEFAULT_LIMIT
from mainspring.engine.attempts.executor import AttemptExecutor
from mainspring.engine.attempts.step_context import AttemptClosed, idempotency_key
from mainspring.engine.attempts.transaction import Tx
from mainspring.engine.attempts.transactional_call import build_transactional_call, find_database
from mainspring.store import failpoints
from mainspring.store.effect_database import UnknownCommitError
from mainspring.store.sqlite.effect_database import SqliteEffectDatabase
from tests.unit.engine.transactional_steps import call, make, paid, pay, spec_of

HERE = Path(__file__)


@pytest.fixture
def path(tmp_path):
    return make(tmp_path / "app.db")


@pytest.fixture
def database(path):
    return SqliteEffectDatabase("default", path)


@pytest.fixture
def at_place():
    """Call something when a place is passed."""

    def install(place, act):
        failpoints.install(lambda hit: act() if hit == place else None)

    yield install
    failpoints.install(None)


def test_step_is_done_once_and_its_result_returns(path, database):
    """A repeat with the same key calls nothing; another key is another effect."""
    assert call(database, pay, 5) == {"id": 1, "amount": 5}
    assert call(database, pay, 6) == {"id": 1, "amount": 5}
    assert call(database, pay, 6, key="key-2") == {"id": 2, "amount": 6}
    assert paid(path) == [5, 6]


def test_result_is_typed_alike_at_first_and_on_a_repeat(database):
    """Both are what a replay would read."""

    def step(tx: Tx) -> set[int]:
        return {1, 2}

    assert call(database, step) == call(database, step) == {1, 2}


def test_coroutine_runs_in_a_loop_of_its_own(path, database):
    """`async def` is taken too: the thread runs it to its end."""

    async def step(tx: Tx, amount: int) -> int:
        await asyncio.sleep(0)
        tx.execute("insert into paid (amount) values (?)", (amount,))
        return amount

    assert call(database, step, 3) == call(database, step, 4) == 3
    assert paid(path) == [3]


def test_step_that_raises_rolls_back(path, database):
    """The next attempt starts from nothing."""

    def step(tx: Tx) -> None:
        pay(tx, 1)
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        call(database, step)
    assert paid(path) == []
    assert call(database, pay, 5)["amount"] == 5


@pytest.mark.parametrize("value", [float("nan"), object(), "x" * DEFAULT_LIMIT, {1: 2, "1": 3}], ids=range(4))
def test_result_that_cannot_be_saved_rolls_back_and_is_permanent(path, database, value):
    """Not "done, and refused": the effect is not done either."""

    def step(tx: Tx) -> object:
        pay(tx, 1)
        return value

    with pytest.raises(ValueRefusedError, match="result of step 'pay'") as caught:
        call(database, step)
    assert classify(caught.value).kind is FailureKind.PERMANENT
    assert paid(path) == []


def test_unknown_commit_is_resolved_by_the_next_attempt(path, database, at_place):
    """A commit that took place and reported failure: tried again, found, not repeated."""

    def fail():
        raise UnknownCommitError("reported late")

    at_place("effect_commit.after", fail)
    with pytest.raises(UnknownCommitError) as caught:
        call(database, pay, 5)
    assert classify(caught.value).kind is FailureKind.TRANSIENT
    failpoints.install(None)
    assert call(database, pay, 6) == {"id": 1, "amount": 5}
    assert paid(path) == [5]


def test_abandoned_attempt_does_not_commit(path, database, at_place):
    """Whenever it is abandoned before its commit: nothing of it stays, the key is free."""
    first = build_transactional_call(database, spec_of(pay))
    at_place("effect_commit.before", first.abandon)
    with pytest.raises(AttemptClosed):
        first(5)
    assert paid(path) == []
    unused = build_transactional_call(database, spec_of(pay))
    unused.abandon()
    with pytest.raises(AttemptClosed):
        unused(5)
    failpoints.install(None)
    assert call(database, pay, 6)["amount"] == 6
    first.abandon()
    assert paid(path) == [6]


def test_two_zombies_in_parallel_do_one_effect(path, database):
    """Both are released at once; the second waits for the first and returns its result."""
    start, ends = threading.Barrier(2), []

    def serve(amount):
        start.wait(20)
        ends.append(call(database, pay, amount))

    threads = [threading.Thread(target=serve, args=(amount,)) for amount in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert ends[0] == ends[1]
    assert paid(path) == [ends[0]["amount"]]


def test_attempt_in_a_thread_takes_it_as_its_function(path, database):
    """The machinery of attempts stays as it is: `ms.*` works in the step, and its end carries the saved bytes."""

    def step(tx: Tx, amount: int) -> str:
        pay(tx, amount)
        return idempotency_key()

    async def run():
        attempts = AttemptExecutor(asyncio.get_running_loop(), on_report=lambda *_: None)
        end = asyncio.get_running_loop().create_future()
        spec = spec_of(step, args=(5,))
        spec.fn = build_transactional_call(database, spec)
        attempts.start(spec, end.set_result)
        got = await end
        attempts.close()
        return got

    for _ in range(2):
        end = asyncio.run(run())
        assert (end.ok, end.output, end.value) == (True, b'"key-1"', "key-1")
    assert paid(path) == [5]


def test_attempt_that_timed_out_does_not_commit(path, database):
    """The thread cannot be stopped, its commit can: a closed attempt is seen right before it."""
    go, done = threading.Event(), threading.Event()

    def step(tx: Tx, amount: int) -> None:
        pay(tx, amount)
        go.wait(20)

    async def run():
        attempts = AttemptExecutor(asyncio.get_running_loop(), on_report=lambda *_: None)
        end = asyncio.get_running_loop().create_future()
        spec = spec_of(step, args=(5,), timeout=timedelta(milliseconds=20))
        inner = build_transactional_call(database, spec)

        def watched(*args):
            try:
                return inner(*args)
            finally:
                done.set()

        attempts.start(msgspec.structs.replace(spec, fn=watched), end.set_result)
        got = await end
        go.set()
        assert await asyncio.to_thread(done.wait, 20)
        attempts.close()
        return got

    assert asyncio.run(run()).timed_out
    assert paid(path) == []


def test_database_is_chosen_by_the_annotation(database):
    """Bare Tx is "default", Annotated names another; a name that only checkers can resolve is believed."""
    other = SqliteEffectDatabase("orders", database.path)
    databases = {"default": database, "orders": other}

    def named(tx: Annotated[Tx, "orders"]) -> None: ...

    def typed(tx: "OnlyForCheckers") -> None: ...  # type: ignore[name-defined]  # noqa: F821

    assert find_database(pay, databases) is database
    assert find_database(named, databases) is other
    assert find_database(typed, databases) is database


def test_unknown_database_is_refused(database):
    """The hint tells the nearest name, or how to name one."""

    def near(tx: Annotated[Tx, "order"]) -> None: ...

    with pytest.raises(ConfigError, match="Did you mean 'orders'"):
        find_database(near, {"orders": database})
    with pytest.raises(ConfigError, match=r'\[databases\], then default = "sqlite:///app.db"'):
        find_database(pay, {})


def test_transactional_step_without_a_tx_is_refused():
    """Its first parameter would silently become something else."""

    def without(amount: int) -> None: ...

    def nothing() -> None: ...

    for fn in (without, nothing):
        with pytest.raises(DefinitionError, match=r"first parameter is not an ms.Tx"):
            find_database(fn, {})


json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40, deadline=None)
@given(values=st.lists(json, min_size=1, max_size=3))
def test_any_json_result_returns_as_it_was(values):
    """Whatever a step returns, the repeat returns the same, each under its own key."""
    with tempfile.TemporaryDirectory() as folder:
        database = SqliteEffectDatabase("default", make(Path(folder) / "app.db"))
        for key, value in enumerate(values):

            def step(tx: Tx, value: object = value) -> object:
                return value

            first, again = (call(database, fn, key=str(key)) for fn in (step, lambda tx: None))
            assert first == again == value
            assert repr(first) == repr(again)


KILLS = ["effect_commit.before", "effect_commit.after", "returned"]


@pytest.mark.parametrize("place", KILLS)
def test_kill_around_the_commit_leaves_one_effect(path, database, place):
    """kill -9 before the commit, after it, and before the engine saved the outcome: the repeat makes it exactly one."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    crash = subprocess.run([sys.executable, HERE, path, place], check=False, timeout=60, env=env)
    assert crash.returncode == -signal.SIGKILL
    assert paid(path) == ([] if place == KILLS[0] else [5])
    amount = 6 if place == KILLS[0] else 5
    assert call(database, pay, 6) == call(database, pay, 7) == {"id": 1, "amount": amount}
    assert paid(path) == [amount]


def crash(path, place):
    """Do the step in a process that is killed at the place; "returned" is where the engine would save the outcome."""
    failpoints.install(failpoints.parse(f"{place}:kill"))
    call(SqliteEffectDatabase("default", Path(path)), pay, 5)
    failpoints.hit(place)


if __name__ == "__main__":
    crash(*sys.argv[1:])
