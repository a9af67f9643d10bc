"""What a person can do about a run, as commands; and the facts of a run from which they and all sentences are made. Pure."""

import shlex
from collections.abc import Callable
from typing import Final

import msgspec

from mainspring.domain.states import FailureReason, OutcomeState
from mainspring.insight.steps import StepLine
from mainspring.insight.undone import may_be_taken_back
from mainspring.insight.words import moment, one_line
from mainspring.store.views import Blocker, RunStory


class Can(msgspec.Struct, frozen=True):
    """A command that a person may give, and what it does."""

    command: str
    does: str


class Facts(msgspec.Struct, frozen=True):
    """What is known of a run at the instant `now`; clock times are those of `zone`."""

    story: RunStory
    blocker: Blocker
    lines: list[StepLine]
    now: int
    zone: str

    @property
    def id(self) -> str:
        return self.story.run.id

    @property
    def step(self) -> StepLine | None:
        """The line at which the run stopped."""
        ident = self.story.run.failed_ident
        return next((line for line in reversed(self.lines) if line.ident == ident), None)

    def at(self, instant: int) -> str:
        return moment(instant, self.now, self.zone)


def _drift_mending(facts: Facts) -> list[Can]:
    name = _step_word(facts)
    return [
        Can(f"mainspring runs retry {facts.id} --accept {name}", "keep the saved result under the new input"),
        Can(f"mainspring runs retry {facts.id} --from-step {name}", "run it, and what came after it, again"),
    ]


def unsettled(facts: Facts) -> list[Can]:
    """Return what settles steps that are in doubt, or done without a saved result: until then a plain retry is refused."""
    found: list[Can] = []
    for line in facts.lines:
        if line.superseded is None and line.state in (OutcomeState.IN_DOUBT, OutcomeState.REFUSED):
            found += _settling(facts, _word(line.name), in_doubt=line.state == OutcomeState.IN_DOUBT)
    return found


def _settling(facts: Facts, name: str, *, in_doubt: bool) -> list[Can]:
    given = f"mainspring runs give-result {facts.id} JSON --step {name}"
    if not in_doubt:
        return [Can(given, "give a result that fits")]
    again = f"mainspring runs retry {facts.id} --again {name}"
    return [
        Can(given, "it did happen: say with which result"),
        Can(again, "it did not happen: do it again, under the same key"),
    ]


def _doubt_mending(facts: Facts) -> list[Can]:
    return _settling(facts, _step_word(facts), in_doubt=True)


def _refused_mending(facts: Facts) -> list[Can]:
    return _settling(facts, _step_word(facts), in_doubt=False)


def _undo_mending(facts: Facts) -> list[Can]:
    return [
        Can(f"mainspring runs retry {facts.id}", "try that undo again; the others follow"),
        Can(f"mainspring runs give-result {facts.id} null", "it was taken back by hand; the others follow"),
    ]


def plain_mending(facts: Facts) -> list[Can]:
    """Return what helps whatever the reason."""
    return [Can(f"mainspring runs retry {facts.id}", "continue it"), *from_step(facts)]


MENDING: Final[dict[str, Callable[[Facts], list[Can]]]] = {
    FailureReason.DRIFT: _drift_mending,
    FailureReason.IN_DOUBT: _doubt_mending,
    FailureReason.VALUE_REFUSED: _refused_mending,
    FailureReason.UNDO_FAILED: _undo_mending,
}


def from_step(facts: Facts) -> list[Can]:
    """Return how to do all of it again."""
    first = next((line for line in facts.lines if line.kind == "step" and line.superseded is None), None)
    if first is None:
        return []
    return [Can(f"mainspring runs retry {facts.id} --from-step {_word(first.name)}", "run it again from that step on")]


def take_back(facts: Facts) -> list[Can]:
    """Return how to take back what the run did, or to leave it, where there is something to take back."""
    if facts.story.run.undoing:
        return [cancel(facts)]
    if not may_be_taken_back(facts.story):
        return []
    return [Can(f"mainspring runs cancel {facts.id} --undo", "take back what it did, newest first; it ends cancelled")]


def cancel(facts: Facts) -> Can:
    """Return how to stop it."""
    if facts.story.run.undoing:
        return Can(f"mainspring runs cancel {facts.id} --keep", "leave what is not yet taken back as it is")
    return Can(f"mainspring runs cancel {facts.id}", "ask it to stop")


def _step_word(facts: Facts) -> str:
    return _word(facts.step.name if facts.step else facts.story.run.failed_ident or "STEP")


def _word(text: str) -> str:
    return shlex.quote(one_line(text))
