"""Refusals as errors."""

import pytest

from mainspring.domain.errors import AlreadyExistsError, BusyError, ConflictError, KeyConflictError, NotFoundError
from mainspring.service.refusal import error_for_refusal
from mainspring.store.commands.results import Refused


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("busy", BusyError),
        ("key_conflict", KeyConflictError),
        ("taken", AlreadyExistsError),
        ("not_found", NotFoundError),
        ("no_such_step", NotFoundError),
        ("no_such_question", NotFoundError),
        ("finished", ConflictError),
        ("retired", ConflictError),
        ("held", ConflictError),
        ("something_new", ConflictError),
    ],
)
def test_refusal_is_an_error_with_its_fix(code, kind):
    """Each code has its kind of error, says what is wrong, and has a hint."""
    error = error_for_refusal(Refused(code), "retry run:r_1")
    assert type(error) is kind
    assert error.message.startswith("retry run:r_1")
    assert error.hint


def test_busy_states_when_to_return():
    """The store's advice reaches the error in whole milliseconds."""
    assert error_for_refusal(Refused("busy", "full", 2_500), "start").retry_after.total_seconds() == 2.5


def test_rollout_in_another_state_names_a_command_on_rollouts():
    """Not one on runs."""
    error = error_for_refusal(Refused("rollout_state", "the rollout of 'pay' to version 2 is aborted"), "rollout pause")
    assert error.hint == "`mainspring rollout status NAME` shows its state now."
