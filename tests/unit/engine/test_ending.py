"""How a body's end becomes the run's end, where two ends meet."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from mainspring.domain.journal import OutcomeKind
from mainspring.domain.states import FailureReason, RunState
from mainspring.engine.ending import ending_of
from mainspring.engine.requests import Restarted


def body_that_restarts(stopping: OutcomeKind | None) -> Any:
    """Return a finished body that asked to begin anew, with what stopped it meanwhile."""
    loop = asyncio.new_event_loop()
    try:
        ended = loop.create_future()
        ended.set_exception(Restarted(b"{}"))
        ended.exception()
    finally:
        loop.close()
    return SimpleNamespace(done=True, task=ended, unclaimed={}, stopping=stopping)


@pytest.mark.parametrize(
    ("stopping", "state", "reason"),
    [
        (None, RunState.SUCCEEDED, None),
        (OutcomeKind.CANCEL, RunState.CANCELLED, None),
        (OutcomeKind.DEADLINE, RunState.FAILED, FailureReason.DEADLINE),
    ],
)
def test_stop_beside_a_restart_holds(
    stopping: OutcomeKind | None, state: RunState, reason: FailureReason | None
) -> None:
    """A cancel that was taken in while the body asked to begin anew is not lost: nothing begins anew."""
    ending = ending_of(body_that_restarts(stopping), None, None)  # type: ignore[arg-type]
    assert (ending.state, ending.reason, ending.restart) == (state, reason, None if stopping else b"{}")
