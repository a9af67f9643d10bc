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
    """The worker decides whether something is under way."""
    run = store.begin()
    store.do(ReleaseRun(run.id, run.claim, 0))
    run = store.claim_one()
    assert run.is_returned
    store.do(ReleaseRun(run.id, run.claim, 0, is_returned=False))
    assert not store.claim_one().is_returned


def test_run_that_was_paused_is_returned(store):
    """Unless its worker says that something may be under way."""
    run = store.begin()
    for is_returned in (True, False):
        store.do(PauseRun(run.id, f"p{run.claim}", RunPauseRequest("ann", None)))
        store.do(EnterPause(run.id, run.claim, 0, None, is_returned=is_returned))
        store.do(ResumeRun(run.id, f"r{run.claim}"))
        run = store.claim_one()
        assert run.is_returned is is_returned


def test_run_that_failed_and_is_retried_is_not_returned(store):
    """An attempt that was cancelled by the failure may still be under way; a worker that does not repeat it does not hide this."""
    run = store.begin()
    store.do(fail(run))
    store.do(ReopenRun(run.id))
    run = store.claim_one()
    assert not run.is_returned
    store.do(ReleaseRun(run.id, run.claim, 0, is_returned=False))
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


def test_claim_by_older_code_lowers_the_versions_of_the_first_code(store, second):
    """It may pass the place of a change without a question, or with an older one; code of the same deployment changes nothing."""
    second.announce("a", fingerprint="older")
    store.announce("a", fingerprint="newer")
    run, other = store.start().run, store.start().run
    known = (CodeChanges("a", 1, b'{"initial":{"by-card":3,"by-mail":2}}'),)
    for claimed in store.claim(changes=known).runs:
        store.do(ReleaseRun(claimed.id, claimed.claim, 0))
    assert [claimed.has_newer_code for claimed in store.claim(limit=1, changes=known).runs] == [False]
    second.do(DeclareSessionDead(store.session))
    before = (CodeChanges("a", 1, b'{"initial":{"by-card":2}}'),)
    claimed = second.claim(changes=before).runs
    assert [(row.id, row.has_newer_code) for row in claimed] == [(run, True), (other, True)]
    assert {row.versions for row in claimed} == {b'{"initial":{"by-card":2,"by-mail":1}}'}
    assert dict(store.reader.read_text("select id, versions from runs", ())) == {
        row.id: row.versions for row in claimed
    }
