"""What a store does with a cancel of a run that stopped: ended as it stands, or made ready to be undone."""

import msgspec
import pytest

from mainspring.domain.runs.journal import FactKind, OutcomeKind
from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.store.commands.results import DONE
from mainspring.store.commands.runs import CancelRun, DiscardRun, GiveResult, ParentLink, ReopenRun, RunKey
from tests.contract.store.process import BOOM, ask, audited, fail, finish, halt, outcome, suspend

UNDO = {"kind": OutcomeKind.UNDO}


def cancelling(store, on_cancel=None, kind="workflow"):
    """Announce an automation with this option."""
    options = {} if on_cancel is None else {"on_cancel": on_cancel}
    store.announce("a", fingerprint="code-2", kind=kind, definition=msgspec.json.encode({"options": options}))


def counted(store, run):
    return [o.ident for o in store.history(run).outcomes]


@pytest.mark.parametrize("on_cancel", [None, "keep", "undo"])
@pytest.mark.parametrize("undo", [None, True, False])
def test_cancel_of_a_halted_run_undoes_it_on_request(store, on_cancel, undo):
    """Who cancels has the last word, the automation the word before it."""
    cancelling(store, on_cancel)
    run = store.begin(kind="workflow")
    store.do(outcome(run, 1, undo="m:f"), ask(run), halt(run))
    expected = undo if undo is not None else on_cancel == "undo"
    assert store.twice(audited(CancelRun(run.id, "c1", undo=undo))) == DONE
    view = store.run(run.id)
    assert (view.state, view.undoing) == ((RunState.QUEUED if expected else RunState.CANCELLED), expected)
    assert store.read("run_history", run.id).waits == []
    if expected:
        again = store.claim_one()
        assert (again.id, again.undoing, again.fresh, again.rank) == (run.id, True, False, 1)
        assert (view.reason, view.failure, view.failed_ident) == (None, None, None)


def test_only_a_workflow_can_be_undone(store):
    """A script or task is one step without undo: it ends at once."""
    cancelling(store, "undo", kind="task")
    run = store.begin(kind="task")
    store.do(halt(run), CancelRun(run.id, "c1", undo=True))
    assert store.state(run.id) is RunState.CANCELLED


def test_failed_run_is_undone_only_on_request(store):
    """Else it has ended, and keeps what it did."""
    cancelling(store, "undo")
    run = store.begin(kind="workflow")
    store.do(fail(run))
    for undo in (None, False):
        assert store.do(CancelRun(run.id, "c1", undo=undo)).code == "finished"
    assert store.twice(audited(CancelRun(run.id, "c2", undo=True))) == DONE
    again = store.claim_one()
    store.do(finish(again, RunState.CANCELLED, rank=0))
    assert store.run(run.id).finished_at is not None
    assert store.do(CancelRun(run.id, "c3", undo=True)).code == "finished"


def test_run_that_is_undone_is_cancelled_once(store):
    """Once more changes nothing while a worker has it; kept as it stands it can be only while no one has."""
    cancelling(store, "undo")
    run = store.begin(kind="workflow")
    store.do(halt(run), CancelRun(run.id, "c1"))
    again = store.claim_one()
    assert store.do(CancelRun(run.id, "c2")) == DONE
    assert store.do(CancelRun(run.id, "c3", undo=False)).code == "wrong_state"
    assert store.history(run.id).facts == []
    store.do(suspend(again, state=RunState.RETRYING, due_at=10**15))
    assert store.do(CancelRun(run.id, "c4", undo=False)).code == "wrong_state"
    assert store.state(run.id) is RunState.RETRYING


def test_run_that_waits_for_its_undo_can_be_kept(store):
    """No worker may ever come for it."""
    cancelling(store, "undo")
    run = store.begin(kind="workflow")
    store.do(halt(run), CancelRun(run.id, "c1"))
    assert store.twice(audited(CancelRun(run.id, "c2", undo=False))) == DONE
    assert store.state(run.id) is RunState.CANCELLED
    assert store.claim().runs == ()


def test_failed_undo_counts_no_longer_when_it_is_cancelled_again(store):
    """It is tried again; the undos that are done stay done."""
    cancelling(store, "undo")
    run = store.begin(kind="workflow")
    failed = {"state": OutcomeState.FAILED, "output": None, "failure": BOOM}
    store.do(
        outcome(run, 1, "a"), outcome(run, 2, "b"), outcome(run, 3, "undo:b", **UNDO), outcome(run, 4, "undo:a", **UNDO, **failed)
    )  # fmt: skip
    store.do(halt(run, "undo:a", FailureReason.UNDO_FAILED), CancelRun(run.id, "c1"))
    assert counted(store, run.id) == ["a", "b", "undo:b"]


def test_discarded_child_and_key_follow(store):
    """Children stop with it, and its key says where it stands."""
    cancelling(store, "undo")
    run = store.begin(kind="workflow", run_key=RunKey("k", "h"))
    child = store.start(parent=ParentLink(run.id, "c#1", run.claim)).run
    store.do(halt(run), CancelRun(run.id, "c1"))
    assert store.state(child) is RunState.CANCELLED
    started = store.start(run_key=RunKey("k", "h"))
    assert (started.run, started.state) == (run.id, RunState.QUEUED)


def test_choice_of_a_cancel_reaches_the_body(store):
    """It lies with the fact."""
    run = store.begin(kind="workflow")
    store.do(CancelRun(run.id, "c1", undo=True))
    (fact,) = store.history(run.id).facts
    assert (fact.kind, fact.payload) == (FactKind.CANCEL, b"true")


def rolled_back(store, *more):
    """A run of three steps, with the second and third undone."""
    run = store.begin(kind="workflow")
    store.do(*[outcome(run, n, f"s{n}") for n in (1, 2, 3)], *(command(run) for command in more))
    store.do(
        outcome(run, 5, "undo:s3", **UNDO, requested_after=3), outcome(run, 6, "undo:s2", **UNDO, requested_after=5)
    )
    store.do(fail(run, reason=FailureReason.ROLLED_BACK))
    return run


@pytest.mark.parametrize("chosen", [None, "s3", "s2"])
def test_reopen_after_a_rollback_starts_at_the_first_step_that_was_undone(store, chosen):
    """A chosen step behind it stands on what is gone."""
    run = rolled_back(store)
    store.twice(audited(ReopenRun(run.id, chosen)))
    assert (store.run(run.id).generation, counted(store, run.id)) == (1, ["s1"])


def test_reopen_after_a_rollback_forgets_what_it_abandoned(store):
    """A neighbour that was asked for first, and stopped by the rollback, has no result to continue with."""
    gone = {"request_number": 0, "state": OutcomeState.CANCELLED, "output": None}
    run = rolled_back(store, lambda run: outcome(run, 4, "slow", **gone))
    store.do(ReopenRun(run.id))
    assert counted(store, run.id) == ["s1"]


def test_result_is_refused_for_a_step_on_an_undone_one(store):
    """The run would take the others for done."""
    failed = {"state": OutcomeState.FAILED, "output": None, "failure": BOOM}
    run = rolled_back(store, lambda run: outcome(run, 4, "bad", **failed))
    assert store.do(GiveResult(run.id, "bad", "g1", b"1")).code == "undone"


@pytest.mark.parametrize("again", [lambda run: ReopenRun(run), lambda run: GiveResult(run, "undo:s1", "g1", b"null")])
def test_rollback_that_continues_keeps_its_cancel(store, again):
    """Anyone who tries a failed undo again, or gives its result, does not take the cancel back."""
    run = store.begin(kind="workflow")
    failed = {"state": OutcomeState.FAILED, "output": None, "failure": BOOM}
    store.do(outcome(run, 1), outcome(run, 2, "cancel#2", kind=OutcomeKind.CANCEL, request_number=0, output=None))
    store.do(outcome(run, 3, "undo:s1", **UNDO, **failed), halt(run, "undo:s1", FailureReason.UNDO_FAILED))
    assert store.do(again(run.id)) == DONE
    assert counted(store, run.id) == ["s1", "cancel#2"]


def test_reopen_continues_with_the_undo_or_forward_from_a_step(store):
    """Plainly continued it is still to be undone, also after it was abandoned; from a step it is an ordinary run again."""
    cancelling(store, "undo")
    run = store.begin(kind="workflow")
    store.do(outcome(run, 1), halt(run), CancelRun(run.id, "c1"))
    store.do(halt(store.claim_one()), ReopenRun(run.id))
    again = store.claim_one()
    assert again.undoing
    store.do(halt(again), DiscardRun(run.id), ReopenRun(run.id))
    again = store.claim_one()
    assert again.undoing
    store.do(halt(again), ReopenRun(run.id, "s1"))
    assert store.claim_one().undoing is False
