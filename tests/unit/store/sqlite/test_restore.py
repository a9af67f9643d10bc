"""Putting a backup back: refused while in use, held afterwards, the old file kept."""

import contextlib

import pytest

from mainspring.domain.effects.effect import CallOutcome, EffectCall, EffectHolder
from mainspring.domain.errors import StoreError, StoreHeldError
from mainspring.domain.integrity.lost_interval import LOST_EFFECT_NOTE
from mainspring.domain.rollouts.rollout import InFlightPolicy
from mainspring.domain.states import EffectState, RolloutMove, RolloutState
from mainspring.store.commands.automations import AnnounceDefinitions, AuditedCommand, AutomationRow
from mainspring.store.commands.effects import BeginEffect, SettleEffect
from mainspring.store.commands.rollouts import MoveRollout, StartRollout
from mainspring.store.liveness import SessionLock
from mainspring.store.read.effects import EffectFilter, list_effects
from mainspring.store.read.rollouts import find_last_rollout
from mainspring.store.read.status.restore_losses import lost_interval
from mainspring.store.sqlite.backup import back_up
from mainspring.store.sqlite.check import check
from mainspring.store.sqlite.connection import connect
from mainspring.store.sqlite.reader import SqliteReader
from mainspring.store.sqlite.restore import restore
from tests.unit.store.sqlite.stores import (
    START_AT,
    StoppedClock,
    allow_claims,
    claim,
    do,
    open_database,
    opening,
    starting,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state.db"


@pytest.fixture
def backup(path, tmp_path):
    """A backup with one running, one queued run; then a third is started in the store."""
    database = open_database(path)
    do(database, opening())
    allow_claims(database, "a")
    do(database, starting("running"))
    assert len(claim(database).runs) == 1
    do(database, starting("queued"))
    made = back_up(path, tmp_path / "backups", now=START_AT)
    do(database, starting("later"))
    database.close()
    return made.path


def test_a_restored_store_is_the_backup_and_held(path, backup):
    """The runs of then are there, no one owns them, the store has a new identity, nothing may be claimed, and the checks find no fault."""
    identity = connect(path, read_only=True).execute("select value from meta where key = 'store'").get
    clock = StoppedClock(START_AT + 5)
    clock.thrown = 1_000
    done = restore(backup, path, clock=clock)
    assert done.unfinished == 2
    database = open_database(path)
    meta = dict(database.connection.execute("select key, value from meta").fetchall())
    assert meta["held"] == "1"
    assert meta["store"] != identity
    assert meta["restored_from"] == str(backup)
    assert database.connection.execute("select id, state, session from runs order by id").fetchall() == [
        ("queued", "queued", None),
        ("running", "queued", None),
    ]
    do(database, opening("after"))
    allow_claims(database, "a")
    assert claim(database).runs == ()
    assert check(path, least_free=0) == []
    database.close()


def test_the_old_store_is_kept_whole(path, backup):
    """What was there before can be looked at, its log included."""
    previous = restore(backup, path, clock=StoppedClock()).previous_store
    assert previous is not None
    old = connect(previous, read_only=True)
    assert old.execute("select count(*) from runs").get == 3
    old.close()
    assert not path.with_name("state.db.restoring").exists()


def test_a_store_in_use_is_not_replaced(path, backup):
    """A process, or a child of one, that holds a session lock stands in the way."""
    before = path.read_bytes()
    lock = SessionLock(path.with_name(path.name + ".sessions"), "u")
    with pytest.raises(StoreHeldError, match="1 process"):
        restore(backup, path, clock=StoppedClock())
    lock.close(ended=True)
    assert path.read_bytes() == before
    restore(backup, path, clock=StoppedClock())


def test_a_bad_backup_leaves_the_store_unchanged(path, backup):
    """It is verified before anything is touched."""
    before = path.read_bytes()
    backup.write_bytes(backup.read_bytes()[:5000])
    with pytest.raises(StoreError):
        restore(backup, path, clock=StoppedClock())
    assert path.read_bytes() == before


@pytest.mark.parametrize("ahead_ms", [0, 2 * 3_600_000])
def test_effects_after_the_backup_are_carried_over_in_doubt(path, tmp_path, monkeypatch, ahead_ms):
    """A call of such a key asks a person after the release too; what the backup knows stays as it is.

    It is the same if the clock was ahead until the backup, and was then put back.
    """
    monkeypatch.setattr("mainspring.store.sqlite.restore._PAGE", 1)
    clock = StoppedClock(START_AT + ahead_ms)
    database = open_database(path, clock=clock)

    def perform(key, *, is_done=True):
        call = EffectCall(key, EffectHolder("bill.py of ann@box", key), "hash", b"null")
        do(database, BeginEffect(call, f"e_{key}"))
        if is_done:
            do(database, SettleEffect(key, f"e_{key}", 1, CallOutcome.DONE, result=b"1"))

    do(database, opening())
    perform("before")
    made = back_up(path, tmp_path / "backups", now=START_AT)
    clock.now_at = START_AT
    perform("done")
    perform("begun", is_done=False)
    database.close()
    assert restore(made.path, path, clock=StoppedClock(START_AT + 50)).skipped.effects == 2
    with contextlib.closing(SqliteReader(path)) as reader:
        assert lost_interval(reader, 10).effects == 2
        effects = {effect.key: effect for effect in list_effects(reader, EffectFilter(), 10).effects}
    assert {key: effect.state for key, effect in effects.items()} == {
        "before": EffectState.DONE,
        "done": EffectState.IN_DOUBT,
        "begun": EffectState.IN_DOUBT,
    }
    assert (effects["done"].id, effects["done"].note) == ("e_done", LOST_EFFECT_NOTE)


def test_effects_are_unknown_if_the_replaced_store_cannot_be_read(path, backup):
    """The restore reports it, since it cannot name the keys."""
    path.write_bytes(b"wreck" * 2000)
    assert restore(backup, path, clock=StoppedClock()).skipped.effects is None
    with contextlib.closing(SqliteReader(path)) as reader:
        assert lost_interval(reader, 10).effects is None


def test_a_damaged_or_missing_store_can_be_restored(path, backup):
    """That is what backups are for: the wreck is kept aside with its log."""
    path.write_bytes(b"wreck" * 2000)
    path.with_name("state.db-wal").write_bytes(b"log")
    previous = restore(backup, path, clock=StoppedClock()).previous_store
    assert previous is not None
    assert previous.read_bytes()[:5] == b"wreck"
    assert previous.with_name(previous.name + "-wal").read_bytes() == b"log"
    assert not path.with_name("state.db-wal").exists()
    path.unlink()
    assert restore(backup, path, clock=StoppedClock()).previous_store is None
    open_database(path).close()


def test_rollout_in_progress_is_paused_and_its_later_moves_are_listed(path, tmp_path):
    """The backup does not know that it was aborted since: without a person it must not bring its version into force."""
    database = open_database(path)
    do(database, opening())
    rows = [AutomationRow("a", "task", version, "f", b"{}", is_candidate=version == 2) for version in (1, 2)]
    do(database, AnnounceDefinitions("code", tuple(rows), ()))
    plan = {"steps": (500_000, 1_000_000), "hold_ms": 1, "in_flight": InFlightPolicy.FINISH, "age_ms": 1, "margin": 1}
    do(database, StartRollout(automation="a", new_version=2, **plan))
    made = back_up(path, tmp_path / "backups", now=START_AT)
    abort = MoveRollout(automation="a", move=RolloutMove.ABORT)
    do(database, AuditedCommand("c1", "cli:ann@box", "rollout abort", "automation:a", abort))
    database.close()
    restore(made.path, path, clock=StoppedClock(START_AT + 50))
    with contextlib.closing(SqliteReader(path)) as reader:
        rollout = find_last_rollout(reader, "a")
        assert (rollout.state, rollout.reason) == (
            RolloutState.PAUSED,
            "the store lacks its latest commits, and perhaps moves of this rollout",
        )
        assert [change.verb for change in lost_interval(reader, 10).changes] == ["rollout abort"]
