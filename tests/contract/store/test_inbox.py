"""Facts from outside: nothing is missed between looking and releasing."""

import pytest

from mainspring.domain.runs.journal import FactKind
from mainspring.domain.states import RunState
from mainspring.domain.values.plain_json import format_iso
from mainspring.store.commands.inbox import DeliverFact, ExpireWait
from mainspring.store.commands.results import DONE
from mainspring.store.commands.runs import CancelRun
from tests.contract.store.process import ask, finish, halt, outcome, signal, suspend


def test_fact_before_suspend_wakes_at_once(store):
    """A fact that came while the owner was about to release makes the run ready in the releasing."""
    run = store.begin()
    store.do(signal(run.id))
    store.do(suspend(run, seen=0))
    (woken,) = store.claim().runs
    assert (woken.id, [fact.name for fact in woken.facts]) == (run.id, ["go"])


def test_fact_before_suspend_gives_a_place_of_now(store, clock):
    """A run that a fact woke in the releasing is not put behind all others because it meant to sleep for a month."""
    single, together, later = store.begin(), store.begin(), store.begin()
    store.do(signal(single.id), signal(together.id))
    store.do(suspend(single, due_at=clock.now() + 2_592_000_000))
    store.do(suspend(together, due_at=clock.now() + 2_592_000_000), suspend(later))
    clock.forward(1)
    store.do(signal(later.id))
    assert store.ids() == [single.id, together.id, later.id]


def test_fact_after_suspend_wakes(store):
    """A fact that comes later makes the waiting run ready."""
    run = store.begin()
    store.do(suspend(run))
    assert store.ids() == []
    store.do(signal(run.id))
    assert store.ids() == [run.id]


def test_seen_fact_does_not_wake(store):
    """A fact that the driver has seen, and does not want yet, does not spin the run."""
    run = store.begin()
    store.do(signal(run.id))
    (fact,) = store.history(run.id).facts
    store.do(suspend(run, seen=fact.seq))
    assert store.ids() == []
    store.do(signal(run.id, "two"))
    assert store.ids() == [run.id]


def test_past_due_suspend_is_ready_at_once(store, clock):
    """A timer that ran out while the run was being release is not lost."""
    run = store.begin()
    store.do(suspend(run, due_at=clock.now()))
    assert store.ids() == [run.id]


def test_timer_wakes(store, clock):
    """A suspended run becomes ready at its due time, and the claim before tells it."""
    run = store.begin()
    store.do(suspend(run, due_at=clock.now() + 10, state=RunState.RETRYING))
    assert store.state(run.id) == RunState.RETRYING
    assert store.claim().next_due_at == clock.now() + 10
    clock.forward(10)
    assert store.ids() == [run.id]


def test_one_source_counts_once(store):
    """The same message twice is one fact, even after the first was accepted."""
    run = store.begin()
    assert store.do(signal(run.id, "m1")) == store.do(signal(run.id, "m1")) == DONE
    (fact,) = store.history(run.id).facts
    store.do(outcome(run, 1, inbox=fact.seq))
    store.do(signal(run.id, "m1"))
    assert store.history(run.id).facts == []


def test_delivery_is_refused_with_a_reason(store):
    """Unknown and finished runs take nothing."""
    assert store.do(signal("r_none")).code == "not_found"
    run = store.begin()
    store.do(finish(run))
    assert store.do(signal(run.id)).code == "finished"


def answer(run, ident=None, source="a1"):
    return DeliverFact(run.id, FactKind.ANSWER, "Go?", source, ident=ident, payload=b'"yes"')


def test_answer_goes_to_the_open_question(store):
    """The only open question is meant when none is named; it is answered once."""
    run = store.begin()
    assert store.do(answer(run)).code == "no_such_question"
    store.do(ask(run))
    assert store.twice(answer(run)) == DONE
    assert store.do(answer(run, source="a2")).code == "no_such_question"
    assert [(fact.kind, fact.ident) for fact in store.history(run.id).facts] == [(FactKind.ANSWER, "q1")]


def test_answer_must_name_one_of_many(store):
    """With two questions open the answer must say which."""
    run = store.begin()
    store.do(ask(run, "q1"), ask(run, "q2"))
    assert store.do(answer(run)).code == "no_such_question"
    assert store.do(answer(run, "q2")) == DONE
    assert [wait.ident for wait in store.read("questions")] == ["q1"]
    assert [wait.ident for wait in store.read("questions", 9, ["x", "a"])] == ["q1"]
    assert store.read("questions", 9, ["x"]) == store.read("questions", 9, []) == []


@pytest.mark.parametrize("ident", [None, "q1"])
def test_answer_at_the_end_of_the_time_is_refused(store, clock, ident):
    """The store decides by its clock, whether a worker runs or not."""
    run = store.begin()
    until_at = clock.now() + 40_000
    store.do(ask(run, until_at=until_at), suspend(run, due_at=until_at))
    clock.forward(40_000)
    refused = store.do(answer(run, ident))
    assert (refused.code, f"question q1 ended at {format_iso(until_at)}" in refused.text) == ("question_over", True)
    assert store.history(run.id).facts == []


def test_answer_names_the_only_question_whose_time_continues(store, clock):
    """Another one, whose time ended, does not have to be distinguished from it."""
    run = store.begin()
    store.do(ask(run, "q1", until_at=clock.now() + 5), ask(run, "q2", until_at=clock.now() + 50))
    clock.forward(5)
    assert store.do(answer(run)) == DONE
    assert [fact.ident for fact in store.history(run.id).facts] == ["q2"]


def test_answer_in_time_is_found_when_the_time_ends(store, clock):
    """However late the worker asks."""
    run = store.begin()
    until_at = clock.now() + 5
    store.do(ask(run, until_at=until_at), ask(run, "q2", until_at=until_at))
    clock.forward(4)
    store.do(answer(run, "q1"))
    clock.forward(100)
    assert [fact.ident for fact in store.twice(ExpireWait(run.id, run.claim, "q1")).facts] == ["q1"]
    assert [fact.ident for fact in store.twice(ExpireWait(run.id, run.claim, "q2")).facts] == ["q1"]
    assert store.do(answer(run, "q2", source="a2")).code == "no_such_question"


def test_owner_hears_of_facts(store, second):
    """A worker finds what came for the runs it owns, and nothing else."""
    own = store.begin()
    second.start()
    other_end = second.claim_one()
    store.do(signal(own.id), signal(other_end.id))
    (fact,) = store.read("facts_after", store.session, 0)
    assert fact.run == own.id
    assert store.read("facts_after", store.session, fact.seq) == []


@pytest.mark.parametrize("where", ["fresh", "running", "waiting", "halted"])
def test_cancel_reaches_a_run_in_any_state(store, where):
    """A run that never began, or waits for a person, is cancelled at once; another is reported, so that it can clean up."""
    if where == "fresh":
        run = store.start().run
    else:
        claimed = store.begin()
        run = claimed.id
        if where != "running":
            store.do(suspend(claimed) if where == "waiting" else halt(claimed))
    assert store.do(CancelRun(run, "c1", "enough")) == DONE
    if where in {"fresh", "halted"}:
        assert store.state(run) == RunState.CANCELLED
        assert store.do(CancelRun(run, "c2")).code == "finished"
    else:
        assert [fact.kind for fact in store.history(run).facts] == [FactKind.CANCEL]
        assert store.ids() == ([run] if where == "waiting" else [])
    assert store.again(CancelRun(run, "c1", "enough")) == DONE
