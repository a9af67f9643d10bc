"""The steady scan buries at once whom nobody else can answer for, and leaves its own dead to a supervisor that lives."""

import os
from pathlib import Path

import pytest

from mainspring.app.upkeep import Upkeep
from mainspring.domain.clock import SystemClock
from mainspring.store.commands.sessions import OpenSession
from mainspring.store.liveness import host_identity, process_started
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
    lock = tmp_path / f"{role}-{dead}.lock"
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


def state_of(store, role):
    (row,) = store.reader.read_text("select state from sessions where role = ?", (role,))
    return row[0]


def test_worker_that_died_with_its_supervisor_is_buried_at_once(store, tmp_path):
    """A whole tree was killed and started again: the new supervisor saw nothing of it, so the first round sets the runs free."""
    session(store, tmp_path, "worker", dead=True)
    session(store, tmp_path, "supervisor")
    assert Upkeep().bury_dead(store)
    assert state_of(store, "worker") == "dead"


def test_worker_is_left_for_a_while_to_a_supervisor_that_was_there_before_it(store, tmp_path):
    """It knows how the worker died: only when it has not acted for some rounds is the worker buried without it."""
    session(store, tmp_path, "supervisor")
    session(store, tmp_path, "worker", dead=True)
    upkeep = Upkeep()
    assert [upkeep.bury_dead(store) for _ in range(4)] == [False, False, False, True]
    assert state_of(store, "worker") == "dead"
