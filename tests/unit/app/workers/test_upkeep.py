"""The steady scan declares at dead once whom no one else can answer for, and leaves its own dead to a supervisor that lives."""

import asyncio
import errno
import os
from pathlib import Path

import apsw
import pytest

from mainspring.alerting.inputs.facts import FactsReader
from mainspring.app.workers.upkeep import Upkeep, run_bulk_pieces
from mainspring.app.workers.worker_runtime import WorkerRuntime
from mainspring.domain.clock import SystemClock
from mainspring.domain.monitors.system import process_findings
from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.states import BulkState
from mainspring.engine.definitions.registry import Registry
from mainspring.service.bulk_operation import run_next_piece
from mainspring.store.commands.bulk_operations import BeginBulkOperation
from mainspring.store.commands.sessions import OpenSession
from mainspring.store.liveness import host_identity, process_started
from mainspring.store.read.bulk_operations import read_bulk_operation
from mainspring.store.read.status.status import sessions
from mainspring.store.sqlite.store import SqliteStore
from tests.unit.store.sqlite.stores import do, open_database

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


@pytest.fixture
def store(tmp_path):
    store = SqliteStore(tmp_path / "state.db", clock=SystemClock())
    store.open()
    yield store
    store.close()


def session(store, tmp_path, role, *, dead=False):
    """Put a session on record, of this process or of one that is gone."""
    lock = tmp_path / "locks" / f"{role}-{dead}.lock"
    lock.parent.mkdir(exist_ok=True)
    lock.touch()
    started = str(process_started(os.getpid()))
    database = open_database(store.path)
    opening = OpenSession(
        uuid=str(lock),
        role=role,
        host=host_identity(),
        hostname="h",
        pid=os.getpid(),
        pid_started=f"not {started}" if dead else started,
        lock_path=str(lock),
    )
    do(database, opening)
    database.close()
    if not dead:
        lock.unlink()  # no free lock: only the process tells
    return lock


def state_of(store, role):
    (row,) = store.reader.read_text("select state from sessions where role = ?", (role,))
    return row[0]


def test_worker_that_died_with_its_supervisor_is_declared_dead_at_once(store, tmp_path):
    """A whole tree was killed and started again: the new supervisor saw nothing of it, so the first round sets the runs free."""
    session(store, tmp_path, "worker", dead=True)
    session(store, tmp_path, "supervisor")
    assert Upkeep().declare_dead_sessions(store)
    assert state_of(store, "worker") == "dead"


def test_worker_is_left_for_a_while_to_a_supervisor_that_was_there_before_it(store, tmp_path):
    """It knows how the worker died: only when it has not acted for some rounds is the worker declared dead without it."""
    session(store, tmp_path, "supervisor")
    session(store, tmp_path, "worker", dead=True)
    upkeep = Upkeep()
    assert [upkeep.declare_dead_sessions(store) for _ in range(6)] == [False] * 5 + [True]
    assert state_of(store, "worker") == "dead"


class Counted(Upkeep):
    """An upkeep that counts its rounds, and cannot declare anyone dead while `fault` says why."""

    rounds = 0
    fault: Exception | None = None

    def declare_dead_sessions(self, store):
        self.rounds += 1
        if self.fault is not None:
            raise self.fault
        return super().declare_dead_sessions(store)


@pytest.mark.asyncio
async def test_outage_is_reported_once_and_so_is_its_end(store, tmp_path, caplog, monkeypatch):
    """What goes wrong each second is one line, without the traceback of a disk's fault; then a line when it is over."""
    monkeypatch.setattr("mainspring.app.workers.upkeep._ROUND_INTERVAL_S", 0.01)
    session(store, tmp_path, "worker", dead=True)
    upkeep = Counted()
    upkeep.fault = OSError(errno.EIO, "Input/output error")
    working = WorkerRuntime(store.path, Registry(), role="app", upkeep=upkeep)

    async def until(fact):
        async with asyncio.timeout(60):
            while not fact():
                await asyncio.sleep(0.01)

    def report():
        return [record for record in caplog.records if record.name == "mainspring.upkeep"]

    await working.open()
    await until(lambda: upkeep.rounds > 5)
    (line,) = report()
    assert "dead processes: OSError: [Errno 5] Input/output error" in line.getMessage()
    assert line.exc_info is None
    upkeep.fault = None
    await until(lambda: len(report()) > 1)
    assert report()[1].getMessage() == "upkeep works again"
    await until(lambda: state_of(store, "worker") == "dead")
    await working.close()


def test_upkeep_of_one_kind_that_fails_does_not_stop_the_others(store, monkeypatch):
    """Expired leases, retention and the spool have their turn although dead processes cannot be found."""
    done = []
    monkeypatch.setattr(
        "mainspring.app.workers.upkeep.declare_expired_sessions_dead", lambda _store: done.append("leases") or False
    )
    monkeypatch.setattr(Upkeep, "_prune", lambda *_: done.append("retention") or False)
    monkeypatch.setattr("mainspring.app.workers.upkeep.run_bulk_pieces", lambda *_: done.append("bulk") or False)
    upkeep = Counted(extra={"spool": lambda _store: done.append("spool")})
    upkeep.fault = PermissionError(errno.EACCES, "Permission denied")
    assert upkeep.run_once(store, store.clock.now())
    upkeep.close()
    assert done == ["leases", "retention", "spool", "bulk"]


def test_upkeep_that_fails_for_a_minute_is_an_incident_until_it_works(store):
    """One that is over sooner is none, and costs no commit."""
    store.open_session("worker")

    def evaluate_upkeep(now):
        facts = FactsReader(store.reader).read(now)
        tuning = process_findings.ProcessFindingTuning()
        return [
            finding.finding.text
            for finding in process_findings.evaluate_upkeep(facts, tuning, now)
            if finding.finding is not None
        ]

    upkeep = Counted()
    upkeep.fault = PermissionError(errno.EACCES, "Permission denied", "/locks/a.lock")
    started_at = store.clock.now()
    for second in range(0, 61, 10):
        upkeep.run_once(store, started_at + second * 1000)
        found = sessions(store.reader)[0].findings
        assert bool(found) == (second >= 30)
    (text,) = evaluate_upkeep(started_at + 60_000)
    assert "upkeep of dead processes fails: PermissionError: [Errno 13] Permission denied: '/locks/a.lock'" in text
    assert evaluate_upkeep(started_at + 59_000) == []
    upkeep.fault = None
    upkeep.run_once(store, started_at + 61_000)
    upkeep.close()
    assert evaluate_upkeep(started_at + 61_000) == []


@pytest.mark.asyncio
async def test_fault_of_ours_is_reported_with_its_place(store, caplog, monkeypatch):
    """A traceback helps only where the code is at fault."""
    monkeypatch.setattr("mainspring.app.workers.upkeep._ROUND_INTERVAL_S", 0.01)
    calls = []

    def broken(_store):
        calls.append(1)
        raise ZeroDivisionError

    monkeypatch.setattr("mainspring.app.workers.upkeep._ROUNDS_PER_PRUNE", 1)
    monkeypatch.setattr(Upkeep, "declare_dead_sessions", lambda self, store: broken(store))
    working = WorkerRuntime(store.path, Registry(), upkeep=Upkeep())
    await working.open()
    async with asyncio.timeout(60):
        while len(calls) < 5:
            await asyncio.sleep(0.01)
    await working.close()
    (line,) = [record for record in caplog.records if record.name == "mainspring.upkeep"]
    assert line.exc_info is not None


def finished(store, count, size=2_000):
    """Let so many runs with results of `size` bytes have ended, outside of any worker."""
    connection = apsw.Connection(str(store.path))
    with connection:
        connection.execute(
            "with recursive n(i) as (select 1 union all select i + 1 from n where i < ?)"
            " insert into runs (id, automation, kind, version, queue, state, created_at, changed_at, finished_at, place,"
            " codec, trigger, input, result)"
            " select 'r_' || i, 'a', 'task', 1, 'default', 'succeeded', 0, 1, 1, 0, 'json', 'test', x'7b7d', zeroblob(?) from n",
            (count, size),
        )
    connection.close()


def test_peer_n8n_37926_retention_keeps_up_and_the_file_shrinks(store):
    """With no setting, in one prune after the other, all that is past its time goes within rounds, and its space goes back to the disk."""
    finished(store, 12_000)
    big = store.path.stat().st_size
    upkeep, now = Upkeep(), 400 * 86_400_000
    rounds = 0
    while rounds < 60 and (rounds == 0 or upkeep._is_behind or upkeep._can_shrink):
        upkeep.run_once(store, now)
        rounds += 1
    upkeep.close()
    assert store.reader.read_text("select count(*) from runs") == [(0,)]
    assert rounds <= 20, "a minute may not pass before the next part"
    assert store.path.stat().st_size < big / 4


def test_round_does_a_few_pieces_of_bulk_operations(store):
    """Not all at once, so that nothing else of the round waits long; without any it writes nothing."""
    store.open_session("worker")
    assert not run_bulk_pieces(store, store.clock.now())
    runs = tuple(f"r_{n:04}" for n in range(5))
    begin = BeginBulkOperation(
        id="c_1",
        verb=BulkVerb.RETRY,
        selection=b"{}",
        automations=(),
        parts=runs,
        actor="cli:ann@box",
        reason=None,
        rate=None,
        piece=1,
        every_ms=0,
    )
    store.apply(begin)
    Upkeep().run_once(store, store.clock.now())
    view = read_bulk_operation(store.reader, "c_1")
    assert (view.state, view.refused, view.left) == (BulkState.RUNNING, 3, 2)
    assert run_bulk_pieces(store, store.clock.now())
    assert read_bulk_operation(store.reader, "c_1").state is BulkState.DONE


def test_round_requests_no_piece_that_is_not_due(store, monkeypatch):
    """A look while the rate makes the next piece wait is a read, and no commit."""
    store.open_session("worker")
    pieces = []
    monkeypatch.setattr(
        "mainspring.app.workers.upkeep.run_next_piece", lambda _: pieces.append(1) or run_next_piece(store)
    )
    begin = BeginBulkOperation(
        id="c_1",
        verb=BulkVerb.RETRY,
        selection=b"{}",
        automations=(),
        parts=("r_1", "r_2"),
        actor="cli:ann@box",
        reason=None,
        rate="1/h",
        piece=1,
        every_ms=3_600_000,
    )
    store.apply(begin)
    for _ in range(3):
        run_bulk_pieces(store, store.clock.now())
    assert len(pieces) == 1
