"""Cancel, retry, mark done, discard."""

import pytest

from mainspring.domain.errors import ConflictError, NotFoundError
from mainspring.domain.states import FailureReason, RunState
from mainspring.service.runs.run import cancel, discard, mark_done, retry
from tests.contract.store.process import fail, finish, halt
from tests.unit.service.conftest import rows_of


def test_cancel_ends_a_run_that_no_one_runs(store, reads, clock, act, begin):
    """A run that waits for a person is cancelled at once."""
    run = begin()
    store.apply(halt(run))
    cancel(store, run.id, act=act())
    assert reads.run_history(run.id).run.state is RunState.CANCELLED


def test_cancel_reports_a_running_run_once(store, reads, act, begin):
    """A running run gets one fact, with the reason, however often the same command is sent."""
    run = begin()
    for _ in range(2):
        cancel(store, run.id, act=act("stop", reason="wrong day"))
    (fact,) = reads.run_history(run.id).facts
    assert fact.name == "wrong day"
    assert rows_of(reads) == [("cancel", f"run:{run.id}")]


def test_cancel_of_an_ended_run_is_refused(store, act, begin):
    """A run that ended cannot be cancelled; one that does not exist is not found."""
    run = begin()
    store.apply(finish(run))
    with pytest.raises(ConflictError, match="succeeded"):
        cancel(store, run.id, act=act())
    with pytest.raises(NotFoundError, match="r_none"):
        cancel(store, "r_none", act=act())


def test_retry_continues_a_failed_run_once(store, reads, act, begin):
    """A failed run is queued again; the same command after it failed again does nothing, a new one does."""
    run = begin()
    store.apply(fail(run))
    retry(store, run.id, act=act("again"))
    assert reads.run_history(run.id).run.state is RunState.QUEUED
    cancel(store, run.id, act=act())
    retry(store, run.id, act=act("again"))
    with pytest.raises(ConflictError):
        retry(store, run.id, act=act())


def test_refused_operation_is_on_record(store, reads, act, begin):
    """An act that was refused stands in the audit log too, and is refused in the same way again."""
    run = begin()
    for _ in range(2):
        with pytest.raises(ConflictError, match="running"):
            retry(store, run.id, act=act("early"))
    assert rows_of(reads) == [("retry", f"run:{run.id}")]


def test_mark_done_gives_a_result(store, reads, act, begin):
    """A halted run is declared done with a JSON result."""
    run = begin()
    store.apply(halt(run))
    mark_done(store, run.id, act=act(), result={"rows": 3})
    view = reads.run_history(run.id).run
    assert (view.state, view.result) == (RunState.SUCCEEDED, b'{"rows":3}')


def test_discard_fails_a_halted_run(store, reads, act, begin):
    """A run that needs attention is abandoned; a running one is not."""
    run = begin()
    with pytest.raises(ConflictError):
        discard(store, run.id, act=act())
    store.apply(halt(run))
    discard(store, run.id, act=act())
    view = reads.run_history(run.id).run
    assert (view.state, view.reason) == (RunState.FAILED, FailureReason.DISCARDED)


def test_command_id_of_another_operation_is_refused(store, reads, act, begin):
    """A command id that was used for another run is refused: the second act must not be lost in silence."""
    first, second = begin(), begin()
    cancel(store, first.id, act=act("stop"))
    with pytest.raises(ConflictError, match="another operation"):
        cancel(store, second.id, act=act("stop"))
    assert reads.run_history(second.id).facts == []
