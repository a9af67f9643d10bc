"""Drift: the code requests a saved step with another input. The saved input is decoded with the current type before both are compared."""

from dataclasses import dataclass

from mainspring.domain.runs.journal import Outcome
from mainspring.domain.states import OutcomeState
from mainspring.domain.values.saved_call import CallDifference, compare_calls, is_same_call
from mainspring.engine.body.request import ChildCall, ReplyCall, Request, SendCall, StepCall

_WITH_INPUT = (StepCall, ChildCall, ReplyCall, SendCall)


@dataclass(frozen=True, slots=True)
class Drift:
    """A step that drifted, the differences, and its current input.

    `unread` = why the current type cannot read the saved value of a signal, event or answer; then there is no input to accept.
    """

    ident: str
    name: str
    changes: list[CallDifference]
    input: bytes
    unread: str | None = None


def detect_drift(request: Request, saved: Outcome) -> Drift | None:
    """Return how a request differs from the saved outcome of its identity; None if it is the same."""
    call = request.call
    if saved.kind is not request.kind:
        return Drift(request.ident, request.name, [CallDifference("$", str(saved.kind), str(request.kind))], b"")
    if saved.state is not OutcomeState.SUCCEEDED or saved.input is None or not isinstance(call, _WITH_INPUT):
        return None
    if saved.input == call.input:
        return None
    if isinstance(call, StepCall):
        if is_same_call(call.signature, saved.input, call.input):
            return None
        return Drift(request.ident, request.name, compare_calls(call.signature, saved.input, call.input), call.input)
    return Drift(
        request.ident, request.name, [CallDifference("$", saved.input.decode(), call.input.decode())], call.input
    )


def build_unread_drift(saved: Outcome, error: Exception) -> Drift:
    """Return the drift of an accepted signal, event, answer or update that the current code cannot read."""
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    value = (saved.output or b"").decode(errors="replace")
    return Drift(
        saved.ident,
        saved.name,
        [CallDifference("$", value, reason)],
        b"",
        unread=f"the saved {saved.kind} {saved.name!r}: {reason}",
    )
