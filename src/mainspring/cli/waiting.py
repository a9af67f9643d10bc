"""Waiting for the end of one run; how it ended decides the exit code."""

import time
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.cli import exits
from mainspring.cli.context import Invocation
from mainspring.domain.states import TERMINAL, RunState

if TYPE_CHECKING:
    from mainspring.store.views import RunView

_LOOK_EVERY_S = 0.1
_CODES = {
    RunState.SUCCEEDED: exits.OK,
    RunState.FAILED: exits.RUN_FAILED,
    RunState.CANCELLED: exits.RUN_FAILED,
    RunState.NEEDS_ATTENTION: exits.NEEDS_HUMAN,
}


def wait_for_end(invocation: Invocation, run_id: str, *, timeout: float | None = None) -> int:
    """Wait until the run ends or needs a person, print how it ended, return the exit code.

    Raises:
        WaitTimedOutError: `timeout` seconds passed before.
    """
    from mainspring.store.reads.runs import run_view

    until = None if timeout is None else time.monotonic() + timeout
    while True:
        view = run_view(invocation.reader, run_id)
        if view.state in TERMINAL or view.state is RunState.NEEDS_ATTENTION:
            return finish(invocation, view)
        if until is not None and time.monotonic() >= until:
            raise exits.WaitTimedOutError(
                f"run {run_id} has not ended in {timeout:g} s; it is {view.state}",
                hint=f"It goes on. Look: mainspring runs show {run_id}",
            )
        time.sleep(_LOOK_EVERY_S)


def finish(invocation: Invocation, view: "RunView") -> int:
    """Print how a run ended: its result on stdout, else why on stderr."""
    from mainspring.cli.plain import decoded
    from mainspring.domain.text import escape

    run = invocation.opened(lambda opening: opening.run(view))
    if run.state is RunState.SUCCEEDED:
        result: Any = decoded(run.result)
        shown = escape(msgspec.json.encode(result).decode()) if result is not None else ""
        invocation.output.document({"run": run.id, "state": run.state, "result": result}, shown)
        return exits.OK
    failure = run.failure
    why = f": {failure.message}" if failure is not None else ""
    document = {"run": run.id, "state": run.state, "reason": run.reason, "failure": failure}
    if invocation.output.is_json:
        invocation.output.json(document)
    invocation.output.warn(f"run {run.id} is {run.state}{why}")
    if failure is not None and failure.hint:
        invocation.output.warn(failure.hint)
    invocation.output.hint(f"look: mainspring runs show {run.id}")
    return _CODES[run.state]
