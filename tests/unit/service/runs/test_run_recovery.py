"""Acts on a run that stopped and whose history is looked at first."""

import base64

import msgspec
import pytest

from mainspring.domain.errors import ConflictError, NotFoundError, UnknownNameError, ValueRefusedError
from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.domain.values.function_signature import read_signature
from mainspring.service.runs import run_recovery
from tests.contract.store.process import fail, halt, outcome
from tests.unit.service.conftest import rows_of


@pytest.fixture
def failed(store, begin):
    """A run that saved a, b (twice, as b and b#2) and failed at c."""
    run = begin()
    for rank, (ident, name) in enumerate([("a", "a"), ("b", "load"), ("b#2", "load")], 1):
        store.apply(msgspec.structs.replace(outcome(run, rank, ident), name=name))
    store.apply(outcome(run, 4, "c", state=OutcomeState.FAILED, output=None))
    store.apply(fail(run, "c"))
    return run.id


@pytest.fixture
def doubtful(store, begin):
    """A run that halted because no one knows what its step pay did."""
    run = begin()
    store.apply(outcome(run, 1, "a"))
    store.apply(outcome(run, 2, "pay", state=OutcomeState.IN_DOUBT, output=None))
    store.apply(halt(run, "pay", FailureReason.IN_DOUBT))
    return run.id


def counted(reads, run):
    return [each.ident for each in reads.run_history(run).outcomes if each.superseded is None]


def test_retry_from_opens_a_generation(store, reads, act, failed):
    """What was asked for from the chosen step on is superseded and kept; the step may be named by its name."""
    run_recovery.retry_from(store, reads, failed, "a", act=act("from-a"))
    history = reads.run_history(failed)
    assert (history.run.state, history.run.generation, len(history.outcomes)) == (RunState.QUEUED, 1, 4)
    assert counted(reads, failed) == []


def test_retry_from_twice_under_one_command_id_works_once(store, reads, act, failed):
    """A repeat finds no such step any more, and still answers as before."""
    for _ in range(2):
        run_recovery.retry_from(store, reads, failed, "a", act=act("from-a"))
    assert reads.run_history(failed).run.generation == 1
    assert rows_of(reads) == [("retry", f"run:{failed}")]


def test_step_that_is_meant_must_be_clear(store, reads, act, failed):
    """A name that several steps have is refused with their identities, a wrong one with the nearest."""
    with pytest.raises(ConflictError, match=r"b, b#2"):
        run_recovery.retry_from(store, reads, failed, "load", act=act())
    with pytest.raises(UnknownNameError, match="Did you mean 'load'"):
        run_recovery.retry_from(store, reads, failed, "laod", act=act())
    run_recovery.retry_from(store, reads, failed, "b#2", act=act())
    assert counted(reads, failed) == ["a", "b"]


def test_run_again_of_a_step_in_doubt_keeps_its_generation(store, reads, act, doubtful):
    """A step in doubt runs again under its own key, and what was saved before it stays."""
    run_recovery.run_again(store, reads, doubtful, act=act())
    history = reads.run_history(doubtful)
    assert (history.run.state, history.run.generation, counted(reads, doubtful)) == (RunState.QUEUED, 0, ["a"])
    assert history.facts == []


def test_run_again_of_a_saved_step_opens_a_generation(store, reads, act, failed):
    """A step that has a saved outcome runs again as a new generation."""
    run_recovery.run_again(store, reads, failed, act=act(), step="b#2")
    assert (reads.run_history(failed).run.generation, counted(reads, failed)) == (1, ["a", "b"])


def test_accept_drift_replaces_the_saved_input(store, reads, act, begin):
    """The step at which the run halted keeps its result and takes today's input."""
    run = begin()
    store.apply(outcome(run, 1, "a", input=b'{"n":1}'))
    detail = msgspec.json.encode({"drift": {"a": base64.b64encode(b'{"n":2}').decode()}})
    store.apply(halt(run, "a", FailureReason.DRIFT, detail=detail))
    run_recovery.accept_drift(store, reads, run.id, act=act())
    (saved,) = reads.run_history(run.id).outcomes
    assert (saved.input, saved.superseded, reads.run_history(run.id).run.state) == (b'{"n":2}', None, RunState.QUEUED)


def test_accept_drift_of_a_step_without_drift_is_refused(store, reads, act, doubtful):
    """Only what has drifted can be accepted."""
    with pytest.raises(NotFoundError, match="drift"):
        run_recovery.accept_drift(store, reads, doubtful, act=act())


def test_give_result_puts_a_value_in_the_steps_place(store, reads, act, doubtful):
    """A result by hand is one fact for the step at which the run stopped, once however often it is sent."""
    for _ in range(2):
        run_recovery.give_result(store, reads, doubtful, b'{ "id" : 7 }', act=act("given"))
    (fact,) = reads.run_history(doubtful).facts
    assert (fact.ident, fact.payload) == ("pay", b'{"id":7}')
    assert reads.run_history(doubtful).run.state is RunState.QUEUED


def test_given_result_is_typed_by_the_live_function(store, reads, act, doubtful):
    """With the live function known, what does not fit its annotation is refused and nothing is changed."""

    def pay() -> int:
        return 7

    with pytest.raises(ValueRefusedError, match="int"):
        run_recovery.give_result(store, reads, doubtful, b'"seven"', act=act(), signature=read_signature(pay))
    assert reads.run_history(doubtful).run.state is RunState.NEEDS_ATTENTION
    run_recovery.give_result(store, reads, doubtful, b"7", act=act(), signature=read_signature(pay))
    assert reads.run_history(doubtful).facts[0].payload == b"7"


def test_given_result_must_be_json(store, reads, act, doubtful):
    """What is no JSON is refused by name of the step."""
    with pytest.raises(ValueRefusedError, match="result of pay"):
        run_recovery.give_result(store, reads, doubtful, b"{", act=act())


def test_run_that_stopped_at_no_step_needs_one_named(store, reads, act, begin):
    """A run that is not stopped at a step cannot guess which one is meant."""
    run = begin()
    with pytest.raises(ConflictError, match="did not stop at a step"):
        run_recovery.run_again(store, reads, run.id, act=act())
