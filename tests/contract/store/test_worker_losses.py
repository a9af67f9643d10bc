"""The death of a worker is on record with each run that it had: who, when, how it was noticed, who continued the run."""

import pytest

from mainspring.domain.processes.worker_loss import LossDetection
from mainspring.domain.states import RunState
from mainspring.store.commands.automations import ApplyRetention
from mainspring.store.commands.runs import ReleaseRun
from mainspring.store.commands.sessions import CloseSession, DeclareSessionDead
from tests.contract.store.process import finish, suspend


def losses(store, run):
    return store.read("run_history", run).losses


def dead_and_successor(store, second, clock, **options):
    """Let a worker die with a run, another declare it dead and take the run; return the run and its losses."""
    run = store.begin()
    clock.forward(2_000)
    second.do(DeclareSessionDead(store.session, **options))
    return run.id, losses(second, run.id)


@pytest.mark.parametrize(
    ("ending", "noticed"),
    [
        ({}, LossDetection.PROCESS_MISSING),
        ({"crashed": True, "ending": "exit 0"}, LossDetection.CRASH),
        ({"silent_ms": 1_000}, LossDetection.LEASE_EXPIRED),
        ({"quarantined": True}, LossDetection.QUARANTINE),
    ],
)
def test_death_of_a_worker_is_on_its_run(store, second, clock, ending, noticed):
    """The process, its host, when it was heard of last, when and by whom it was found dead; then who continued, after how long."""
    started_at = clock.now()
    run, (loss,) = dead_and_successor(store, second, clock, **ending)
    assert (loss.session, loss.role, loss.hostname, loss.pid) == (store.session, "worker", "box", 1)
    assert (loss.seen_at, loss.found_at, loss.noticed) == (started_at, started_at + 2_000, noticed)
    assert (loss.finder_role, loss.finder_hostname, loss.finder_pid) == ("worker", "box", 1)
    assert (loss.resumed_at, loss.resumed_after_ms, loss.ending) == (None, None, ending.get("ending"))
    clock.forward(500)
    successor = second.claim_one(probation=bool(ending.get("crashed")))
    assert successor.id == run
    (loss,) = losses(second, run)
    assert successor.losses == (loss,)
    assert (loss.resumed_session, loss.resumed_role, loss.resumed_hostname) == (second.session, "worker", "box")
    assert (loss.resumed_at, loss.resumed_after_ms) == (started_at + 2_500, 2_500)


def test_each_death_is_reported_to_the_claim_that_continues_after_it(store, second, new_process, clock):
    """The newest first in the history; a claim after an ordinary wait hears of none."""
    third = new_process().open()
    third.announce("a", "b")
    run, _ = dead_and_successor(store, second, clock)
    assert second.claim_one().id == run
    clock.forward(1_000)
    third.do(DeclareSessionDead(second.session))
    successor = third.claim_one()
    assert [loss.session for loss in successor.losses] == [second.session]
    assert [loss.session for loss in losses(third, run)] == [second.session, store.session]
    third.do(suspend(successor, due_at=clock.now()))
    assert third.claim_one().losses == ()


def test_process_that_ends_by_itself_is_no_loss(store, second):
    """It gave its runs back."""
    run = store.begin()
    store.do(CloseSession())
    assert second.claim_one().losses == ()
    assert losses(second, run.id) == []


def test_drain_that_no_one_requested_is_a_loss(store, second, clock):
    """As a death is: which process, when, how it ended, who continued the run after how long; each run that it had keeps it."""
    runs = [store.begin() for _ in range(2)]
    clock.forward(2_000)
    drained_at = clock.now()
    store.do(CloseSession(tuple((run.id, run.claim) for run in runs)))
    for run in runs:
        (loss,) = losses(second, run.id)
        assert (loss.claim, loss.role, loss.hostname, loss.pid) == (run.claim, "worker", "box", 1)
        assert (loss.seen_at, loss.found_at, loss.noticed) == (drained_at, drained_at, LossDetection.OWN_REPORT)
        assert (loss.ending, loss.finder_role, loss.resumed_at) == ("SIGTERM without a request to stop", None, None)
    clock.forward(800)
    successors = second.claim().runs
    assert {successor.id: successor.losses for successor in successors} == {
        run.id: tuple(losses(second, run.id)) for run in runs
    }
    (loss,) = successors[0].losses
    assert (loss.resumed_session, loss.resumed_after_ms) == (second.session, 800)


@pytest.mark.parametrize("is_owned", [True, False])
def test_drain_is_a_loss_of_a_run_that_another_worker_continued_meanwhile(store, second, clock, is_owned):
    """The draining worker gave the run back before it reported its end: the loss keeps its claim and who has continued the run."""
    run = store.begin()
    store.do(ReleaseRun(run.id, run.claim, 0))
    clock.forward(100)
    successor, continued_at = second.claim_one(), clock.now()
    if not is_owned:
        second.do(suspend(successor, due_at=clock.now() + 60_000))
    clock.forward(2_000)
    session = store.session
    store.do(CloseSession(((run.id, run.claim),)))
    (loss,) = losses(second, run.id)
    assert (loss.claim, loss.session, loss.resumed_at) == (run.claim, session, continued_at)
    assert loss.resumed_session == (second.session if is_owned else None)


def test_drain_is_a_loss_of_the_claim_that_the_run_has(store, second):
    """The worker took the run again after the signal came."""
    run = store.begin()
    store.do(ReleaseRun(run.id, run.claim, 0))
    again = store.claim_one()
    store.do(CloseSession(((run.id, run.claim),)))
    (loss,) = losses(second, run.id)
    assert (loss.claim, loss.resumed_at) == (again.claim, None)
    assert second.claim_one().losses == tuple(losses(second, run.id))


def test_losses_go_with_their_run(store, second, clock):
    """As all that is known of it."""
    run, _ = dead_and_successor(store, second, clock)
    second.do(finish(second.claim_one()))
    assert second.state(run) is RunState.SUCCEEDED
    clock.forward(1_000)
    limits = dict.fromkeys(("failed_before", "cancelled_before", "events_before", "rollups_before"))
    second.do(ApplyRetention(succeeded_before=clock.now(), **limits))
    assert second.reader.read_text("select count(*) from worker_losses", ()) == [(0,)]
