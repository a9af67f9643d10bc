"""A restored store is decided and released."""

import pytest

from mainspring.domain.errors import ConflictError
from mainspring.domain.states import RunState
from mainspring.service import restore_hold
from mainspring.service.restore_hold import RestoreDecision
from mainspring.service.runs.run_start import start
from mainspring.store.commands.runs import ClaimRuns
from mainspring.store.read.operation_reads import OperationReads
from mainspring.store.sqlite.backup import back_up
from mainspring.store.sqlite.restore import restore
from mainspring.store.sqlite.store import SqliteStore
from tests.contract.store.process import suspend
from tests.unit.service.conftest import BACKUP, announce


@pytest.fixture
def restored(store, begin, clock, tmp_path):
    """A store restored from a backup in which four runs were unfinished: three that had begun and waited, one fresh."""
    runs = [begin() for _ in range(3)]
    for run in runs:
        store.apply(suspend(run))
    ids = [run.id for run in runs]
    made = back_up(store.path, tmp_path / "copies", now=clock.now())
    path = tmp_path / "other" / "state.db"
    path.parent.mkdir()
    restore(made.path, path, clock=clock)
    opened = SqliteStore(path, clock=clock)
    opened.open()
    opened.open_session("worker")
    announce(opened, BACKUP)
    yield opened, OperationReads(opened.reader), ids
    opened.close()


def claimed(store, act):
    return [run.id for run in store.apply(ClaimRuns(act().command, 10)).runs]


def test_store_that_is_not_held_has_nothing_to_decide(store, reads, act, begin):
    """An ordinary store has no undecided runs and cannot be released."""
    begin()
    assert restore_hold.list_undecided(reads) == []
    with pytest.raises(ConflictError, match="not on hold"):
        restore_hold.release(store, reads, act=act())


def test_release_is_refused_while_runs_are_undecided(restored, act, clock):
    """Each run that was unfinished must be decided first; one that was staged since need not be."""
    store, reads, ids = restored
    clock.forward(10)
    new = start(store, clock, BACKUP, b"{}", act=act())
    assert sorted(restore_hold.list_undecided(reads)) == sorted(ids)
    assert restore_hold.decide(store, reads, ids[:2], RestoreDecision.CONTINUE, act=act()).done == 2
    with pytest.raises(ConflictError, match=f"1 run that .* is undecided\n{ids[2]}"):
        restore_hold.release(store, reads, act=act())
    assert claimed(store, act) == []
    restore_hold.decide(store, reads, ids[2:], RestoreDecision.CONTINUE, act=act())
    restore_hold.release(store, reads, act=act())
    assert new.run in claimed(store, act)


def test_each_decision_does_what_it_states(restored, act):
    """Done ends a run as succeeded, cancel reaches it on release, continue leaves it as it was."""
    store, reads, ids = restored
    for run, decision in zip(
        ids, (RestoreDecision.DONE, RestoreDecision.CANCEL, RestoreDecision.CONTINUE), strict=True
    ):
        assert restore_hold.decide(store, reads, [run], decision, act=act(reason="checked")).refused == {}
    assert restore_hold.list_undecided(reads) == []
    restore_hold.release(store, reads, act=act("go"))
    assert reads.run_history(ids[0]).run.state is RunState.SUCCEEDED
    assert [fact.name for fact in reads.run_history(ids[1]).facts] == ["checked"]
    assert reads.run_history(ids[2]).run.state is RunState.WAITING
    restore_hold.release(store, reads, act=act("go"))


def test_dry_run_of_a_decision_changes_nothing(restored, act):
    """A dry run counts and leaves every run undecided."""
    store, reads, ids = restored
    assert restore_hold.decide(store, reads, ids, RestoreDecision.DONE, act=act(), dry_run=True).runs == tuple(ids)
    assert len(restore_hold.list_undecided(reads)) == 3
