"""What can be done about a run, as buttons: each an act of the explanation, with its command line and with what a person has yet to say."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from mainspring.insight.runs import suggested_commands
from mainspring.insight.runs.explanation import Explanation
from mainspring.insight.runs.rollback_status import list_repeated
from mainspring.insight.runs.suggested_commands import SuggestedCommand
from mainspring.insight.runs.waits import answer_command, list_choices, read_question
from mainspring.insight.text.formatting import escape_line, format_count
from mainspring.store.views import RunStory, WaitView

_STEPS = 200
_QUESTION = 1_000
_RETRY_WORDS: Final = {
    "from_step": "Retry from step",
    "again": "Do it again",
    "accept": "Keep the saved result",
    "map": "It is the same step",
}
_CANCEL_WORDS: Final[dict[bool | None, str]] = {
    None: "Cancel",
    True: "Take back what it did",
    False: "Leave the rest as it is",
}


class OperationChoice(msgspec.Struct, frozen=True):
    """One of several: what is sent, and how it is called."""

    value: str
    text: str


class AvailableOperation(msgspec.Struct, frozen=True, kw_only=True):
    """A button. `act` and `fields` = what its form sends; `does` = what follows; `command` = the same on a command line.

    `asks` = it is asked once more, in a form that says what follows. `wants` = the field that a person fills in: "value" (JSON), "choice",
    "from_step"; "" = nothing. `choices` = what may be chosen there; none = any text.
    """

    act: str
    text: str
    does: str
    command: str
    fields: dict[str, str] = {}
    asks: bool = True
    wants: str = ""
    choices: list[OperationChoice] = []
    harms: bool = False
    is_first: bool = False
    question: str = ""

    @property
    def id(self) -> str:
        """What tells it from the other ones of a page."""
        return "-".join((self.act, self.wants, *self.fields.values()))


def list_available_operations(
    story: RunStory, told: Explanation, steps: Sequence[OperationChoice]
) -> list[AvailableOperation]:
    """Return the buttons of a run, the first one first; `steps` = those from which it may be run again."""
    waits = {wait.ident: wait for wait in story.waits}
    found: list[AvailableOperation] = []
    for can in told.can:
        offer = _build_operation(can, story, waits, steps)
        if offer is not None and offer.id not in {one.id for one in found}:
            found.append(offer)
    return found


def _build_operation(
    can: SuggestedCommand, story: RunStory, waits: dict[str, WaitView], steps: Sequence[OperationChoice]
) -> AvailableOperation | None:
    match can.act:
        case suggested_commands.RETRY:
            return _build_retry(can, story, steps)
        case suggested_commands.CANCEL:
            undo = can.body.get("undo")
            fields = {} if undo is None else {"undo": "yes" if undo else "no"}
            return _build_form_operation(can, _CANCEL_WORDS[undo], fields, harms=True)
        case suggested_commands.DISCARD:
            return _build_form_operation(can, "Discard", harms=True)
        case suggested_commands.GIVE_RESULT if "value" in can.body:
            return _build_form_operation(can, "It was taken back by hand", {"value": "null"})
        case suggested_commands.GIVE_RESULT:
            return _build_form_operation(can, "Give its result", {"step": can.body["step"]}, wants="value")
        case suggested_commands.SIGNAL:
            name = can.body["name"]
            return _build_form_operation(can, f"Send {escape_line(name, 40)}", {"name": name}, wants="value")
        case suggested_commands.ANSWER:
            return _build_answer(can, waits[can.body["question"]])
        case _:
            return None


def _build_retry(can: SuggestedCommand, story: RunStory, steps: Sequence[OperationChoice]) -> AvailableOperation:
    way = next(iter(can.body), None)
    if way == "discard_rejected":
        return _build_form_operation(can, "Discard what it rejected", {way: "yes"}, harms=True)
    if way == "from_step":
        default = can.body[way]
        first = [OperationChoice(default, next((one.text for one in steps if one.value == default), default))]
        rest = [one for one in steps if one.value != default]
        return _build_form_operation(can, "Retry from step…", wants="from_step", choices=[*first, *rest][:_STEPS])
    if way is not None:
        return _build_form_operation(can, _RETRY_WORDS[way], {way: can.body[way]})
    again = list_repeated(story)
    does = (
        f"{format_count(len(again), 'step runs', 'steps run')} again, under new keys: {can.does}" if again else can.does
    )
    text = "Retry from the failed step" if story.run.failed_ident else "Retry"
    offer = AvailableOperation(act=can.act, text=text, does=does, command=can.command, is_first=True)
    return msgspec.structs.replace(offer, asks=bool(again))


def _build_answer(can: SuggestedCommand, wait: WaitView) -> AvailableOperation:
    found = [OperationChoice(one, one) for one in list_choices(wait)]
    asked = escape_line(read_question(wait).get("text", ""), _QUESTION) or "It asks"
    offer = _build_form_operation(can, "Answer", {"question": wait.ident}, wants="choice", choices=found)
    command = answer_command(wait, is_one_of_many="--question" in can.command)
    return msgspec.structs.replace(offer, question=asked, is_first=True, command=command)


def _build_form_operation(
    can: SuggestedCommand, text: str, fields: dict[str, str] | None = None, **more: Any
) -> AvailableOperation:
    return AvailableOperation(act=can.act, text=text, does=can.does, command=can.command, fields=fields or {}, **more)
