"""A request has one child: found again by anyone who asks again, and left behind when its parent is continued from before it."""

import msgspec
import pytest

from mainspring.domain.runs.journal import FactKind
from mainspring.domain.states import RunState
from mainspring.store.commands.automations import ApplyRetention
from mainspring.store.commands.inbox import DeliverFact, OpenWait
from mainspring.store.commands.results import DONE
from mainspring.store.commands.runs import CancelChild, ParentLink, ReopenRun, RunKey, UndoChild
from tests.contract.store.process import ask, event, fail, finish, halt, outcome, signal, wait_for


def child(store, parent, ident="c#1", rank=2, policy="cancel", **options):
    """The command that asks for a child of automation b; each has another input, so that none is above itself."""
    link = ParentLink(parent.id, ident, parent.claim, policy, rank)
    return store.starting("b", parent=link, input=options.pop("input", b'{"n":1}'), **options)


def claimed(store, run):
    """Claim until this run is taken."""
    return next(started_run for started_run in store.claim().runs if started_run.id == run)


def again_from(store, parent, ident):
    """Halt the parent and continue it from a step; returns it, claimed again."""
    store.do(halt(parent), ReopenRun(parent.id, ident))
    return claimed(store, parent.id)


def facts(store, run):
    return [(fact.ident, fact.payload) for fact in store.history(run).facts]


def test_request_finds_its_child_whatever_id_it_sends(store):
    """Its id is recreated in each generation; the child is the one that counts for the request."""
    parent = store.begin()
    first = store.do(child(store, parent))
    second = store.twice(child(store, parent))
    assert (first.created, second.created, second.run, second.by_key) == (True, False, first.run, False)
    assert store.do(child(store, parent, "c#2", rank=3)).created
    store.do(finish(claimed(store, first.run), result=b"5"))
    store.do(child(store, parent), child(store, parent))
    assert facts(store, parent.id) == [("c#1", b"5")]


@pytest.mark.parametrize("policy", ["cancel", "keep"])
def test_superseded_child_answers_no_one_and_follows_its_close_policy(store, policy):
    """The request asks for a child of its own; what the old one ended with is not taken for its end."""
    parent = store.begin()
    old = store.do(child(store, parent, rank=2, policy=policy))
    running = claimed(store, old.run)
    store.do(outcome(parent, 1, "before", request_number=1))
    parent = again_from(store, parent, "before")
    stop_facts = [fact.kind for fact in store.history(old.run).facts]
    assert stop_facts == ([FactKind.CANCEL] if policy == "cancel" else [])
    new = store.do(child(store, parent, rank=2, policy=policy))
    assert new.created
    assert new.run != old.run
    store.do(finish(running, result=b'"old"'))
    assert facts(store, parent.id) == []
    store.do(finish(claimed(store, new.run), result=b'"new"'))
    assert facts(store, parent.id) == [("c#1", b'"new"')]


def test_end_that_a_superseded_child_had_left_is_dropped(store):
    """Also one that lies in the inbox already, and one that the journal had."""
    parent = store.begin()
    claimed, left = (store.do(child(store, parent, f"c#{n}", rank=n + 1)).run for n in (1, 2))
    runs = {run.id: run for run in store.claim().runs}
    store.do(finish(runs[claimed], result=b"1"), finish(runs[left], result=b"2"))
    (fact, _) = store.history(parent.id).facts
    store.do(
        outcome(parent, 1, "before", request_number=1), outcome(parent, 2, "c#1", request_number=2, inbox=fact.seq)
    )
    parent = again_from(store, parent, "before")
    assert facts(store, parent.id) == []
    assert store.do(child(store, parent, "c#1", rank=2)).created
    assert facts(store, parent.id) == []


def test_child_that_was_requested_before_is_kept_and_found(store):
    """It continues, is not started twice, and its end answers the request that the new generation makes again."""
    parent = store.begin()
    stored = store.do(child(store, parent, rank=1))
    running = claimed(store, stored.run)
    store.do(outcome(parent, 1, "after", request_number=2))
    parent = again_from(store, parent, "after")
    assert store.history(stored.run).facts == []
    found = store.do(child(store, parent, rank=1))
    assert (found.created, found.run, found.by_key) == (False, stored.run, False)
    store.do(finish(running, result=b"5"))
    assert facts(store, parent.id) == [("c#1", b"5")]


def test_superseded_child_with_a_key_is_found_by_its_key(store):
    """It is not cancelled; the new request watches it as it would a stranger's, and it is closed with its parent."""
    parent, key = store.begin(), RunKey("k", "h")
    old = store.do(child(store, parent, run_key=key))
    running = claimed(store, old.run)
    store.do(outcome(parent, 1, "before", request_number=1))
    parent = again_from(store, parent, "before")
    assert store.history(old.run).facts == []
    found = store.do(child(store, parent, run_key=key))
    assert (found.run, found.created, found.by_key) == (old.run, False, True)
    store.do(OpenWait(parent.id, parent.claim, "c#1", "run", found.run, request_number=2))
    store.do(finish(running, result=b"7"))
    assert facts(store, parent.id) == [("c#1", b"7")]


def test_keyed_child_that_no_one_requests_again_is_closed_with_its_parent(store):
    """It is still one of the runs that its parent started."""
    parent = store.begin()
    old = store.do(child(store, parent, run_key=RunKey("k", "h")))
    store.do(outcome(parent, 1, "before", request_number=1))
    parent = again_from(store, parent, "before")
    store.do(finish(parent))
    assert [fact.kind for fact in store.history(old.run).facts] == [FactKind.CANCEL] or store.state(
        old.run
    ) == RunState.CANCELLED


def successor_of(store, run):
    """End a run so that another continues it; returns that one, claimed."""
    then = store.starting("b", input=b'{"n":2}', run_key=RunKey(run.run_key, "h2", "continue") if run.run_key else None)
    detail = b'{"restarted_as": "%s"}' % then.id.encode()
    store.do(finish(run, detail=detail, then=then))
    return claimed(store, then.id)


def test_request_finds_who_continues_for_its_child(store):
    """A child that restarted has not ended; asked for again, it tells nothing yet, and a abandoning reaches who continues."""
    parent = store.begin()
    first = store.do(child(store, parent))
    successor = successor_of(store, claimed(store, first.run))
    assert store.do(child(store, parent)).run == successor.id
    assert facts(store, parent.id) == []
    assert store.twice(CancelChild(parent.id, parent.claim, "c#1")) == DONE
    assert [fact.kind for fact in store.history(successor.id).facts] == [FactKind.CANCEL]
    assert store.do(CancelChild(parent.id, parent.claim, "none")) == DONE
    assert store.do(CancelChild(parent.id, parent.claim + 1, "c#1")).code == "claim_lost"


def test_successor_of_a_superseded_child_answers_no_one(store):
    """However often it restarts."""
    parent = store.begin()
    old = store.do(child(store, parent, policy="keep"))
    successor = successor_of(store, claimed(store, old.run))
    store.do(outcome(parent, 1, "before", request_number=1))
    parent = again_from(store, parent, "before")
    successor = successor_of(store, successor)
    store.do(finish(successor, result=b"1"))
    assert facts(store, parent.id) == []
    assert store.do(child(store, parent)).created


@pytest.mark.parametrize("when", ["before", "after"])
def test_watcher_waits_for_who_continues(store, when):
    """A run that another found by its key restarted, before or after the wait for it was opened."""
    watcher = store.begin()
    watched = store.start("b", run_key=RunKey("k", "h"))
    run = claimed(store, watched.run)
    wait = OpenWait(watcher.id, watcher.claim, "c#1", "run", watched.run)
    if when == "after":
        store.do(wait)
    successor = successor_of(store, run)
    if when == "before":
        store.do(wait)
    assert facts(store, watcher.id) == []
    store.do(finish(successor, result=b"3"))
    assert facts(store, watcher.id) == [("c#1", b"3")]


def test_waits_from_the_chosen_step_on_are_forgotten(store):
    """An answer that had come for an old question is none to the new one; an event that had come for a wait is there for the next."""
    parent = store.begin()
    question, wait = ask(parent), wait_for(parent)
    requested = [msgspec.structs.replace(opened, request_number=2) for opened in (question, wait)]
    store.do(*requested, event(), DeliverFact(parent.id, FactKind.ANSWER, "ann", "a1", ident="q1", payload=b"true"))
    assert sorted(ident for ident, _ in facts(store, parent.id)) == ["e1", "q1"]
    store.do(outcome(parent, 1, "before", request_number=1), signal(parent.id))
    parent = again_from(store, parent, "before")
    assert facts(store, parent.id) == [(None, b"1")]
    store.do(wait_for(parent))
    assert [ident for ident, _ in facts(store, parent.id)] == [None, "e1"]


def test_history_reports_which_children_have_not_ended(store):
    """By the requests that asked for them; a child that ended is reported by its fact."""
    parent = store.begin()
    first = store.do(child(store, parent))
    store.do(child(store, parent, "c#2", rank=3, input=b'{"n":2}'))
    store.do(finish(claimed(store, first.run)))
    assert store.history(parent.id).children == ["c#2"]


@pytest.mark.parametrize("end", [RunState.SUCCEEDED, RunState.FAILED])
def test_rollback_makes_an_ended_child_ready_for_its_undo(store, end):
    """It waits for its worker with nothing else to do; asked for again, also after its end, it is the same rollback."""
    parent = store.begin()
    kid = store.do(child(store, parent, kind="workflow"))
    run = claimed(store, kid.run)
    store.do(outcome(run, 1, undo="m:f"), finish(run, end))
    undo = UndoChild(parent.id, parent.claim, "c#1", 0)
    assert store.twice(undo).run == kid.run
    (rolling_back,) = store.claim().runs
    assert (rolling_back.id, rolling_back.undoing) == (kid.run, True)
    assert store.do(undo).run == kid.run
    store.do(finish(rolling_back, RunState.CANCELLED))
    assert store.do(undo).run == kid.run
    assert store.state(kid.run) is RunState.CANCELLED
    assert store.do(UndoChild(parent.id, parent.claim + 1, "c#1", 0)).code == "claim_lost"


@pytest.mark.parametrize("options", [{}, {"policy": "keep"}, {"run_key": RunKey("k", "h")}, {"kind": "task"}])
def test_rollback_leaves_children_that_others_may_need_or_that_have_no_undo(store, options):
    """They stay as they ended."""
    parent = store.begin()
    kid = store.do(child(store, parent, **({"kind": "workflow"} | options)))
    run = claimed(store, kid.run)
    store.do(outcome(run, 1, undo="m:f" if options else None), finish(run))
    assert store.do(UndoChild(parent.id, parent.claim, "c#1", 0)) == DONE
    assert store.state(kid.run) is RunState.SUCCEEDED


def test_rollback_cancels_a_child_that_works_with_undo(store):
    """It undoes its steps itself, or only ends if something else undoes what it did."""
    for waits_only in (False, True):
        parent = store.begin()
        kid = store.do(child(store, parent, kind="workflow"))
        run = claimed(store, kid.run)
        undo = UndoChild(parent.id, parent.claim, "c#1", 0, waits_only)
        assert store.twice(undo).run == kid.run
        (fact,) = store.history(kid.run).facts
        assert (fact.kind, fact.payload) == (FactKind.CANCEL, b"false" if waits_only else b"true")
        store.do(outcome(run, 1, undo="m:f"), finish(run))
        assert store.do(undo).run == kid.run
        assert store.state(kid.run) is (RunState.SUCCEEDED if waits_only else RunState.QUEUED)
        store.do(finish(parent))
        for rest in store.claim().runs:
            store.do(finish(rest, RunState.CANCELLED))


def test_children_of_a_failed_run_are_kept_as_long_as_it(store, clock):
    """A cancel with undo can still undo them."""
    parent = store.begin()
    kid = store.do(child(store, parent, kind="workflow"))
    store.do(finish(claimed(store, kid.run)))
    store.do(fail(parent))
    clock.forward(1_000)
    store.do(ApplyRetention(clock.now(), None, None, None, None))
    assert store.state(kid.run) is RunState.SUCCEEDED
