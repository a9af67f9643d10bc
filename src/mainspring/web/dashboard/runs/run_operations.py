"""The buttons of a run: a form becomes the body of the act of the API, and is told where it cannot."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import ArgumentError, ConflictError, NotFoundError
from mainspring.insight.runs import suggested_commands
from mainspring.insight.text.formatting import format_distance
from mainspring.web.api.bodies import OperationRequest
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints import run_operations
from mainspring.web.api.prior_responses import find_prior_answer
from mainspring.web.dashboard.page_route import Form, PageButton, call_api, read_reason

B = TypeVar("B", bound=msgspec.Struct)


def retry(call: ApiCall[Any, Form]) -> None:
    """Continue it: from where it stopped, from a step, or with what is settled by doing it again."""
    chosen = {way: call.body[way] for way in ("from_step", "again", "accept", "map") if call.body.get(way)}
    discards = call.body.get("discard_rejected") == "yes"
    call_api(
        call, run_operations.retry, _build_body(call, run_operations.RetryRequest, **chosen, discard_rejected=discards)
    )


def cancel(call: ApiCall[Any, Form]) -> None:
    """Ask it to stop; `undo` says whether what it did is taken back."""
    undo = {"yes": True, "no": False}.get(call.body.get("undo", ""))
    call_api(call, run_operations.cancel, _build_body(call, run_operations.CancelRequest, undo=undo))


def discard(call: ApiCall[Any, Form]) -> None:
    """Give it up."""
    call_api(call, run_operations.discard, _build_body(call, OperationRequest))


def answer(call: ApiCall[Any, Form]) -> None:
    """Answer what it asks."""
    choice = call.body.get("choice", "")
    if not choice.strip():
        raise ArgumentError("an answer is missing", hint="Choose one, or write it.")
    given = {"choice": choice, "question": call.body.get("question"), "note": call.body.get("note", "").strip() or None}
    submit_answer(call, _build_body(call, run_operations.AnswerRequest, **given))


def submit_answer(call: ApiCall[Any, Form], body: run_operations.AnswerRequest, **names: str) -> None:
    """Answer; who comes too late is told who was faster. Raises ConflictError."""
    try:
        call_api(call, run_operations.answer, body, **names)
    except NotFoundError:
        run = call.run({**call.names, **names}["run"])
        faster = find_prior_answer(call.site.reader, call.site.opening, run.id, body.question)
        if faster is None:
            raise
        when = format_distance(faster.at, call.site.clock.now())
        raise ConflictError(f"already {faster.done} by {faster.by}, {when}", hint="Nothing was changed.") from None


def give_result(call: ApiCall[Any, Form]) -> None:
    """Give the result of a step by hand."""
    given = {"value": _parse_value(call), "step": call.body.get("step") or None}
    call_api(call, run_operations.give_result, _build_body(call, run_operations.GiveResultRequest, **given))


def signal(call: ApiCall[Any, Form]) -> None:
    """Send it a message."""
    given = {"name": call.body.get("name", ""), "value": _parse_value(call)}
    call_api(call, run_operations.send_signal, _build_body(call, run_operations.SignalRequest, **given))


def _parse_value(call: ApiCall[Any, Form]) -> Any:
    text = call.body.get("value", "").strip()
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ArgumentError(
            f"this is no JSON: {error}", hint='Text stands in quotes: "done"; nothing is null.'
        ) from None


def _build_body(call: ApiCall[Any, Form], kind: type[B], **values: Any) -> B:
    try:
        return msgspec.convert({**values, "reason": read_reason(call)}, kind)
    except msgspec.ValidationError as error:
        raise ArgumentError(str(error)) from None


def _build_button(do: Callable[[ApiCall[Any, Form]], None]) -> PageButton:
    return PageButton(Role.OPERATOR, do)


BUTTONS = {
    suggested_commands.RETRY: _build_button(retry),
    suggested_commands.CANCEL: _build_button(cancel),
    suggested_commands.DISCARD: _build_button(discard),
    suggested_commands.ANSWER: _build_button(answer),
    suggested_commands.GIVE_RESULT: _build_button(give_result),
    suggested_commands.SIGNAL: _build_button(signal),
}
