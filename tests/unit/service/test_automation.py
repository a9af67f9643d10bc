"""Acts on automations, queues, workers and locks."""

import pytest

from mainspring.domain.errors import ConflictError, FencedError, NotFoundError
from mainspring.service import automation, lock, queue, worker
from mainspring.service.runs.run_start import start
from mainspring.store.commands.automations import AcquireLock
from mainspring.store.commands.runs import ClaimRuns
from mainspring.store.commands.sessions import RecordHeartbeat
from mainspring.store.sqlite.store import SqliteStore
from tests.unit.service.conftest import BACKUP, rows_of


def claimed(store, act):
    return [run.id for run in store.apply(ClaimRuns(act().command, 10)).runs]


def test_paused_automation_starts_nothing_until_resumed(store, reads, clock, act):
    """A pause holds runs back, for good or until an instant, and is audited with its reason."""
    run = start(store, clock, BACKUP, b"{}", act=act()).run
    automation.pause(store, "backup", act=act(reason="disk is full"))
    assert claimed(store, act) == []
    automation.resume(store, "backup", act=act())
    automation.pause(store, "backup", act=act(), until_at=clock.now() + 60_000)
    assert claimed(store, act) == []
    clock.forward(60_001)
    assert claimed(store, act) == [run]
    assert rows_of(reads) == [(verb, "automation:backup") for verb in ("pause", "resume", "pause")]


def test_unknown_names_are_refused(store, act):
    """What does not exist cannot be paused, retired or broken."""
    for do in (automation.pause, automation.resume, automation.retire, queue.pause, queue.resume, lock.break_lock):
        with pytest.raises(NotFoundError, match=r"nobody|none|no "):
            do(store, "none", act=act())


def test_resume_of_what_runs_is_refused(store, act):
    """An automation that is neither paused nor retired cannot be resumed."""
    with pytest.raises(ConflictError, match="neither paused nor retired"):
        automation.resume(store, "backup", act=act())


def test_paused_queue_is_not_claimed_from(store, clock, act):
    """Runs may be put into a paused queue, and wait there."""
    run = start(store, clock, BACKUP, b"{}", act=act()).run
    queue.pause(store, "default", act=act())
    assert claimed(store, act) == []
    queue.resume(store, "default", act=act())
    assert claimed(store, act) == [run]


def test_drained_worker_claims_nothing_new(store, clock, act):
    """A worker that drains still writes, and takes nothing."""
    start(store, clock, BACKUP, b"{}", act=act())
    worker.drain(store, store.session, act=act())
    assert claimed(store, act) == []
    store.apply(RecordHeartbeat())
    with pytest.raises(NotFoundError):
        worker.drain(store, 999, act=act())


def test_quarantined_worker_loses_its_runs_and_its_voice(store, clock, act, begin):
    """Another process takes a worker's runs away; whatever that worker still sends is refused."""
    begin()
    other = SqliteStore(store.path, clock=clock)
    other.open()
    try:
        assert worker.quarantine(other, store.session, act=act("away")) == 1
        assert worker.quarantine(other, store.session, act=act("away")) == 1
        with pytest.raises(ConflictError, match="ended"):
            worker.quarantine(other, store.session, act=act())
    finally:
        other.close()
    with pytest.raises(FencedError):
        store.apply(RecordHeartbeat())


def test_broken_lock_is_free_with_a_higher_token(store, act):
    """A lock is taken away from its holder, and the next one gets a higher fencing token."""
    first = store.apply(AcquireLock("import", "a"))
    lock.break_lock(store, "import", act=act())
    assert store.apply(AcquireLock("import", "b")).token > first.token
