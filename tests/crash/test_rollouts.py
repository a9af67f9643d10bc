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
apply, order = store.apply, failpoints.parse(sys.argv[3])

def apply_and_pass(command):
    failpoints.install(order if sys.argv[2] == "commits" or isinstance(command, AuditedCommand) else None)
    return apply(command)

store.apply = apply_and_pass
while rollouts.list_rollouts(store.reader, active=True):
    RolloutGuard(store).run_once()
store.close()
"""
_SIDES = ("before", "after")
KILLS = [
    ("moves", "commit.before:kill@1"),
    *(("commits", f"commit.{side}:kill@{n}") for n in (range(1, 7) if ALL else (2, 3)) for side in _SIDES),
    *(("moves", f"statement:kill@{n}") for n in (range(1, 13) if ALL else (1, 2, 4))),
    ("moves", "commit.after:kill@1"),
]
"""Around commits, and at statements inside the transaction of a move."""
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


@pytest.mark.parametrize("is_bad", [False, True])
def test_rollout_ends_as_it_must_despite_kills(world: World, is_bad: bool) -> None:
    """Killed around each of its commits, and at each statement of its moves, the guard continues, or rolls back once."""
    folder = world.fresh()
    url = world.urls[folder.name]
    store = open_store(url, SystemClock())
    store.open()
    begin_rollout(store)
    client = Client(store, is_bad=is_bad)
    client.start()
    deaths, steps = [], [0]
    try:
        for only, order in KILLS:
            deaths.append(live(url, only, order))
            (found,) = rollouts.list_rollouts(store.reader)
            steps.append(found.step)
        assert live(url, "commits", "") == 0
        before_end = len(client.started) + 1
        client.wait_until(lambda: len(client.started) > before_end + _RUNS_AFTER)
    finally:
        client.close()
    assert set(deaths) <= {0, -signal.SIGKILL}
    assert deaths[0] == -signal.SIGKILL
    assert deaths.count(-signal.SIGKILL) >= 3, deaths
    assert steps == sorted(steps)
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
