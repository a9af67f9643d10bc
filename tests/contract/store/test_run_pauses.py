"""Pauses of single runs, on every database."""

import pytest

from mainspring.alerting.inputs.held_work import read_paused_runs
from mainspring.domain.runs.journal import FactKind
from mainspring.domain.states import OutcomeState, RunState
from mainspring.store.commands.results import DONE, PAUSE_WITHDRAWN, Refused
from mainspring.store.commands.run_control import EnterPause, PauseRun, ResumeRun, RunPauseRequest
from mainspring.store.commands.runs import CancelRun, GiveResult, MarkRunDone, ReopenRun
from mainspring.store.commands.sessions import DeclareSessionDead
from mainspring.store.read.runs.run_views import run_history
from tests.contract.store.process import fail, finish, halt, outcome, signal, suspend


def pause(run, command="p1", reason=None):
    return PauseRun(run, command, RunPauseRequest("ada", reason))


def code_of(answer):
    return answer.code if isinstance(answer, Refused) else answer


def test_waiting_run_pauses_at_once_and_keeps_what_it_receives(store, clock):
    """It is not due, and no message wakes it."""
    run = store.begin()
    store.do(suspend(run, due_at=clock.now() + 5_000))
    assert store.twice(pause(run.id, reason="check the data")) == DONE
    found = run_history(store.reader, run.id)
    assert (found.run.state, found.run.due_at, found.run.ready) == (RunState.PAUSED, None, False)
    assert (found.pause.paused_by, found.pause.reason, found.pause.paused_at) == ("ada", "check the data", clock.now())
    store.do(signal(run.id))
    clock.forward(10_000)
    assert store.ids() == []
    assert store.twice(ResumeRun(run.id, "resume")) == DONE
    assert run_history(store.reader, run.id).pause is None
    resumed = store.claim_one()
    assert (resumed.id, resumed.fresh, [fact.kind for fact in resumed.facts]) == (run.id, False, [FactKind.SIGNAL])


def test_delayed_run_is_due_at_its_own_time_after_a_pause(store, clock):
    """A pause neither brings a start forward nor moves it."""
    due_at = clock.now() + 60_000
    early, late = (store.start(due_at=due_at).run for _ in range(2))
    for run in (early, late):
        store.do(pause(run, f"p-{run}"))
        assert run_history(store.reader, run).pause.due_at == due_at
    store.do(ResumeRun(early, "resume"))
    assert (store.run(early).state, store.run(early).due_at) == (RunState.QUEUED, due_at)
    clock.forward(60_000)
    assert store.ids() == [early]
    clock.forward(1_000)
    store.do(ResumeRun(late, "resume"))
    assert store.ids() == [late]


def test_owner_pauses_its_run_and_a_crash_before_that_loses_no_request(store, second, clock):
    """Two requests are one."""
    run = store.begin()
    store.do(pause(run.id), pause(run.id, "p2"))
    assert store.state(run.id) is RunState.RUNNING
    assert [fact.kind for fact in run_history(store.reader, run.id).facts] == [FactKind.PAUSE]
    assert store.twice(EnterPause(run.id, run.claim, 0, b"[]")) == DONE
    found = run_history(store.reader, run.id)
    assert (found.run.state, found.facts, found.run.waiting_for) == (RunState.PAUSED, [], b"[]")
    assert code_of(store.do(EnterPause(run.id, run.claim, 0))) == "claim_lost"
    assert second.ids() == []
    store.do(ResumeRun(run.id, "resume"))
    assert second.claim_one().claim == run.claim + 1


def test_request_that_was_withdrawn_pauses_nothing(store):
    """Its owner learns that when it wants to pause it."""
    run = store.begin()
    store.do(pause(run.id))
    assert store.do(ResumeRun(run.id, "resume")) == DONE
    assert store.do(EnterPause(run.id, run.claim, 0)) == PAUSE_WITHDRAWN
    assert store.state(run.id) is RunState.RUNNING
    assert code_of(store.do(ResumeRun(run.id, "resume"))) == "not_paused"


def test_paused_run_holds_its_partition_and_one_in_its_line_loses_no_place(store, clock):
    """A run behind it does not overtake it, once it is resumed."""
    first, second, third = (store.start(partition="p").run for _ in range(3))
    claimed = store.claim_one()
    assert claimed.id == first
    store.do(suspend(claimed), pause(first, "p1"), pause(second, "p2"))
    assert store.ids() == []
    store.do(ResumeRun(second, "resume"))
    assert store.run(second).blocked == "partition"
    store.do(ResumeRun(first, "resume"))
    store.do(finish(store.claim_one()))
    assert store.ids() == [second]
    assert store.run(third).blocked == "partition"


def test_run_behind_a_paused_one_of_its_line_gets_the_partition(store):
    """Only a run that has the partition keeps it over its pause."""
    first, second, third = (store.start(partition="p").run for _ in range(3))
    claimed = store.claim_one()
    store.do(pause(second), finish(claimed))
    assert store.ids() == [third]
    assert store.state(second) is RunState.PAUSED
    assert first == claimed.id


def test_cancel_ends_a_paused_run_that_never_started(store):
    """There is nothing to clean up."""
    run = store.start().run
    store.do(pause(run))
    store.do(CancelRun(run, "c1"))
    assert store.state(run) is RunState.CANCELLED
    assert store.do(pause(store.start().run, "p2")) == DONE


def test_cancel_resumes_a_paused_run_that_started(store):
    """So that its code can clean up."""
    run = store.begin()
    store.do(suspend(run), pause(run.id))
    store.do(CancelRun(run.id, "c1"))
    claimed = store.claim_one()
    assert [fact.kind for fact in claimed.facts] == [FactKind.CANCEL]
    assert run_history(store.reader, run.id).pause is None


def test_paused_run_can_be_marked_done(store):
    """No pause is left of it."""
    run = store.begin()
    store.do(suspend(run), pause(run.id), MarkRunDone(run.id, b"1"))
    assert store.state(run.id) is RunState.SUCCEEDED
    assert read_paused_runs(store.reader) == {}


@pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED])
def test_run_that_ended_cannot_be_paused(store, state):
    """Nor resumed."""
    run = store.begin()
    store.do(finish(run, state))
    assert code_of(store.do(pause(run.id))) == "finished"
    assert code_of(store.do(ResumeRun(run.id, "resume"))) == "not_paused"


def test_refusals_name_what_is_in_the_way(store):
    """With the state of the run."""
    assert code_of(store.do(pause("r_none"))) == "not_found"
    assert code_of(store.do(ResumeRun("r_none", "resume"))) == "not_found"
    run = store.start().run
    store.do(pause(run))
    assert store.do(pause(run, "p2")) == DONE
    halted = store.begin()
    store.do(halt(halted))
    refused = store.do(pause(halted.id, "p3"))
    assert (refused.code, refused.text) == ("wrong_state", f"run {halted.id} is needs_attention")


def test_paused_runs_are_read_for_their_monitor(store, clock):
    """Of each automation, the longest pause first."""
    runs = [store.start(automation).run for automation in ("a", "b", "a")]
    for number, run in enumerate(runs):
        store.do(pause(run, f"p{number}"))
        clock.forward(1_000)
    found = read_paused_runs(store.reader)
    assert {name: [paused.run for paused in paused_runs] for name, paused_runs in found.items()} == {
        "a": [runs[0], runs[2]],
        "b": [runs[1]],
    }


def test_restart_takes_the_request_to_its_successor(store):
    """The run that continues an endless one pauses instead."""
    run = store.begin()
    store.do(pause(run.id))
    then = store.starting(id=store.name())
    store.do(finish(run, then=then))
    claimed = store.claim_one()
    assert (claimed.id, [fact.kind for fact in claimed.facts]) == (then.id, [FactKind.PAUSE])
    assert store.do(EnterPause(claimed.id, claimed.claim, 0)) == DONE
    assert store.do(ResumeRun(run.id, "resume")) == DONE
    assert store.state(then.id) is RunState.QUEUED


def test_continued_run_waits_for_its_partition_after_a_pause(store):
    """It had released the partition when it failed, and another run has it now."""
    failed, holder = (store.start(partition="p").run for _ in range(2))
    store.do(fail(store.claim_one()))
    claimed = store.claim_one()
    assert claimed.id == holder
    store.do(ReopenRun(failed), pause(failed), ResumeRun(failed, "resume"))
    assert (store.run(failed).blocked, store.ids()) == ("partition", [])
    store.do(finish(claimed))
    assert store.ids() == [failed]


def test_retry_at_a_later_time_keeps_that_time_over_a_pause(store, clock):
    """As a delayed start does."""
    due_at = clock.now() + 60_000
    run = store.begin()
    store.do(fail(run), ReopenRun(run.id, due_at=due_at), pause(run.id), ResumeRun(run.id, "resume"))
    assert (store.run(run.id).due_at, store.ids()) == (due_at, [])
    clock.forward(60_000)
    assert store.ids() == [run.id]


def test_later_retry_waits_for_its_partition_after_a_pause(store, clock):
    """Two runs of one partition would run at once."""
    failed, holder = (store.start(partition="p").run for _ in range(2))
    store.do(fail(store.claim_one()))
    claimed = store.claim_one()
    store.do(ReopenRun(failed, due_at=clock.now() + 60_000), pause(failed), ResumeRun(failed, "r1"))
    clock.forward(61_000)
    assert store.ids() == []
    store.do(finish(claimed))
    assert store.ids() == [failed]
    assert holder == claimed.id


def test_cancel_ends_the_request_to_pause(store):
    """The run cleans up instead; nothing pauses it any more."""
    run = store.begin()
    store.do(pause(run.id), CancelRun(run.id, "c1"))
    assert [fact.kind for fact in run_history(store.reader, run.id).facts] == [FactKind.CANCEL]
    assert store.do(EnterPause(run.id, run.claim, 0)) == PAUSE_WITHDRAWN
    assert store.do(pause(run.id, "p2")).text == f"run {run.id} is being cancelled"
    store.do(suspend(run))
    assert store.do(pause(run.id, "p3")).code == "wrong_state"
    assert store.ids() == [run.id]


def test_cancel_resumes_a_paused_rollback(store):
    """A second cancel of a run that rolls back waits for its end, and so must not leave it paused."""
    run = store.begin(kind="workflow")
    store.do(fail(run), CancelRun(run.id, "c1", undo=True), pause(run.id), CancelRun(run.id, "c2"))
    assert store.ids() == [run.id]


def test_result_by_hand_ends_the_request_to_pause(store):
    """The run stopped before it could be paused."""
    run = store.begin()
    store.do(pause(run.id), outcome(run, 1, state=OutcomeState.IN_DOUBT, output=None), halt(run, "s1", rank=1))
    store.do(GiveResult(run.id, "s1", "g1", b"1"))
    assert [fact.kind for fact in store.claim_one().facts] == [FactKind.RESULT]


def test_paused_run_on_probation_keeps_no_process_waiting(store, second):
    """`up` would start a probation process again and again."""
    run = second.begin()
    store.do(DeclareSessionDead(second.session, crashed=True))
    text = "select count(*) from runs where probation = 1"
    assert [tuple(row) for row in store.reader.read_text(text)] == [(1,)]
    store.do(pause(run.id))
    for query in ("count_probation_runs", "count_unclaimed_probation_runs"):
        assert [tuple(row) for row in store.reader.read(query)] == [(0,)]


def test_ready_run_that_has_its_partition_keeps_it_over_a_pause(store):
    """Its pause names it as the holder."""
    first, second = (store.start(partition="p").run for _ in range(2))
    store.do(pause(first, "p1"), pause(second, "p2"))
    holds = [run_history(store.reader, run).pause.holds_partition for run in (first, second)]
    assert holds == [True, False]
