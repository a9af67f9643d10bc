"""Drains that no one asked for, on both databases: a step may have sent the signal."""

import pytest

from mainspring.domain.states import FailureReason, RunState
from mainspring.store.commands.results import DONE
from mainspring.store.commands.runs import ReopenRun
from mainspring.store.commands.sessions import CloseSession, DeclareSessionDead, DrainSession, EndProbation
from tests.contract.store.process import finish


def drained(process, *runs, role="worker", new_process):
    """A process claims the runs, is signalled by no one who may, and ends in order."""
    worker = new_process().open(role)
    worker.announce("a", "b")
    claims = {run.id: run.claim for run in worker.claim(probation=role == "probation").runs}
    assert set(claims) == set(runs)
    assert worker.do(CloseSession(tuple(claims.items()))) == DONE
    return worker


def test_unrequested_drain_counts_from_the_second_time(store, new_process):
    """The first may be anyone's signal; the run that was aboard twice is on probation, and what was aboard once is not."""
    run = store.start().run
    drained(store, run, new_process=new_process)
    other = store.start().run
    drained(store, run, other, new_process=new_process)
    assert store.ids() == [other]
    assert store.ids(probation=True) == [run]


def test_third_drain_on_probation_quarantines_the_run(store, new_process):
    """As a crash there does; one command of a person sends it on, with a clean record."""
    run = store.start().run
    for _ in range(2):
        drained(store, run, new_process=new_process)
    for drain in range(1, 4):
        assert store.run(run).state == RunState.QUEUED
        drained(store, run, role="probation", new_process=new_process)
        assert store.run(run).crashes == drain
    view = store.run(run)
    assert (view.state, view.reason) == (RunState.NEEDS_ATTENTION, FailureReason.CRASHES_WORKER)
    assert store.ids() == store.ids(probation=True) == []
    assert view.failure.headline == "crashes worker: SIGTERM without a request to stop"
    store.do(ReopenRun(run))
    assert store.run(run).crashes == 0
    drained(store, run, new_process=new_process)
    assert store.ids() == [run]


def test_drain_of_a_finished_run_or_at_a_persons_request_blames_no_one(store, new_process):
    """What ended well while the worker drained is over; a session that a person drains may be signalled by the person too."""
    run = store.begin()
    store.do(finish(run))
    store.do(CloseSession(((run.id, run.claim),)))
    assert store.run(run.id).state == RunState.SUCCEEDED
    draining = new_process().open()
    draining.announce("a", "b")
    for _ in range(3):
        worker = new_process().open()
        worker.announce("a", "b")
        left = worker.begin() if _ == 0 else worker.claim_one()
        draining.do(DrainSession(worker.session))
        worker.do(CloseSession(((left.id, left.claim),)))
    assert draining.ids() == [left.id]
    assert draining.reader.read_text("select count(*) from worker_losses", ()) == [(0,)]


def test_drain_with_other_runs_on_probation_counts_for_none(store, new_process):
    """Which of them sent the signal is not known."""
    runs = [store.start().run for _ in range(2)]
    for _ in range(2):
        drained(store, *runs, new_process=new_process)
    drained(store, *runs, role="probation", new_process=new_process)
    assert [store.run(run).crashes for run in runs] == [0, 0]


@pytest.mark.parametrize("is_claimed", [True, False])
def test_pardon_takes_runs_off_probation_that_wait(store, second, new_process, is_claimed):
    """The death was part of the end of all; a run that is on probation by now stays there."""
    run = store.begin()
    second.do(DeclareSessionDead(store.session, crashed=True))
    if is_claimed:
        probation = new_process().open("probation")
        probation.announce("a", "b")
        assert probation.ids(probation=True) == [run.id]
    assert second.twice(EndProbation((run.id,))) == DONE
    assert second.ids() == ([] if is_claimed else [run.id])
