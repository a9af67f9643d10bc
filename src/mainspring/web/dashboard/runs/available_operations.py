"""Operations that are available for a run, as buttons: each with its command line and the input that it needs."""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from mainspring.insight.runs import suggested_commands
from mainspring.insight.runs.explanation import Explanation
from mainspring.insight.runs.rollback_status import list_repeated
from mainspring.insight.runs.suggested_commands import SuggestedCommand
from mainspring.insight.runs.waits import answer_command, list_choices, name_if_many, read_form, read_question
from mainspring.insight.text.formatting import escape_line, format_count
from mainspring.store.views import RunHistory, WaitView

_STEPS = 200
_QUESTION = 1_000
_RETRY_WORDS: Final = {
    "from_step": "Retry from step",
    "again": "Run it again",
    "accept": "Keep the saved result",
    "map": "It is the same step",
}
_CANCEL_WORDS: Final[dict[bool | None, str]] = {
    None: "Cancel",
    True: "Roll it back",
    False: "Leave the rest as it is",
}


class OperationChoice(msgspec.Struct, frozen=True):
    """One of several choices: the sent value and its label."""

    value: str
    text: str


class AvailableOperation(msgspec.Struct, frozen=True, kw_only=True):
    """A button. `act` and `fields` = the data of its form; `does` = its effect; `command` = the same on a command line.

    `needs_confirmation` = its form names the effect first. `input_kind` = the field that a person fills in: "value" (JSON), "choice",
    "from_step"; "" = none. `choices` = the allowed values of that field; none = any text. `page` = the page that has its form; "" = this.
    """

    act: str
    text: str
    does: str
    command: str
    fields: dict[str, str] = {}
    needs_confirmation: bool = True
    input_kind: str = ""
    choices: list[OperationChoice] = []
    harms: bool = False
    is_first: bool = False
    question: str = ""
    page: str = ""

    @property
    def id(self) -> str:
        """An id that is unique on its page."""
        return "-".join((self.act, self.input_kind, *self.fields.values()))


def list_available_operations(
    outline: RunHistory, explanation: Explanation, steps: Sequence[OperationChoice]
) -> list[AvailableOperation]:
    """Return the buttons of a run, the most important first; `steps` = those that a run can restart from."""
    waits = {wait.ident: wait for wait in outline.waits}
    operations: list[AvailableOperation] = []
    for can in explanation.can:
        operation = _build_operation(can, outline, waits, steps)
        if operation is not None and operation.id not in {known.id for known in operations}:
            operations.append(operation)
    return operations


def _build_operation(
    can: SuggestedCommand, outline: RunHistory, waits: dict[str, WaitView], steps: Sequence[OperationChoice]
) -> AvailableOperation | None:
    match can.act:
        case suggested_commands.RETRY:
            return _build_retry(can, outline, steps)
        case suggested_commands.CANCEL:
            undo = can.body.get("undo")
            fields = {} if undo is None else {"undo": "yes" if undo else "no"}
            return _build_form_operation(can, _CANCEL_WORDS[undo], fields, harms=True)
        case suggested_commands.PAUSE:
            return _build_form_operation(can, "Pause")
        case suggested_commands.RESUME:
            resume = _build_form_operation(can, "Resume", is_first=True)
            return msgspec.structs.replace(resume, needs_confirmation=False)
        case suggested_commands.FORK:
            choices = _list_step_choices(can, steps)
            return _build_form_operation(can, "Fork from step…", input_kind="from_step", choices=choices)
        case suggested_commands.DISCARD:
            return _build_form_operation(can, "Discard", harms=True)
        case suggested_commands.GIVE_RESULT if "value" in can.body:
            return _build_form_operation(can, "It was undone by hand", {"value": "null"})
        case suggested_commands.GIVE_RESULT:
            return _build_form_operation(can, "Set its result", {"step": can.body["step"]}, input_kind="value")
        case suggested_commands.SIGNAL:
            name = can.body["name"]
            return _build_form_operation(can, f"Send {escape_line(name, 40)}", {"name": name}, input_kind="value")
        case suggested_commands.UPDATE:
            name = can.body["name"]
            return _build_form_operation(can, f"Update {escape_line(name, 40)}", {"name": name}, input_kind="value")
        case suggested_commands.ANSWER:
            return _build_answer(can, waits[can.body["question"]], waits.values())
        case _:
            return None


def _list_step_choices(can: SuggestedCommand, steps: Sequence[OperationChoice]) -> list[OperationChoice]:
    """Return the steps of a list, the suggested one first."""
    default = can.body["from_step"]
    first = OperationChoice(default, next((step.text for step in steps if step.value == default), default))
    return [first, *(step for step in steps if step.value != default)][:_STEPS]


def _build_retry(can: SuggestedCommand, outline: RunHistory, steps: Sequence[OperationChoice]) -> AvailableOperation:
    parameter = next(iter(can.body), None)
    if parameter == "discard_rejected":
        return _build_form_operation(can, "Discard what it rejected", {parameter: "yes"}, harms=True)
    if parameter == "from_step":
        choices = _list_step_choices(can, steps)
        return _build_form_operation(can, "Retry from step…", input_kind="from_step", choices=choices)
    if parameter is not None:
        return _build_form_operation(can, _RETRY_WORDS[parameter], {parameter: can.body[parameter]})
    repeated = list_repeated(outline)
    does = (
        f"{format_count(len(repeated), 'step runs', 'steps run')} again, under new keys: {can.does}"
        if repeated
        else can.does
    )
    text = "Retry from the failed step" if outline.run.failed_ident else "Retry"
    operation = AvailableOperation(act=can.act, text=text, does=does, command=can.command, is_first=True)
    return msgspec.structs.replace(operation, needs_confirmation=bool(repeated))


def _build_answer(can: SuggestedCommand, wait: WaitView, waits: Iterable[WaitView]) -> AvailableOperation:
    choices = [OperationChoice(choice, choice) for choice in list_choices(wait)]
    question = escape_line(read_question(wait).get("text", ""), _QUESTION) or "It asks"
    operation = _build_form_operation(can, "Answer", {"question": wait.ident}, input_kind="choice", choices=choices)
    if read_form(wait) is not None:
        page = f"/waiting/{quote(wait.run, safe='')}/{quote(wait.ident, safe='')}"
        return msgspec.structs.replace(operation, text="Fill in the form", is_first=True, does=question, page=page)
    command = answer_command(wait, name_if_many(wait, waits))
    return msgspec.structs.replace(operation, question=question, is_first=True, command=command)


def _build_form_operation(
    can: SuggestedCommand, text: str, fields: dict[str, str] | None = None, **more: Any
) -> AvailableOperation:
    return AvailableOperation(act=can.act, text=text, does=can.does, command=can.command, fields=fields or {}, **more)
