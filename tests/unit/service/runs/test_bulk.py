"""One act on many runs."""

import pytest

from mainspring.domain.states import RunState
from mainspring.service.runs import bulk, run_selection
from mainspring.service.runs.run_selection import RunFilter
from mainspring.store.commands.runs import ClaimRuns
from tests.contract.store.process import fail, halt
from tests.unit.service.conftest import rows_of


@pytest.fixture
def runs(store, begin):
    """Three failed runs, one halted, one running."""
    made = [begin() for _ in range(5)]
    for run in made[:3]:
        store.apply(fail(run))
    store.apply(halt(made[3]))
    return [run.id for run in made]


def states(reads, runs):
    return [reads.run_history(run).run.state for run in runs]


def test_select_follows_the_filter_oldest_first(reads, runs):
    """A filter of states gives the ids in the order in which the runs came, at most its limit of the newest."""
    assert run_selection.select_run_ids(reads, RunFilter(states=bulk.RETRYABLE)) == runs[:4]
    assert run_selection.select_run_ids(reads, RunFilter(states=(RunState.FAILED,), limit=2)) == runs[1:3]
    assert run_selection.select_run_ids(reads, RunFilter(states=bulk.RETRYABLE, name="other")) == []


def test_select_walks_all_pages(reads, runs, monkeypatch):
    """More runs than one page holds are all found."""
    monkeypatch.setattr(run_selection, "_PAGE", 2)
    assert run_selection.select_run_ids(reads, RunFilter(states=bulk.RETRYABLE)) == runs[:4]


def test_dry_run_changes_nothing(store, reads, act, runs):
    """A dry run gives the runs that would be acted upon, and no audit row."""
    answer = bulk.retry_each(store, runs[:3], act=act(), dry_run=True)
    assert (answer.runs, answer.done, answer.dry_run) == (tuple(runs[:3]), 0, True)
    assert rows_of(reads) == []
    assert states(reads, runs[:3]) == [RunState.FAILED] * 3


def test_bulk_audits_each_run_and_works_once(store, reads, act, runs):
    """Each run has its own audit row with the reason; repeating the whole acts on no run twice, though it failed again."""
    expected = RunFilter(states=bulk.RETRYABLE)
    assert (
        bulk.retry_each(store, run_selection.select_run_ids(reads, expected), act=act("all", reason="mended")).done == 4
    )
    for run in store.apply(ClaimRuns("claim", 2)).runs:
        store.apply(fail(run))
    assert (
        bulk.retry_each(store, run_selection.select_run_ids(reads, expected), act=act("all", reason="mended")).done == 2
    )
    assert len(run_selection.select_run_ids(reads, expected)) == 2
    retries = [row for row in reads.audit_rows(limit=100) if row.verb == "retry"]
    assert sorted(row.subject for row in retries) == sorted(f"run:{run}" for run in runs[:4])
    assert {row.reason for row in retries} == {"mended"}


def test_bulk_collects_what_is_refused(store, reads, act, runs):
    """A run that refuses is reported with its reason and does not keep the others."""
    answer = bulk.discard_each(store, [*runs[2:], runs[3]], act=act())
    assert (answer.done, set(answer.refused)) == (2, {runs[4]})
    assert "running" in answer.refused[runs[4]]
    assert states(reads, runs[2:4]) == [RunState.FAILED] * 2


def test_cancel_each_reaches_every_unfinished_run(store, reads, act, runs):
    """Cancelling by filter ends the halted run and tells the running one."""
    answer = bulk.cancel_each(store, run_selection.select_run_ids(reads, RunFilter(states=bulk.CANCELLABLE)), act=act())
    assert (answer.runs, answer.done) == ((runs[3], runs[4]), 2)
    assert states(reads, [runs[3]]) == [RunState.CANCELLED]
    assert len(reads.run_history(runs[4]).facts) == 1
