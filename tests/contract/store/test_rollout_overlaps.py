"""A start and a move of a rollout at once, in two processes: the outcome is one that could come of one after the other."""

import pytest

from mainspring.domain.rollouts.rollout import InFlightPolicy
from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.store.commands.bulk_operations import BeginBulkOperation
from mainspring.store.read import rollouts
from mainspring.store.read.bulk_operations import read_bulk_operation
from tests.contract.store.test_overlaps import meet
from tests.contract.store.test_rollouts import ALL, announce, in_force, move, rollout

pytestmark = pytest.mark.parametrize("reverse", [False, True], ids=["start_first", "move_first"])


@pytest.fixture
def both(store, second):
    """Two processes with the same two versions."""
    announce(store, 1, 2)
    announce(second, 1, 2)
    return store, second


def test_abort_cancels_also_the_run_that_starts_at_once(both, reverse):
    """The run has the old version, or the operation that cancels the runs of the new one has it."""
    store, second = both
    store.do(rollout(steps=(ALL,), in_flight=InFlightPolicy.STOP))
    stop = BeginBulkOperation(
        id="stop", verb=BulkVerb.CANCEL, selection=b"{}", automations=("a",), parts=(), actor="guard:rollouts", reason=None,
        rate=None, piece=10, every_ms=0,
    )  # fmt: skip
    answer, moved = meet((store, store.starting()), (second, move("abort", stop=stop)), reverse=reverse)
    is_new = store.run(answer.run).version == 2
    assert is_new is not reverse
    assert moved.bulk == ("stop" if is_new else None)
    operation = read_bulk_operation(store.reader, "stop")
    assert (0 if operation is None else operation.total) == is_new


def test_start_at_once_with_the_next_step_belongs_to_one_of_both_steps(both, reverse):
    """Its row has the step whose share decided."""
    store, second = both
    store.do(rollout(steps=(1, ALL)))
    answer, _ = meet((store, store.starting()), (second, move("advance")), reverse=reverse)
    (row,) = rollouts.count_rollout_runs(store.reader, 1)
    assert (row.step, row.version) == ((1, 2) if reverse else (0, 1))
    assert store.run(answer.run).version == row.version


def test_start_at_once_with_a_finish_has_one_of_both_versions(both, reverse):
    """The commit that finishes waits for the starts that read the old version in force."""
    store, second = both
    store.do(rollout(steps=(1, ALL)))
    answer, _ = meet((store, store.starting()), (second, move("finish")), reverse=reverse)
    assert store.run(answer.run).version == (2 if reverse else 1)
    assert in_force(store)[0] == 2


def test_two_rollouts_that_start_at_once_are_one(both, reverse):
    """The second one is refused, whichever that is."""
    store, second = both
    announce(store, 1, 2, 3, fingerprint="code-3")
    answers = meet((store, rollout(2)), (second, rollout(3)), reverse=reverse)
    refused, started = sorted(answers, key=lambda answer: hasattr(answer, "rollout"))
    assert refused.code == "rollout_active"
    assert [row.id for row in rollouts.list_rollouts(store.reader)] == [started.rollout]
