"""The policies of a run key: what a start does if its key has a run already."""

import pytest

from mainspring.domain.states import FailureReason, RunState
from mainspring.store.commands.automations import ApplyRetention
from mainspring.store.commands.results import Refused, StartAnswer
from mainspring.store.commands.run_control import PauseRun, ResumeRun, RunPauseRequest
from mainspring.store.commands.runs import CancelRun, ReopenRun, RunKey, StartRequest
from tests.contract.store.process import fail, finish, halt

DAY_MS = 86_400_000


def key(policy: str, input_hash: str = "h", **options) -> RunKey:
    return RunKey("k", input_hash, policy, **options)


def holder(store):
    rows = store.reader.read_text("select run, holder from run_keys", ())
    return rows[0] if rows else None


def kinds_of(store, run):
    rows = store.reader.read_text("select kind from inbox where run = ?", (run.id,))
    return [kind for (kind,) in rows]


@pytest.mark.parametrize("bulk", [False, True])
def test_one_live_joins_the_run_until_it_has_ended(store, bulk):
    """While it lives there is one run, and another input is refused; afterwards a start is a new run, with any input."""
    first = store.start(run_key=key("one_live"))
    assert store.start(run_key=key("one_live")) == StartAnswer(first.run, created=False, state="queued", by_key=True)
    run = store.claim_one()
    assert store.start(run_key=key("one_live")).run == first.run
    assert store.start(run_key=key("one_live", "other")).code == "key_conflict"
    assert store.start(run_key=key("one_live", "other", joins_any=True)).run == first.run
    other = store.begin(run_key=RunKey("o", "h", "one_live"))
    if bulk:
        store.do(finish(run), finish(other))
    else:
        store.do(finish(run))
    second = store.start(run_key=key("one_live", "other"))
    assert (second.created, second.run) == (True, store.claim_one().id)


def test_replace_cancels_the_run_and_begins_when_it_has_ended(store):
    """One commit: the live run gets its cancel, the new one waits for its end, cleanup included, and is no second run before it."""
    run = store.begin(run_key=key("replace"))
    second = store.start(run_key=key("replace", "other"))
    assert (second.created, second.state) == (True, RunState.QUEUED)
    assert kinds_of(store, run) == ["cancel"]
    assert store.ids() == []
    assert holder(store) == (second.run, run.id)
    assert store.run(second.run).blocked == "key"
    store.do(finish(run, RunState.CANCELLED))
    assert store.ids() == [second.run]
    assert holder(store) == (second.run, None)


def test_third_start_supersedes_the_queued_one(store):
    """The one that never began is cancelled at once; the third waits for the first."""
    run = store.begin(run_key=key("replace"))
    second = store.start(run_key=key("replace"))
    third = store.start(run_key=key("replace"))
    assert store.state(second.run) is RunState.CANCELLED
    assert store.run(third.run).blocked == "key"
    assert kinds_of(store, run) == ["cancel"]
    store.do(finish(run))
    assert store.ids() == [third.run]


def test_replace_of_a_run_that_never_began_or_needs_a_person_starts_at_once(store):
    """Nothing has to end first."""
    first = store.start(run_key=key("replace"))
    second = store.start(run_key=key("replace"))
    assert store.state(first.run) is RunState.CANCELLED
    run = store.claim_one()
    assert run.id == second.run
    store.do(halt(run, FailureReason.IN_DOUBT))
    third = store.start(run_key=key("replace"))
    assert store.state(second.run) is RunState.CANCELLED
    assert store.ids() == [third.run]


def test_several_ends_in_one_commit_let_each_next_run_begin(store):
    """Ends that are committed together release their keys as one end does."""
    runs = [store.begin(run_key=RunKey(name, "h")) for name in "abc"]
    waiting = [store.start(run_key=RunKey(name, "h", "replace")).run for name in "abc"]
    store.do(*(finish(run) for run in runs))
    assert sorted(store.ids()) == sorted(waiting)


@pytest.mark.parametrize("policy", ["one_live", "restart", "replace"])
def test_start_after_a_cancelled_replacement_waits_for_the_run_that_still_ends(store, policy):
    """The queued run was cancelled by a person, the first one still cleans up: no second run is live beside it."""
    run = store.begin(run_key=key("replace"))
    second = store.start(run_key=key("replace"))
    store.do(CancelRun(second.run, "c1"))
    third = store.start(run_key=key(policy))
    assert third.created
    assert store.ids() == []
    store.do(fail(run))
    assert store.ids() == [third.run]


def test_replacing_run_waits_for_its_due_time_and_its_partition_too(store, clock):
    """After the end of the run that it replaces, it is in line for what else it needs."""
    run = store.begin(run_key=key("replace"))
    other = store.begin(partition="p")
    late = store.start(run_key=key("replace"), partition="p", due_at=clock.now() + 1_000)
    store.do(finish(run))
    clock.forward(1_000)
    assert store.ids() == []
    assert store.run(late.run).blocked == "partition"
    store.do(finish(other))
    assert store.ids() == [late.run]


def test_replacing_run_that_is_paused_keeps_its_place(store):
    """A resume before the end of the first run waits for that end, one after it does not."""
    run = store.begin(run_key=key("replace"))
    second = store.start(run_key=key("replace"))
    store.do(PauseRun(second.run, "p1", RunPauseRequest("ann", None)))
    store.do(ResumeRun(second.run, "p2"))
    assert (store.ids(), store.run(second.run).blocked) == ([], "key")
    store.do(PauseRun(second.run, "p3", RunPauseRequest("ann", None)))
    store.do(finish(run))
    store.do(ResumeRun(second.run, "p4"))
    assert store.ids() == [second.run]


def test_run_that_restarts_while_it_is_replaced_hands_over_its_place_and_its_cancel(store):
    """The run that continues it must end before the new one begins, and receives the cancel."""
    run = store.begin(run_key=key("replace"))
    second = store.start(run_key=key("replace"))
    successor = store.starting(run_key=key("continue"))
    store.do(finish(run, then=successor))
    assert holder(store) == (second.run, successor.id)
    assert [fact.kind for fact in store.claim_one().facts] == ["cancel"]
    store.do(CancelRun(second.run, "x"))
    assert store.start(run_key=key("one_live")).created
    assert store.ids() == []


def test_key_of_a_live_run_does_not_expire(store, clock):
    """A start after the expiry joins the run; when it has ended, the key is free."""
    run = store.begin(run_key=key("reuse", expires_at=clock.now() + 10))
    clock.forward(20)
    store.do(ApplyRetention(None, None, None, None, None))
    assert store.start(run_key=key("reuse")).run == run.id
    store.do(finish(run))
    assert store.start(run_key=key("reuse", "other")).created


def test_ended_run_is_not_continued_while_another_lives_under_its_key(store):
    """Neither its code nor its rollback acts beside the newer run."""
    run = store.begin(run_key=key("restart"), kind="workflow")
    store.do(fail(run))
    newer = store.start(run_key=key("restart"))
    assert newer.created
    for command in (ReopenRun(run.id), CancelRun(run.id, "c", undo=True)):
        refused = store.do(command)
        assert isinstance(refused, Refused)
        assert newer.run in refused.text


def test_rollback_of_an_ended_run_holds_the_key(store):
    """The key has a newer run that has ended: the next one begins when the rollback has."""
    run = store.begin(run_key=key("restart"), kind="workflow")
    store.do(fail(run))
    newer = store.begin(run_key=key("restart"))
    store.do(fail(newer))
    store.do(CancelRun(run.id, "c", undo=True))
    third = store.start(run_key=key("restart"))
    assert third.created
    (rolling_back,) = store.claim().runs
    assert rolling_back.id == run.id
    store.do(finish(rolling_back, RunState.CANCELLED))
    assert store.ids() == [third.run]


@pytest.mark.parametrize("run_key", [None, key("one_live")])
def test_request_that_is_sent_again_gets_its_run(store, clock, run_key):
    """Also after the run has ended, for 24 hours; another input under the same id is refused."""
    request = StartRequest("req-1", "h")
    first = store.start(request=request, run_key=run_key)
    assert first.created
    store.do(finish(store.claim_one()))
    again = store.start(request=request, run_key=run_key)
    assert (again.run, again.created, again.state) == (first.run, False, RunState.SUCCEEDED)
    assert store.start(request=StartRequest("req-1", "other"), run_key=run_key).code == "key_conflict"
    clock.forward(DAY_MS)
    store.do(ApplyRetention(None, None, None, None, None))
    assert store.reader.read_text("select count(*) from start_requests", ()) == [(0,)]
    assert store.start(request=request, run_key=run_key).created


def test_request_that_joined_a_run_gets_the_same_run_again(store):
    """Although a new run would begin now."""
    run = store.begin(run_key=key("one_live"))
    request = StartRequest("req-1", "h")
    assert store.start(request=request, run_key=key("one_live")).run == run.id
    store.do(finish(run))
    assert store.start(request=request, run_key=key("one_live")).run == run.id


def test_run_of_the_caller_is_refused_while_another_holds_its_key(store):
    """A wrapped command runs at once or not at all."""
    run = store.begin(run_key=key("replace"))
    refused = store.start(run_key=key("replace"), here=True)
    assert (refused.code, run.id in refused.text) == ("busy", True)
