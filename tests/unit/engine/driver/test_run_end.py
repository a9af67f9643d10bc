"""How a body's end becomes the run's end, where two ends meet."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from mainspring.domain.failures.classifier import classify
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import OutcomeKind
from mainspring.domain.states import FailureReason, RunState
from mainspring.engine.body.failed_outcomes import FailedOutcomes
from mainspring.engine.body.lost_errors import LostErrors
from mainspring.engine.body.request import Restarted
from mainspring.engine.driver.run_end import build_run_end
from tests.contract.isolated_steps import LyingError


def body_that_restarts(stopping: OutcomeKind | None, error: BaseException | None = None) -> Any:
    """Return a finished body that asked to restart (or raised `error`), with what stopped it meanwhile."""
    loop = asyncio.new_event_loop()
    try:
        ended = loop.create_future()
        ended.set_exception(error or Restarted(b"{}"))
        ended.exception()
    finally:
        loop.close()
    body = SimpleNamespace(done=True, task=ended, unclaimed={}, stop=SimpleNamespace(kind=stopping, cleanup_end=None))
    body.loop = SimpleNamespace(lost_errors=LostErrors())
    return body


@pytest.mark.parametrize(
    ("stopping", "state", "reason"),
    [
        (None, RunState.SUCCEEDED, None),
        (OutcomeKind.CANCEL, RunState.CANCELLED, None),
        (OutcomeKind.DEADLINE, RunState.FAILED, FailureReason.DEADLINE),
    ],
)
def test_stop_during_a_restart_holds(
    stopping: OutcomeKind | None, state: RunState, reason: FailureReason | None
) -> None:
    """A cancel that was accepted while the body asked to restart is not lost: nothing restarts."""
    ending = build_run_end(body_that_restarts(stopping), None, None)  # type: ignore[arg-type]
    assert (ending.state, ending.reason, ending.restart) == (state, reason, None if stopping else b"{}")


def test_error_that_breaks_when_printed_still_ends_the_run() -> None:
    """What stands for it names its class."""
    body = body_that_restarts(None, LyingError())
    body.failures = FailedOutcomes()
    ending = build_run_end(body, None, lambda error: Failure.of(error, classify(error)))  # type: ignore[arg-type]
    assert (ending.state, ending.reason) == (RunState.FAILED, FailureReason.BODY_ERROR)
    assert ending.failure is not None
    assert "raised LyingError, whose class cannot be read" in ending.failure.message
