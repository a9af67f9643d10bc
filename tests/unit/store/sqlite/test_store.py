"""The whole store: several processes on one file, other processes' commits noticed, an orderly end."""

import os
import signal
import threading

import pytest

from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import FencedError, StoreUnavailableError
from mainspring.domain.states import RunState
from mainspring.store.base import Database
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow
from mainspring.store.commands.results import DONE, NumberAnswer
from mainspring.store.commands.runs import ClaimRuns, FinishRun, ReleaseRun
from mainspring.store.commands.sessions import DeclareSessionDead, RecordHeartbeat
from mainspring.store.liveness import LockState, find_dead, kill_remains, read_lock
from mainspring.store.sqlite.check import check
from mainspring.store.sqlite.store import SqliteStore
from tests.unit.store.sqlite.processes import exit_code, in_child
from tests.unit.store.sqlite.stores import StoppedClock, starting

TIMEOUT_S = 60.0


def announcing() -> AnnounceDefinitions:
    row = AutomationRow(name="a", kind="workflow", version=1, fingerprint="f", definition=b"{}")
    return AnnounceDefinitions(fingerprint="f", automations=(row,), schedules=())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.db"


@pytest.fixture
def opened(path):
    """Open stores on one file and close them whatever the test did."""
    stores: list[SqliteStore] = []

    def make(**more) -> SqliteStore:
        store = SqliteStore(path, clock=more.pop("clock", SystemClock()), **more)
        store.open()
        stores.append(store)
        return store

    yield make
    for store in stores:
        store.close()


def test_a_store_opens_works_and_ends_in_order(path, opened):
    """The session is on record while it lives and closed afterwards; its lock file goes with it."""
    store = opened()
    session = store.open_session("worker")
    lock = store.lock
    assert lock is not None
    assert (store.session, read_lock(lock.path)) == (session, LockState.HELD)
    assert store.apply(starting("r1")).run == "r1"
    assert find_dead(store.reader) == []
    assert store.waits_for() is None
    assert store.free_bytes() > 0
    store.close()
    store.close()
    assert not lock.path.exists()
    assert store.session is None
    with pytest.raises(StoreUnavailableError, match="not open"):
        store.apply(RecordHeartbeat())
    again = opened()
    assert again.reader.read_text("select state from sessions") == [("closed",)]


def test_answers_come_in_the_order_of_the_commands(opened):
    """Submitted one after the other, answered one after the other."""
    store, answers, done = opened(), [], threading.Event()

    def on_done(result):
        answers.append(result.run)
        if len(answers) == 100:
            done.set()

    for n in range(100):
        store.submit(starting(f"r{n}"), on_done)
    assert done.wait(TIMEOUT_S)
    assert answers == [f"r{n}" for n in range(100)]


def test_another_processs_new_run_is_noticed(path, opened):
    """Well under the promised 150 ms when the machine is free; here only that it comes by itself, without any act of ours."""
    seen = threading.Event()
    changes = []

    def on_change(change):
        changes.append(change)
        seen.set()

    opened(on_change=on_change)
    seen.clear()

    def start_elsewhere():
        other = SqliteStore(path, clock=SystemClock())
        other.open()
        other.apply(starting("r1"))
        other.close()

    child = in_child(start_elsewhere)
    assert exit_code(child) == 0
    assert seen.wait(60)
    assert changes[-1].ready


def test_peer_prefect_18934_database_is_locked_with_eight_processes(path, opened):
    """Eight processes start, claim and finish runs on one new file at once: no lock error, nothing lost, nothing done twice."""

    def work(me: int):
        store = SqliteStore(path, clock=SystemClock())
        store.open()
        session = store.open_session("worker")
        store.apply(announcing())
        for n in range(10):
            store.apply(starting(f"r{me}-{n}"))
            for run in store.apply(ClaimRuns(id=f"c{me}-{n}", limit=1)).runs:
                result = store.apply(
                    FinishRun(
                        run=run.id, claim=run.claim, state=RunState.SUCCEEDED, rank=0, result=str(session).encode()
                    )
                )
                assert result == DONE, result
        store.close()

    children = [in_child(lambda me=me: work(me)) for me in range(8)]
    assert [exit_code(child) for child in children] == [0] * 8
    store = opened()
    assert store.reader.read_text(
        "select state, count(*), count(distinct id), max(claim) from runs group by state"
    ) == [("succeeded", 80, 80, 1)]
    assert store.reader.read_text("select sum(succeeded) from rollups") == [(80,)]
    assert check(path, least_free=0) == []


def test_peer_prefect_16746_a_killed_workers_runs_are_free_at_once(path, opened):
    """kill -9: found by its lock, declared dead in one commit, its run claimable; no time passes and no slot stays taken."""
    ready, signal_end = os.pipe()

    def work():
        store = SqliteStore(path, clock=SystemClock())
        store.open()
        store.open_session("worker")
        store.apply(announcing())
        store.apply(starting("r1"))
        assert len(store.apply(ClaimRuns(id="c", limit=1)).runs) == 1
        os.write(signal_end, b"x")
        signal.pause()

    child = in_child(work)
    os.read(ready, 1)
    store = opened(clock=StoppedClock())
    store.open_session("worker")
    store.apply(announcing())
    assert find_dead(store.reader) == []
    assert store.apply(ClaimRuns(id="c2", limit=1)).runs == ()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    (found,) = find_dead(store.reader)
    assert kill_remains(found)
    assert store.apply(DeclareSessionDead(found.session)) == NumberAnswer(1)
    assert [run.id for run in store.apply(ClaimRuns(id="c3", limit=1)).runs] == ["r1"]
    assert find_dead(store.reader) == []
    os.close(ready)
    os.close(signal_end)


def test_peer_hexpm_1825_a_long_run_is_never_rescued_by_age(path, opened):
    """Its session lives by its lock: however old the claim is, no one is found dead and the run's claim stays the first."""
    clock = StoppedClock()
    store = opened(clock=clock)
    store.open_session("worker")
    store.apply(announcing())
    store.apply(starting("r1"))
    (run,) = store.apply(ClaimRuns(id="c", limit=1)).runs
    clock.now_at += 30 * 86_400_000
    assert find_dead(store.reader) == []
    assert store.apply(ReleaseRun(run=run.id, claim=run.claim, rank=0)) == DONE


def test_a_dead_process_is_reported_once_and_writes_nothing_more(path, opened):
    """The zombie's next group is refused, its process learns that it must end, and its closing writes nothing."""
    notified = []
    zombie = opened(on_fatal=notified.append)
    session = zombie.open_session("worker")
    other = opened()
    other.open_session("worker")
    assert other.apply(DeclareSessionDead(session)) == NumberAnswer(0)
    with pytest.raises(FencedError):
        zombie.apply(starting("r1"))
    zombie.close()
    assert [type(error) for error in notified] == [FencedError]
    assert other.reader.read_text("select count(*) from runs") == [(0,)]
    assert other.reader.read_text("select state from sessions order by id") == [("dead",), ("alive",)]


class Unreliable:
    """A database that reports failure at every second commit, by turns before and after doing it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.commits = 0

    def commit(self, commands, *, again=False):
        self.commits += 1
        if self.commits % 4 == 1:
            raise StoreUnavailableError("lost before the commit")
        report = self._database.commit(commands, again=again)
        if self.commits % 4 == 3:
            raise StoreUnavailableError("lost after the commit")
        return report

    def __getattr__(self, name):
        return getattr(self._database, name)


def test_a_run_through_an_unreliable_database_has_each_effect_once(path, opened):
    """Every other commit is reported lost; each answer is right and each row is there once."""
    store = opened(wrap=Unreliable)
    store.open_session("worker")
    store.apply(announcing())
    for n in range(8):
        store.apply(starting(f"r{n}"))
        (run,) = store.apply(ClaimRuns(id=f"c{n}", limit=1)).runs
        assert (run.id, run.claim) == (f"r{n}", 1)
        assert store.apply(FinishRun(run=run.id, claim=1, state=RunState.SUCCEEDED, rank=0)) == DONE
    assert store.reader.read_text("select state, count(*), max(claim) from runs group by state") == [
        ("succeeded", 8, 1)
    ]
    assert store.reader.read_text("select sum(succeeded) from rollups") == [(8,)]
    assert check(path, least_free=0) == []
