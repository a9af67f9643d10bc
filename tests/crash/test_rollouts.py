"""The guard of a rollout is killed around its commits while a client starts runs: each run has one version, and the end is right."""

import itertools
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.clock import SystemClock
from mainspring.domain.rollouts.rollout import InFlightPolicy, Rollout, hash_rollout_key
from mainspring.domain.states import FailureReason, RolloutState, RunState
from mainspring.engine.definitions.announcement import build_announcement
from mainspring.engine.definitions.registry import Registry
from mainspring.store.commands.results import RolloutMoved
from mainspring.store.commands.rollouts import StartRollout
from mainspring.store.commands.runs import ClaimRuns, StartRun
from mainspring.store.process_store import ProcessStore
from mainspring.store.read import rollouts
from tests.contract.store.process import BOOM, finish
from tests.crash.effects import ROOT
from tests.crash.experiments import World
from tests.crash.scenarios import ALL
from tests.crash.stores import open_store
from tests.polling import polls

pytestmark = pytest.mark.timeout(0 if ALL else 120)
LIFE = """
import sys
from mainspring.app.alerting.rollout_guard import RolloutGuard
from mainspring.domain.clock import SystemClock
from mainspring.store import failpoints
from mainspring.store.commands.automations import AuditedCommand
from mainspring.store.postgres.transaction import PostgresTransaction
from mainspring.store.read import rollouts
from mainspring.store.sqlite.transaction import SqliteTransaction
from tests.crash.stores import open_store

def pass_statements(kind):
    change = kind.change
    def change_and_pass(self, *values):
        failpoints.hit("statement")
        return change(self, *values)
    kind.change = change_and_pass

pass_statements(SqliteTransaction)
pass_statements(PostgresTransaction)
store = open_store(sys.argv[1], SystemClock())
store.open()
apply, order, moves = store.apply, failpoints.parse(sys.argv[3]), []

def apply_and_pass(command):
    is_move = isinstance(command, AuditedCommand)
    failpoints.install(order if sys.argv[2] == "commits" or is_move else None)
    answer = apply(command)
    moves.extend([command] if is_move else [])
    return answer

store.apply = apply_and_pass
while rollouts.list_rollouts(store.reader, active=True) and not moves:
    RolloutGuard(store).run_once()
store.close()
"""
"""A guard that makes at most one move. Its first argument decides whether it passes places in each commit or only in that of a move."""
_SIDES = ("before", "after")
COMMIT_KILLS = [f"commit.{side}:kill@{n}" for n in (range(1, 7) if ALL else (2, 3)) for side in _SIDES]
STATEMENTS = range(1, 100) if ALL else [2**n for n in range(10)]
STEPS = (300_000, 600_000, 1_000_000)
_KEYS = 300
_RUNS_AFTER = 20


class Client(threading.Thread):
    """Starts runs and ends them, until it is closed; a run of version 2 fails if that is bad."""

    def __init__(self, store: ProcessStore, *, is_bad: bool) -> None:
        super().__init__()
        self._store = store
        self._is_bad = is_bad
        self._is_closed = threading.Event()
        self.started: list[str] = []
        self.error: BaseException | None = None

    def run(self) -> None:
        """Start one run after another."""
        try:
            for number in itertools.count():
                if self._is_closed.is_set():
                    return
                self._start_and_end(f"r{number:06}", f"k{number % _KEYS}")
        except BaseException as error:
            self.error = error

    def _start_and_end(self, run: str, key: str) -> None:
        values: dict[str, Any] = {"kind": "task", "version": 1, "input": b"{}", "codec": "json", "trigger": "test"}
        start = StartRun(id=run, automation="each", rollout_key=hash_rollout_key("each", key), **values)
        self._store.apply(start)
        for claimed in self._store.apply(ClaimRuns(f"claim.{run}", 10)).runs:
            is_failing = self._is_bad and claimed.version == 2
            end = {"failure": BOOM, "reason": FailureReason.PERMANENT_ERROR} if is_failing else {}
            self._store.apply(finish(claimed, RunState.FAILED if is_failing else RunState.SUCCEEDED, **end))
        self.started.append(run)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition is met while runs start."""
        for _ in polls(60):
            assert self.error is None, self.error
            if condition():
                return
        pytest.fail("it does not come to this")

    def close(self) -> None:
        """End it."""
        self._is_closed.set()
        self.join()


def declare() -> Registry:
    with Registry() as registry:

        @ms.task(name="each", version=1)
        def old() -> None: ...

        @ms.task(name="each", version=2, rollout=True)
        def new() -> None: ...

    return registry


def live(url: str, only: str, order: str) -> int:
    return subprocess.run(
        [sys.executable, "-c", LIFE, url, only, order], cwd=ROOT, env={**os.environ}, check=False
    ).returncode


def begin_rollout(store: ProcessStore) -> None:
    store.open_session("worker")
    store.apply(build_announcement(declare(), store.clock.now()))
    command = StartRollout(
        automation="each", new_version=2, steps=STEPS, hold_ms=1, in_flight=InFlightPolicy.FINISH, age_ms=1_000, margin=400_000
    )  # fmt: skip
    assert isinstance(store.apply(command), RolloutMoved)


def verify_runs(store: ProcessStore, last: Rollout, started: list[str], before_end: int) -> None:
    """Check the version of each run, in the order of their starts."""
    text = (
        "select runs.id, runs.version, rollout_runs.version, step, key_hash"
        " from runs left join rollout_runs on run = id order by seq"
    )
    rows = store.reader.read_text(text, ())
    assert [row[0] for row in rows] == started
    steps = [len(STEPS) if step is None else step for *_, step, _ in rows]
    assert steps == sorted(steps), "two shares were in force"
    versions: dict[tuple[int, str], set[int]] = {}
    for _, version, assigned, step, key in rows:
        if step is not None:
            assert version == assigned
            versions.setdefault((step, key), set()).add(version)
    assert [key for key, found in versions.items() if len(found) > 1] == [], "a key has two versions in a step"
    in_force = 2 if last.state is RolloutState.FINISHED else 1
    assert {version for _, version, *_ in rows[before_end:]} == {in_force}
    assert rollouts.read_version_in_force(store.reader, "each") == in_force


class Guards:
    """Guards of one rollout, one after another, that are killed."""

    def __init__(self, store: ProcessStore, url: str) -> None:
        self._store = store
        self._url = url

    def read(self) -> tuple[int, RolloutState]:
        """Return the step and the state of the rollout."""
        (found,) = rollouts.list_rollouts(self._store.reader)
        return found.step, found.state

    def kill_before_move(self, only: str, order: str) -> None:
        """Kill a guard at a place before the commit of its move: nothing has changed."""
        before = self.read()
        assert live(self._url, only, order) == -signal.SIGKILL
        assert self.read() == before, order

    def kill_at_each_statement(self) -> int:
        """Kill a guard at each statement of its next move, and the last one after its commit. Return how many died before it."""
        for order in ("commit.before:kill@1", "commit.after:kill@1", "commit.before:kill@2"):
            self.kill_before_move("commits", order)
        self.kill_before_move("moves", "commit.before:kill@1")
        before = self.read()
        for deaths, number in enumerate(STATEMENTS):
            assert live(self._url, "moves", f"statement:kill@{number},commit.after:kill@1") == -signal.SIGKILL
            if self.read() != before:
                return deaths
        raise AssertionError("the move has too many statements")

    def kill_around_commits(self, until: Callable[[], bool]) -> None:
        """Kill a guard around each commit of a round, until a condition is met."""
        for order in COMMIT_KILLS:
            if not until():
                assert live(self._url, "commits", order) in {0, -signal.SIGKILL}

    def end(self) -> None:
        """Let guards make the moves that are left."""
        while self.read()[1] is RolloutState.RUNNING:
            assert live(self._url, "commits", "") == 0


@pytest.mark.parametrize("is_bad", [False, True])
def test_rollout_ends_as_it_must_despite_kills(world: World, is_bad: bool) -> None:
    """Killed at each statement of each kind of move, and around each commit of a round, guards continue, or roll back once."""
    folder = world.fresh()
    url = world.urls[folder.name]
    store = open_store(url, SystemClock())
    store.open()
    begin_rollout(store)
    client = Client(store, is_bad=is_bad)
    client.start()
    guards = Guards(store, url)
    try:
        deaths = [guards.kill_at_each_statement()]
        if not is_bad:
            guards.kill_around_commits(lambda: guards.read()[0] > 1)
            while guards.read()[0] < len(STEPS) - 1:
                assert live(url, "commits", "") == 0
            deaths.append(guards.kill_at_each_statement())
        guards.end()
        before_end = len(client.started) + 1
        client.wait_until(lambda: len(client.started) > before_end + _RUNS_AFTER)
    finally:
        client.close()
    assert min(deaths) >= 2, deaths
    (last,) = rollouts.list_rollouts(store.reader)
    assert last.state is (RolloutState.ROLLED_BACK if is_bad else RolloutState.FINISHED)
    assert (last.reason is not None) is is_bad
    moves = store.reader.read_text("select verb from audit_log where actor = 'guard:rollouts' order by seq", ())
    good_moves = ["rollout advance", "rollout advance", "rollout finish"]
    assert [verb for (verb,) in moves] == (["rollout roll back"] if is_bad else good_moves)
    verify_runs(store, last, client.started, before_end)
    store.close()
    assert world.stores.check(folder) == []
    world.drop(folder)
