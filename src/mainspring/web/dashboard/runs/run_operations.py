"""Operations of the buttons of a run: a form becomes the body of an API operation; an error is shown on the page."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import ArgumentError, ConflictError, NotFoundError
from mainspring.insight.runs import suggested_commands
from mainspring.insight.text.formatting import format_distance
from mainspring.web.api.bodies import OperationRequest
from mainspring.web.api.call import ApiCall
from mainspring.web.api.endpoints.runs import run_operations, updates
from mainspring.web.api.prior_responses import PriorResponse, find_prior_answer
from mainspring.web.dashboard.page_route import Form, PageButton, call_api, read_reason

B = TypeVar("B", bound=msgspec.Struct)


def retry(call: ApiCall[Any, Form]) -> None:
    """Continue it: from where it stopped, from a step, or with a decision about a step."""
    chosen = {
        parameter: call.body[parameter]
        for parameter in ("from_step", "again", "accept", "map")
        if call.body.get(parameter)
    }
    discards = call.body.get("discard_rejected") == "yes"
    call_api(
        call, run_operations.retry, _build_body(call, run_operations.RetryRequest, **chosen, discard_rejected=discards)
    )


def cancel(call: ApiCall[Any, Form]) -> None:
    """Cancel it; `undo` = whether its steps are undone."""
    undo = {"yes": True, "no": False}.get(call.body.get("undo", ""))
    call_api(call, run_operations.cancel, _build_body(call, run_operations.CancelRequest, undo=undo))


def pause(call: ApiCall[Any, Form]) -> None:
    """Pause it."""
    call_api(call, run_operations.pause, _build_body(call, OperationRequest))


def resume(call: ApiCall[Any, Form]) -> None:
    """Resume it."""
    call_api(call, run_operations.resume, _build_body(call, OperationRequest))


def fork(call: ApiCall[Any, Form]) -> str:
    """Fork it from a step, and lead to the new run."""
    body = _build_body(call, run_operations.ForkRequest, from_step=call.body.get("from_step", ""))
    return f"/r/{call_api(call, run_operations.fork, body).run}"


def discard(call: ApiCall[Any, Form]) -> None:
    """Discard it."""
    call_api(call, run_operations.discard, _build_body(call, OperationRequest))


def answer(call: ApiCall[Any, Form]) -> None:
    """Answer its question."""
    choice = call.body.get("choice", "")
    if not choice.strip():
        raise ArgumentError("the answer is missing", hint="Choose one, or write it.")
    values = {
        "choice": choice,
        "question": call.body.get("question"),
        "note": call.body.get("note", "").strip() or None,
    }
    submit_answer(call, _build_body(call, run_operations.AnswerRequest, **values))


def submit_answer(call: ApiCall[Any, Form], body: run_operations.AnswerRequest, **names: str) -> None:
    """Answer. If the question has an answer already, say who gave it. Raises ConflictError."""
    try:
        call_api(call, run_operations.answer, body, **names)
    except NotFoundError:
        run = call.run({**call.names, **names}["run"])
        prior = find_prior_answer(call.site.reader, call.site.opening, run.id, body.question)
        if prior is None:
            raise
        raise ConflictError(describe_prior(call, prior), hint="Nothing was changed.") from None


def describe_prior(call: ApiCall[Any, Any], prior: PriorResponse) -> str:
    """Return who answered before, and when."""
    return f"already {prior.done} by {prior.by}, {format_distance(prior.at, call.site.clock.now())}"


def give_result(call: ApiCall[Any, Form]) -> None:
    """Set the result of a step by hand."""
    values = {"value": _parse_value(call), "step": call.body.get("step") or None}
    call_api(call, run_operations.give_result, _build_body(call, run_operations.GiveResultRequest, **values))


def signal(call: ApiCall[Any, Form]) -> None:
    """Send it a signal."""
    values = {"name": call.body.get("name", ""), "value": _parse_value(call)}
    call_api(call, run_operations.send_signal, _build_body(call, run_operations.SignalRequest, **values))


def update(call: ApiCall[Any, Form]) -> None:
    """Send it an update; the page shows the reply."""
    values = {"name": call.body.get("name", ""), "value": _parse_value(call)}
    call_api(call, updates.request_update, _build_body(call, updates.UpdateRunRequest, **values))


def _parse_value(call: ApiCall[Any, Form]) -> Any:
    text = call.body.get("value", "").strip()
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ArgumentError(f"this is not JSON: {error}", hint='Quote text: "done". For nothing write null.') from None


def _build_body(call: ApiCall[Any, Form], kind: type[B], **values: Any) -> B:
    try:
        return msgspec.convert({**values, "reason": read_reason(call)}, kind)
    except msgspec.ValidationError as error:
        raise ArgumentError(str(error)) from None


def _build_button(operation: Callable[[ApiCall[Any, Form]], str | None]) -> PageButton:
    return PageButton(Role.OPERATOR, operation)


BUTTONS = {
    suggested_commands.RETRY: _build_button(retry),
    suggested_commands.CANCEL: _build_button(cancel),
    suggested_commands.PAUSE: _build_button(pause),
    suggested_commands.RESUME: _build_button(resume),
    suggested_commands.FORK: _build_button(fork),
    suggested_commands.DISCARD: _build_button(discard),
    suggested_commands.ANSWER: _build_button(answer),
    suggested_commands.GIVE_RESULT: _build_button(give_result),
    suggested_commands.SIGNAL: _build_button(signal),
    suggested_commands.UPDATE: _build_button(update),
}
