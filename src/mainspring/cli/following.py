"""Following one run to its end: what changed goes to stderr as it happens, the end decides the exit code."""

import time
from typing import TYPE_CHECKING, Any

import msgspec

from mainspring.cli import exits
from mainspring.cli.context import Invocation
from mainspring.domain.states import TERMINAL, RunState

if TYPE_CHECKING:
    from mainspring.store.views import RunStory, RunView

_LOOK_EVERY_S = 0.1
_CODES = {
    RunState.SUCCEEDED: exits.OK,
    RunState.FAILED: exits.RUN_FAILED,
    RunState.CANCELLED: exits.RUN_FAILED,
    RunState.NEEDS_ATTENTION: exits.NEEDS_HUMAN,
}


def follow(invocation: Invocation, run_id: str, *, timeout: float | None = None) -> int:
    """Wait until the run ends or needs a person; return the exit code.

    Raises:
        WaitTimedOutError: `timeout` seconds passed before.
    """
    from mainspring.store.sqlite.reads_runs import story

    until = None if timeout is None else time.monotonic() + timeout
    told: set[str] = set()
    while True:
        found = story(invocation.reader, run_id)
        _tell(invocation, found, told)
        if found.run.state in TERMINAL or found.run.state is RunState.NEEDS_ATTENTION:
            return finish(invocation, found.run)
        if until is not None and time.monotonic() >= until:
            raise exits.WaitTimedOutError(
                f"run {run_id} has not ended in {timeout:g} s; it is {found.run.state}",
                hint=f"It goes on. Look: mainspring runs show {run_id}",
            )
        time.sleep(_LOOK_EVERY_S)


def finish(invocation: Invocation, run: "RunView") -> int:
    """Print how a run ended: its result on stdout, else why on stderr."""
    from mainspring.domain.text import escape

    if run.state is RunState.SUCCEEDED:
        result: Any = msgspec.json.decode(run.result) if run.result is not None else None
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


def _tell(invocation: Invocation, found: "RunStory", told: set[str]) -> None:
    """Say each change once."""
    from mainspring.domain.text import escape

    for attempt in found.attempts:
        if attempt.failure is not None:
            text = f"{attempt.name}: attempt {attempt.attempt} failed: {attempt.failure.message}"
            _once(invocation, told, f"a{attempt.ident}{attempt.attempt}", text)
    for outcome in found.outcomes:
        if outcome.superseded is None:
            took = f" in {outcome.took_us / 1000:.0f} ms" if outcome.took_us else ""
            _once(invocation, told, f"o{outcome.rank}", f"{outcome.name}: {outcome.state}{took}")
    for wait in found.waits:
        if wait.kind == "ask" and not wait.filled and wait.question is not None:
            asked = msgspec.json.decode(wait.question)
            choices = "|".join(str(c) for c in asked.get("choices", ()))
            line = f"asks: {escape(str(asked.get('text', '')), 200)}   answer: mainspring runs answer {found.run.id} {choices}"
            _once(invocation, told, f"w{wait.ident}", line)
    _once(invocation, told, f"s{found.run.state}{found.run.claim}", f"run {found.run.id} is {found.run.state}")


def _once(invocation: Invocation, told: set[str], mark: str, text: str) -> None:
    if mark not in told:
        told.add(mark)
        invocation.output.hint(text)
