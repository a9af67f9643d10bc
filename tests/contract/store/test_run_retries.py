"""Retries of runs: a failed run with a policy has not ended."""

import msgspec
import pytest

from mainspring.domain.states import FailureReason, RunState
from mainspring.store.commands.automations import ApplyRetention
from mainspring.store.commands.runs import CancelRun, ReopenRun
from tests.contract.store.process import BOOM, fail, finish, outcome

POLICY = '{"attempts":2,"initial":"1s","max":"1s","jitter":false}'


def read_retries(store):
    return store.reader.read_text("select run, retries from run_retries", ())


@pytest.mark.parametrize("together", [False, True])
def test_failed_run_is_retrying_until_its_policy_is_used_up(store, clock, together):
    """One commit continues it; sent again it changes nothing; the last failure ends it."""
    run = store.begin(retry=POLICY)
    other = store.begin()
    store.do(outcome(run, 1, failure=BOOM, state="failed", ident="s#1"))
    end = fail(run, "s#1", rank=1, reason=FailureReason.RETRIES_EXHAUSTED)
    store.twice(*([end, fail(other)] if together else [end]))
    view = store.run(run.id)
    assert (view.state, view.due_at, view.finished_at) == (RunState.RETRYING, clock.now() + 1_000, None)
    assert read_retries(store) == [(run.id, 1)]
    assert [row[0] for row in store.reader.read_text("select run from failures", ())] == (
        [other.id] if together else []
    )
    assert store.ids() == []
    clock.forward(1_000)
    again = store.claim_one()
    assert again.id == run.id
    assert store.reader.read_text("select ident, superseded from journal", ()) == [("s#1", 0)]
    store.do(fail(again))
    assert store.state(run.id) is RunState.FAILED


@pytest.mark.parametrize("reason", [FailureReason.ROLLED_BACK, FailureReason.DEADLINE])
def test_decision_of_the_code_or_the_deadline_ends_the_run(store, reason):
    """So does a failure that its author calls permanent."""
    first, second = store.begin(retry=POLICY), store.begin(retry=POLICY)
    store.do(fail(first, reason=reason))
    store.do(msgspec.structs.replace(fail(second), is_final=True))
    assert [store.state(run.id) for run in (first, second)] == [RunState.FAILED] * 2


def test_deadline_comes_before_the_next_try(store, clock):
    """The run is ready at its deadline, which ends it."""
    run = store.begin(retry=POLICY, deadline_at=clock.now() + 300)
    store.do(fail(run))
    assert store.run(run.id).due_at == run.deadline_at


def test_retry_of_a_person_renews_the_policy_and_a_cancel_ends_the_wait(store, clock):
    """The count begins again."""
    run = store.begin(retry='{"attempts":1}')
    store.do(fail(run))
    assert store.state(run.id) is RunState.FAILED
    store.do(ReopenRun(run.id))
    assert read_retries(store) == [(run.id, 0)]
    waiting = store.begin(retry=POLICY) if store.ids() else None
    assert waiting is not None
    store.do(fail(waiting))
    store.do(CancelRun(waiting.id, "c1"))
    assert store.ids() == [waiting.id]


def test_run_that_continues_another_has_its_policy_and_retention_deletes_it(store, clock):
    """An endless run keeps its policy over its restarts."""
    run = store.begin(retry=POLICY)
    successor = store.starting()
    store.do(finish(run, then=successor))
    assert read_retries(store) == [(run.id, 0), (successor.id, 0)]
    store.do(finish(store.claim_one()))
    clock.forward(1_000)
    store.do(ApplyRetention(clock.now(), None, None, None, None))
    assert read_retries(store) == []
