"""Stages of a run: what was asked for side by side stands side by side, and behind what it stood on."""

from mainspring.domain.runs.journal import Outcome, OutcomeKind
from mainspring.domain.states import OutcomeState
from mainspring.insight.runs.steps import StepLine, list_stages

_ENDED = ("charge", "mail", "crm", "close")


def outcome(rank, ident, *, kind=OutcomeKind.STEP, superseded=None):
    return Outcome(rank, ident, ident, kind, OutcomeState.SUCCEEDED, rank, 1, 0, 1, 2, 3, superseded=superseded)


def line(ident, *, state="succeeded", superseded=None):
    return StepLine(
        ident=ident,
        name=ident,
        kind="step",
        state=state,
        request_number=1,
        generation=0,
        superseded=superseded,
        tries=[],
    )


def names(found):
    return [[step.ident for step in stage.steps] for stage in found]


def test_parallel_steps_are_side_by_side():
    """In whatever order it ended; what came after both stands behind both."""
    outcomes = [outcome(rank, ident) for rank, ident in enumerate(_ENDED, 1)]
    lines = [line(ident) for ident in _ENDED]
    assert names(list_stages(outcomes, lines, {1: 0, 2: 1, 3: 1, 4: 3})) == [["charge"], ["mail", "crm"], ["close"]]
    assert names(list_stages(outcomes, lines, {1: 0, 2: 1, 3: 2, 4: 3})) == [["charge"], ["mail"], ["crm"], ["close"]]


def test_running_step_is_last_and_superseded_steps_are_hidden():
    """A cancel is no step, and a superseded one is not part of the picture."""
    outcomes = [outcome(1, "charge"), outcome(2, "cancel", kind=OutcomeKind.CANCEL), outcome(3, "old", superseded=1)]
    lines = [line("charge"), line("old", superseded=1), line("mail", state="running")]
    found = list_stages(outcomes, lines, {1: 0, 2: 0, 3: 1})
    assert names(found) == [["charge"], ["mail"]]
    assert found[1].steps[0].state == "running"
    assert list_stages([], [], {}) == []
