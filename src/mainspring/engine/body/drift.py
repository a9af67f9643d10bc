"""Drift: the code requests a saved step with another input. The saved input is decoded with the current type before both are compared."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from mainspring.domain.errors import ValueRefusedError
from mainspring.domain.runs.journal import Outcome
from mainspring.domain.states import OutcomeState
from mainspring.domain.values.blob import is_reference_to
from mainspring.domain.values.saved_call import (
    CallDifference,
    compare_calls,
    decode_result,
    encode_result,
    is_same_call,
)
from mainspring.engine.body.request import ChildCall, ReplyCall, Request, SendCall, StartCall, StepCall

_WITH_INPUT = (StepCall, ChildCall, StartCall, SendCall)


@dataclass(frozen=True, slots=True)
class Drift:
    """A step that drifted, the differences, and its current input.

    `is_reply` = it is the reply to an update. `is_newer_version` = the run takes a newer version of a change than
    the code has. `unread` = why the current type cannot read the saved value of a signal, event or answer;
    then there is no input to accept.
    """

    ident: str
    name: str
    changes: list[CallDifference]
    input: bytes
    unread: str | None = None
    is_reply: bool = False
    is_newer_version: bool = False


def detect_drift(request: Request, saved: Outcome, read_input: Callable[[bytes], bytes] | None = None) -> Drift | None:
    """Return how a request differs from the saved outcome of its identity; None if it is the same.

    `read_input` reads a saved input that is still a reference to a blob. It is called only if the digests differ.
    """
    call = request.call
    if saved.kind is not request.kind:
        return Drift(request.ident, request.name, [CallDifference("$", str(saved.kind), str(request.kind))], b"")
    if isinstance(call, ReplyCall):
        return _detect_reply_drift(request, call, saved, read_input)
    if saved.state is not OutcomeState.SUCCEEDED or saved.input is None or not isinstance(call, _WITH_INPUT):
        return None
    if saved.input == call.input or is_reference_to(saved.input, call.input):
        return None
    return _detect_input_drift(request, call, saved.input if read_input is None else read_input(saved.input))


def _detect_input_drift(
    request: Request, call: StepCall | ChildCall | StartCall | SendCall, saved: bytes
) -> Drift | None:
    """Return how the input of a request differs from the saved one, if both are read with the types of now."""
    if isinstance(call, StepCall):
        if is_same_call(call.signature, saved, call.input):
            return None
        return Drift(request.ident, request.name, compare_calls(call.signature, saved, call.input), call.input)
    if isinstance(call, ChildCall) and call.step is not None and _read_step_run(saved) == _read_step_run(call.input):
        return None
    return Drift(request.ident, request.name, [CallDifference("$", saved.decode(), call.input.decode())], call.input)


def _read_step_run(data: bytes) -> Any:
    """Return the input of a step that runs alone without the place of its function: its file may be in the folder of another release."""
    value = msgspec.json.decode(data)
    if isinstance(value, dict) and isinstance(value.get("function"), str):
        value["function"] = value["function"].rpartition(":")[2]
    return value


def _detect_reply_drift(
    request: Request, call: ReplyCall, saved: Outcome, read_input: Callable[[bytes], bytes] | None
) -> Drift | None:
    """Return how a reply differs from the saved one. Of two errors the class is compared: their words may differ."""
    if saved.input is None or saved.input == call.input or is_reference_to(saved.input, call.input):
        return None
    reply = saved.input if read_input is None else read_input(saved.input)
    if saved.state is OutcomeState.SUCCEEDED and call.error is None and _is_same_reply(call, reply):
        return None
    changes = [CallDifference("$", reply.decode(), call.input.decode())]
    return Drift(request.ident, request.name, changes, call.input, is_reply=True)


def _is_same_reply(call: ReplyCall, saved: bytes) -> bool:
    """Return whether the saved reply, read with the type of now, is the reply of now."""
    try:
        value = decode_result(call.signature, saved, "the saved reply")
        return encode_result(call.signature, value, "the saved reply") == call.input
    except ValueRefusedError:
        return False


def build_newer_version_drift(ident: str, change: str, saved: int, newest: int) -> Drift:
    """Return the drift of a run that takes a newer version of a change than the code has."""
    return Drift(ident, change, [CallDifference("version", str(saved), str(newest))], b"", is_newer_version=True)


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
