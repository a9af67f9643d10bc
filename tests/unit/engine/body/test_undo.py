"""What may have happened, and so has to be undone."""

from typing import Any

import pytest

from mainspring.domain.errors import Permanent
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.runs.journal import Outcome, OutcomeKind
from mainspring.domain.states import OutcomeState
from mainspring.engine.body.request import Request
from mainspring.engine.body.undo import accepts_result, fail_not_callable, may_have_happened

CALL: Any = None


def request(outcome: Outcome | None = None, *, offered: bool = True) -> Request:
    made = Request(OutcomeKind.STEP, "pay#1", "pay", CALL, None, lambda value, failure: None)
    made.offered = offered
    made.outcome = outcome
    return made


def ended(state: OutcomeState, failure: Failure | None = None) -> Outcome:
    return Outcome(1, "pay#1", "pay", OutcomeKind.STEP, state, 1, 1, 0, 5, 5, 0, failure=failure)


def failure(kind: FailureKind, *, not_sent: bool = False) -> Failure:
    return Failure(type="E", code="e", message="e", kind=kind, not_sent=not_sent)


@pytest.mark.parametrize(
    ("outcome", "happened"),
    [
        (ended(OutcomeState.SUCCEEDED), True),
        (ended(OutcomeState.CANCELLED), True),
        (ended(OutcomeState.IN_DOUBT), True),
        (ended(OutcomeState.REFUSED), True),
        (ended(OutcomeState.FAILED, failure(FailureKind.PERMANENT)), False),
        (ended(OutcomeState.FAILED, failure(FailureKind.TRANSIENT)), True),
        (ended(OutcomeState.FAILED, failure(FailureKind.UNKNOWN)), True),
        (ended(OutcomeState.FAILED, failure(FailureKind.TRANSIENT, not_sent=True)), False),
    ],
)
def test_outcome_reports_whether_the_effect_may_be_in_the_world(outcome, happened):
    """Only a refusal for good, or the proof that nothing was sent, leaves nothing behind."""
    assert may_have_happened(request(outcome)) is happened


@pytest.mark.parametrize("offered", [True, False])
def test_open_step_may_have_happened_once_the_body_came_to_rest(offered):
    """Before that no one was asked to do it."""
    assert may_have_happened(request(offered=offered)) is offered


@pytest.mark.parametrize(
    ("undo", "parameters"),
    [
        (lambda order: None, False),
        (lambda order, result: None, True),
        (lambda order, *, result=None: None, True),
        (lambda order, **rest: None, True),
    ],
)
def test_undo_gets_the_result_if_it_has_a_place_for_it(undo, parameters):
    """By name, never by position."""
    assert accepts_result(undo) is parameters


def test_undo_that_cannot_be_called_any_more_states_what_to_do():
    """It stands for the effect of an earlier generation that today's code does not know."""
    with pytest.raises(Permanent, match=r"pay.*shop:refund.*gone") as refused:
        fail_not_callable("pay", "shop:refund", "gone")
    assert "give-result" in refused.value.hint
