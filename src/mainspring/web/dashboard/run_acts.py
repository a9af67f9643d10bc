"""The buttons of a run: a form becomes the body of the act of the API, and is told where it cannot."""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import ArgumentError, ConflictError, NotFoundError
from mainspring.insight import remedies
from mainspring.insight.words import ago
from mainspring.web.api import run_acts
from mainspring.web.api.bodies import Because
from mainspring.web.api.call import Call
from mainspring.web.continued import answered
from mainspring.web.dashboard.page import Button, Form, press, reason_of

B = TypeVar("B", bound=msgspec.Struct)


def retry(call: Call[Any, Form]) -> None:
    """Continue it: from where it stopped, from a step, or with what is settled by doing it again."""
    chosen = {way: call.body[way] for way in ("from_step", "again", "accept", "map") if call.body.get(way)}
    discards = call.body.get("discard_rejected") == "yes"
    press(call, run_acts.retry, _body(call, run_acts.Retry, **chosen, discard_rejected=discards))


def cancel(call: Call[Any, Form]) -> None:
    """Ask it to stop; `undo` says whether what it did is taken back."""
    undo = {"yes": True, "no": False}.get(call.body.get("undo", ""))
    press(call, run_acts.cancel, _body(call, run_acts.Cancel, undo=undo))


def discard(call: Call[Any, Form]) -> None:
    """Give it up."""
    press(call, run_acts.discard, _body(call, Because))


def answer(call: Call[Any, Form]) -> None:
    """Answer what it asks."""
    choice = call.body.get("choice", "")
    if not choice.strip():
        raise ArgumentError("an answer is missing", hint="Choose one, or write it.")
    given = {"choice": choice, "question": call.body.get("question"), "note": call.body.get("note", "").strip() or None}
    give_answer(call, _body(call, run_acts.Answer, **given))


def give_answer(call: Call[Any, Form], body: run_acts.Answer, **names: str) -> None:
    """Answer; who comes too late is told who was faster. Raises ConflictError."""
    try:
        press(call, run_acts.answer, body, **names)
    except NotFoundError:
        run = call.run({**call.names, **names}["run"])
        faster = answered(call.site.reader, call.site.opening, run.id, body.question)
        if faster is None:
            raise
        when = ago(faster.at, call.site.clock.now())
        raise ConflictError(f"already {faster.done} by {faster.by}, {when}", hint="Nothing was changed.") from None


def give_result(call: Call[Any, Form]) -> None:
    """Give the result of a step by hand."""
    given = {"value": _value(call), "step": call.body.get("step") or None}
    press(call, run_acts.give_result, _body(call, run_acts.GivenResult, **given))


def signal(call: Call[Any, Form]) -> None:
    """Send it a message."""
    given = {"name": call.body.get("name", ""), "value": _value(call)}
    press(call, run_acts.send_signal, _body(call, run_acts.Signal, **given))


def _value(call: Call[Any, Form]) -> Any:
    text = call.body.get("value", "").strip()
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ArgumentError(
            f"this is no JSON: {error}", hint='Text stands in quotes: "done"; nothing is null.'
        ) from None


def _body(call: Call[Any, Form], kind: type[B], **values: Any) -> B:
    try:
        return msgspec.convert({**values, "reason": reason_of(call)}, kind)
    except msgspec.ValidationError as error:
        raise ArgumentError(str(error)) from None


def _button(do: Callable[[Call[Any, Form]], None]) -> Button:
    return Button(Role.OPERATOR, do)


BUTTONS = {
    remedies.RETRY: _button(retry),
    remedies.CANCEL: _button(cancel),
    remedies.DISCARD: _button(discard),
    remedies.ANSWER: _button(answer),
    remedies.GIVE_RESULT: _button(give_result),
    remedies.SIGNAL: _button(signal),
}
