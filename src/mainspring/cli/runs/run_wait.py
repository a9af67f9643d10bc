"""Wait for the end of a run; its state decides the exit code."""

import time
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.cli import exits
from mainspring.cli.context import Invocation
from mainspring.cli.runs.halt_notice import HaltNotice
from mainspring.domain.states import TERMINAL_STATES, RunState

if TYPE_CHECKING:
    from mainspring.store.views import RunView

_POLL_INTERVAL_S = 0.1
_CODE_BY_STATE = {
    RunState.SUCCEEDED: exits.OK,
    RunState.FAILED: exits.RUN_FAILED,
    RunState.CANCELLED: exits.RUN_FAILED,
    RunState.NEEDS_ATTENTION: exits.NEEDS_HUMAN,
}


def wait_for_end(invocation: Invocation, run_id: str, *, timeout: float | None = None, stays: bool = True) -> int:
    """Wait until the run ends or needs a person, print its end, return the exit code.

    A restarted run is followed. Its questions are printed; without a person at a terminal, an open question without a default answer
    ends the wait. A halt that needs a person is printed once.
    `stays` = the worker of the run continues after this wait.

    Raises:
        WaitTimedOutError: `timeout` seconds passed first.
    """
    from mainspring.store.read.runs.run_views import run_view
    from mainspring.store.views import find_continuation

    until = None if timeout is None else time.monotonic() + timeout
    printed: set[str] = set()
    notice = HaltNotice(invocation, is_worked_here=not stays)
    while True:
        view = run_view(invocation.reader, run_id)
        if view.state in TERMINAL_STATES or view.state is RunState.NEEDS_ATTENTION:
            successor_id = find_continuation(view)
            if successor_id is None:
                return print_end(invocation, view)
            run_id = successor_id
            continue
        if (
            view.state is RunState.WAITING
            and _print_questions(invocation, run_id, printed)
            and not _may_be_answered(invocation)
        ):
            return exits.NEEDS_HUMAN
        notice.check(run_id)
        if until is not None and time.monotonic() >= until:
            outlook = "It continues. " if stays else "It continues when a worker runs: mainspring up. "
            raise exits.WaitTimedOutError(
                f"run {run_id} has not ended after {timeout:g} s; it is {view.state}",
                hint=f"{'' if notice.has_printed else outlook}See: mainspring runs show {run_id}",
            )
        time.sleep(_POLL_INTERVAL_S)


def _print_questions(invocation: Invocation, run_id: str, printed: set[str]) -> bool:
    """Print each question of the run once. Return whether an open one needs a person."""
    from mainspring.insight.runs.waits import ask_text, default_choice, list_open_questions, name_if_many
    from mainspring.store.read.runs.run_views import waits_of

    unanswered = waits_of(invocation.reader, run_id)
    waits = list_open_questions(unanswered, invocation.clock.now())
    if not waits:
        return False
    unsealed_waits = invocation.unseal(lambda unsealer: [unsealer.wait(wait) for wait in waits])
    for wait in unsealed_waits:
        if wait.ident in printed:
            continue
        printed.add(wait.ident)
        sentence, answers = ask_text(wait, name_if_many(wait, unanswered))
        default, lines = default_choice(wait), "\n".join(answers)
        default_text = "" if default is None else f" Without an answer until then, the answer is: {default}."
        invocation.output.warn(f"run {run_id} waits for a person. {sentence}{default_text}\n{lines}")
    return any(default_choice(wait) is None for wait in unsealed_waits)


def _may_be_answered(invocation: Invocation) -> bool:
    """Return whether a person may answer during the wait."""
    return invocation.output.is_terminal and not invocation.flags.no_input


def print_end(invocation: Invocation, view: "RunView") -> int:
    """Print the end of a run: its result on stdout, or its failure on stderr."""
    from mainspring.domain.text.escaping import escape
    from mainspring.domain.values.plain_json import decode_value

    run = invocation.unseal(lambda unsealer: unsealer.run(view))
    if run.state is RunState.SUCCEEDED:
        result: Any = decode_value(run.result)
        result_text = escape(msgspec.json.encode(result).decode()) if result is not None else ""
        invocation.output.document({"run": run.id, "state": run.state, "result": result}, result_text)
        return exits.OK
    failure = run.failure
    reason = f": {failure.headline}" if failure is not None else ""
    document = {"run": run.id, "state": run.state, "reason": run.reason, "failure": failure}
    if invocation.output.is_json:
        invocation.output.json(document)
    invocation.output.warn(f"run {run.id} is {run.state}{reason}")
    if failure is not None and failure.hint:
        invocation.output.warn(failure.hint)
    invocation.output.hint(f"see: mainspring runs show {run.id}")
    return _CODE_BY_STATE[run.state]
