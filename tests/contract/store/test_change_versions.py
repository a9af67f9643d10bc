"""Versions of changes: what is known of them stays with the run, and a claim knows how the last one ended."""

import pytest

from mainspring.store.commands.run_control import EnterPause, PauseRun, ResumeRun, RunPauseRequest
from mainspring.store.commands.runs import CodeChanges, ReleaseRun, ReopenRun, SaveChangeVersions
from mainspring.store.commands.sessions import DeclareSessionDead
from tests.contract.store.process import fail, signal, suspend

KNOWN = b'{"initial":{"by-card":2}}'


def claim_again(store, run):
    store.do(signal(run.id))
    return store.claim_one()


def test_versions_come_with_each_later_claim(store):
    """None are known before; sent again, the command changes nothing."""
    run = store.begin()
    assert (run.versions, run.is_returned, run.fresh) == (None, True, True)
    store.twice(SaveChangeVersions(run.id, run.claim, KNOWN))
    store.do(suspend(run))
    assert claim_again(store, run).versions == KNOWN


def test_claim_saves_the_changes_of_the_code_with_the_runs_that_begin(store):
    """Not with a run that continues, nor with another automation; a fork inherits outcomes of other code."""
    older, other = store.begin(), store.begin(automation="b")
    new = store.start().run
    store.do(suspend(older), suspend(other), signal(older.id), signal(other.id))
    changes = (CodeChanges("a", 1, KNOWN), CodeChanges("c", 1, b"{}"))
    assert len(store.claim(changes=changes).runs) == 3
    versions = dict(store.reader.read_text("select id, versions from runs", ()))
    assert versions == {older.id: None, other.id: None, new: KNOWN}


@pytest.mark.parametrize("together", [False, True])
def test_run_that_was_suspended_is_returned(store, together):
    """Alone and in one commit with others."""
    run, other = store.begin(), store.begin()
    store.do(*([suspend(run), suspend(other)] if together else [suspend(run)]))
    assert claim_again(store, run).is_returned


def test_run_that_was_released_is_returned(store):
    """A worker that had not called the code changes nothing."""
    run = store.begin()
    store.do(ReleaseRun(run.id, run.claim, 0))
    run = store.claim_one()
    assert run.is_returned
    store.do(ReleaseRun(run.id, run.claim, 0, was_loaded=False))
    assert store.claim_one().is_returned


def test_run_that_was_paused_is_returned(store):
    """Its attempts had completed before."""
    run = store.begin()
    store.do(PauseRun(run.id, "p1", RunPauseRequest("ann", None)))
    store.do(EnterPause(run.id, run.claim, 0, None))
    store.do(ResumeRun(run.id, "r1"))
    assert store.claim_one().is_returned


def test_run_that_failed_and_is_retried_is_not_returned(store):
    """An attempt that was cancelled by the failure may still be under way; a worker that does not call the code does not hide this."""
    run = store.begin()
    store.do(fail(run))
    store.do(ReopenRun(run.id))
    run = store.claim_one()
    assert not run.is_returned
    store.do(ReleaseRun(run.id, run.claim, 0, was_loaded=False))
    run = store.claim_one()
    assert not run.is_returned
    store.do(ReleaseRun(run.id, run.claim, 0))
    assert store.claim_one().is_returned


def test_run_of_a_dead_worker_is_not_returned(store, second):
    """A step may be under way without a record."""
    run = store.begin()
    second.announce("a")
    second.do(DeclareSessionDead(store.session))
    again = second.claim_one()
    assert (again.id, again.is_returned) == (run.id, False)
