"""What can be done about a run, as buttons: each an act of the explanation, with its command line and with what a person has yet to say."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from mainspring.insight import remedies
from mainspring.insight.explaining import Explanation
from mainspring.insight.remedies import Can
from mainspring.insight.undone import runs_again
from mainspring.insight.waits import answer_command, choices, question_of
from mainspring.insight.words import many, one_line
from mainspring.store.views import RunStory, WaitView

_STEPS = 200
_QUESTION = 1_000
_WAYS: Final = {
    "from_step": "Retry from step",
    "again": "Do it again",
    "accept": "Keep the saved result",
    "map": "It is the same step",
}
_CANCEL: Final[dict[bool | None, str]] = {
    None: "Cancel",
    True: "Take back what it did",
    False: "Leave the rest as it is",
}


class Choice(msgspec.Struct, frozen=True):
    """One of several: what is sent, and how it is called."""

    value: str
    text: str


class Offer(msgspec.Struct, frozen=True, kw_only=True):
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
    choices: list[Choice] = []
    harms: bool = False
    is_first: bool = False
    question: str = ""

    @property
    def id(self) -> str:
        """What tells it from the other ones of a page."""
        return "-".join((self.act, self.wants, *self.fields.values()))


def offers(story: RunStory, told: Explanation, steps: Sequence[Choice]) -> list[Offer]:
    """Return the buttons of a run, the first one first; `steps` = those from which it may be run again."""
    waits = {wait.ident: wait for wait in story.waits}
    found: list[Offer] = []
    for can in told.can:
        offer = _offer(can, story, waits, steps)
        if offer is not None and offer.id not in {one.id for one in found}:
            found.append(offer)
    return found


def _offer(can: Can, story: RunStory, waits: dict[str, WaitView], steps: Sequence[Choice]) -> Offer | None:
    match can.act:
        case remedies.RETRY:
            return _retry(can, story, steps)
        case remedies.CANCEL:
            undo = can.body.get("undo")
            fields = {} if undo is None else {"undo": "yes" if undo else "no"}
            return _asking(can, _CANCEL[undo], fields, harms=True)
        case remedies.DISCARD:
            return _asking(can, "Discard", harms=True)
        case remedies.GIVE_RESULT if "value" in can.body:
            return _asking(can, "It was taken back by hand", {"value": "null"})
        case remedies.GIVE_RESULT:
            return _asking(can, "Give its result", {"step": can.body["step"]}, wants="value")
        case remedies.SIGNAL:
            name = can.body["name"]
            return _asking(can, f"Send {one_line(name, 40)}", {"name": name}, wants="value")
        case remedies.ANSWER:
            return _answer(can, waits[can.body["question"]])
        case _:
            return None


def _retry(can: Can, story: RunStory, steps: Sequence[Choice]) -> Offer:
    way = next(iter(can.body), None)
    if way == "discard_rejected":
        return _asking(can, "Discard what it rejected", {way: "yes"}, harms=True)
    if way == "from_step":
        default = can.body[way]
        first = [Choice(default, next((one.text for one in steps if one.value == default), default))]
        rest = [one for one in steps if one.value != default]
        return _asking(can, "Retry from step…", wants="from_step", choices=[*first, *rest][:_STEPS])
    if way is not None:
        return _asking(can, _WAYS[way], {way: can.body[way]})
    again = runs_again(story)
    does = f"{many(len(again), 'step runs', 'steps run')} again, under new keys: {can.does}" if again else can.does
    text = "Retry from the failed step" if story.run.failed_ident else "Retry"
    offer = Offer(act=can.act, text=text, does=does, command=can.command, is_first=True)
    return msgspec.structs.replace(offer, asks=bool(again))


def _answer(can: Can, wait: WaitView) -> Offer:
    found = [Choice(one, one) for one in choices(wait)]
    asked = one_line(question_of(wait).get("text", ""), _QUESTION) or "It asks"
    offer = _asking(can, "Answer", {"question": wait.ident}, wants="choice", choices=found)
    command = answer_command(wait, is_one_of_many="--question" in can.command)
    return msgspec.structs.replace(offer, question=asked, is_first=True, command=command)


def _asking(can: Can, text: str, fields: dict[str, str] | None = None, **more: Any) -> Offer:
    return Offer(act=can.act, text=text, does=can.does, command=can.command, fields=fields or {}, **more)
