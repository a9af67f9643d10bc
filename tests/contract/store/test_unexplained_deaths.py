"""Deaths of a worker together with its supervisor: no one saw which process died first, so only repetition tells."""

import pytest

from mainspring.domain.processes.crash_blame import CRASH_LIMIT
from mainspring.domain.processes.worker_loss import UNEXPLAINED_LIMIT
from mainspring.domain.states import FailureReason, RunState
from mainspring.store.commands.runs import ReopenRun
from mainspring.store.commands.sessions import DeclareSessionDead
from tests.contract.store.process import outcome


def die(store, new_process, *runs, role="worker", saved_rank=None, **loss):
    """A process claims the runs and dies with its supervisor; `saved_rank` = the outcome that the first run committed there."""
    worker = new_process().open(role)
    worker.announce("a", "b")
    claimed = {run.id: run for run in worker.claim(probation=role == "probation").runs}
    assert set(claimed) == set(runs)
    if saved_rank is not None:
        worker.do(outcome(claimed[runs[0]], saved_rank))
    store.do(DeclareSessionDead(worker.session, **loss))


@pytest.mark.parametrize("loss", [{}, {"silent_ms": 0}])
def test_third_unexplained_death_puts_a_run_on_probation(store, new_process, loss):
    """A run that was there each time may be the cause; a run that was there twice is not suspected yet."""
    run = store.start().run
    die(store, new_process, run, **loss)
    other = store.start().run
    for _ in range(UNEXPLAINED_LIMIT - 1):
        assert store.ids(probation=True) == []
        die(store, new_process, run, other, **loss)
    assert store.ids() == [other]
    assert store.ids(probation=True) == [run]


def test_third_unexplained_death_on_probation_quarantines_the_run(store, new_process):
    """It was alone there each time, and explains these deaths. A retry by a person starts with a clean record."""
    run = store.start().run
    for _ in range(UNEXPLAINED_LIMIT):
        die(store, new_process, run)
    for crashes in range(1, CRASH_LIMIT + 1):
        assert store.run(run).state == RunState.QUEUED
        die(store, new_process, run, role="probation")
        assert store.run(run).crashes == crashes
        assert store.reader.read("count_probation_deaths", (0,)) == [(crashes % CRASH_LIMIT,)]
    view = store.run(run)
    assert (view.state, view.reason) == (RunState.NEEDS_ATTENTION, FailureReason.CRASHES_WORKER)
    assert view.failure.headline == "crashes worker: it died with its supervisor"
    store.do(ReopenRun(run))
    assert store.run(run).crashes == 0


def test_unexplained_death_with_two_runs_on_probation_counts_for_none(store, new_process):
    """Which of them was the cause is not known: the next supervisor watches each for longer."""
    runs = [store.start().run for _ in range(2)]
    for _ in range(UNEXPLAINED_LIMIT):
        die(store, new_process, *runs)
    since = store.clock.now() - 1
    die(store, new_process, *runs, role="probation")
    assert [store.run(run).crashes for run in runs] == [0, 0]
    assert store.ids(probation=True) == runs
    assert store.reader.read("count_probation_deaths", (since,)) == [(1,)]


def test_death_on_probation_that_a_supervisor_saw_is_not_counted_as_unexplained(store, new_process):
    """Neither is the death of a probation process without a run: no run can be its cause."""
    run = store.start().run
    for _ in range(UNEXPLAINED_LIMIT):
        die(store, new_process, run)
    since = store.clock.now() - 1
    die(store, new_process, run, role="probation", crashed=True)
    store.do(DeclareSessionDead(new_process().open("probation").session))
    assert store.reader.read("count_probation_deaths", (since,)) == [(0,)]


def test_probation_run_is_unclaimed_until_its_death_is_declared(store, new_process):
    """A new supervisor can start no process for it before."""
    run = store.start().run
    for _ in range(UNEXPLAINED_LIMIT):
        die(store, new_process, run)
    assert store.reader.read("count_unclaimed_probation_runs") == [(1,)]
    probation = new_process().open("probation")
    probation.announce("a", "b")
    assert probation.claim(probation=True).runs
    assert store.reader.read("count_unclaimed_probation_runs") == [(0,)]
    store.do(DeclareSessionDead(probation.session))
    assert store.reader.read("count_unclaimed_probation_runs") == [(1,)]


def test_progress_clears_unexplained_deaths(store, new_process):
    """A run that gets on is not what kills its workers: only deaths since its last outcome count."""
    run = store.start().run
    for rank in range(1, 5):
        die(store, new_process, run)
        die(store, new_process, run, saved_rank=rank)
    for _ in range(UNEXPLAINED_LIMIT - 1):
        assert store.ids(probation=True) == []
        die(store, new_process, run)
    assert store.ids(probation=True) == [run]


@pytest.mark.parametrize("role", ["app", "run"])
def test_death_of_a_program_puts_no_run_on_probation(store, new_process, role):
    """A program has no supervisor, and no probation process would claim its run."""
    run = store.start().run
    for _ in range(UNEXPLAINED_LIMIT + 1):
        die(store, new_process, run, role=role)
    assert store.ids() == [run]
