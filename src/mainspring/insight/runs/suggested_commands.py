"""Suggested commands for a run, and the facts from which they and all sentences are made. Pure."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from mainspring.domain.definitions.options import DefinitionKind
from mainspring.domain.states import FailureReason, OutcomeState, RunState
from mainspring.insight.runs.rollback_status import has_undo_left, list_undone
from mainspring.insight.runs.steps import StepLine
from mainspring.insight.runs.trigger_file import TriggerFile
from mainspring.insight.runs.up_command import PLAIN_UP, UpCommand
from mainspring.insight.text.formatting import format_moment, shell_word
from mainspring.store.read.run_decisions import NO_DECISIONS, RunDecisions
from mainspring.store.views import BlockedCall, Blocker, RunHistory, renamed_step_of

RETRY, CANCEL, DISCARD, GIVE_RESULT = "retry", "cancel", "discard", "give-result"
ANSWER, SIGNAL, UPDATE, PAUSE, RESUME, FORK = "answer", "signal", "update", "pause", "resume", "fork"
"""Operations, by their names in the API."""


_RESULT: Final = "JSON is the value that the step returns, null for none"


class SuggestedCommand(msgspec.Struct, frozen=True):
    """A command that a person may run, and what it does.

    `act` = the same operation on this run in the API, `POST /runs/{run}/ACT`, with `body`, which lacks what the person must add. "" = it
    has none.
    """

    command: str
    does: str
    act: str = ""
    body: dict[str, Any] = {}


class RunFacts(msgspec.Struct, frozen=True):
    """Facts of a run at the instant `now`; clock times are those of `zone`."""

    history: RunHistory
    blocker: Blocker
    lines: list[StepLine]
    now: int
    zone: str
    decisions: RunDecisions = NO_DECISIONS
    file: TriggerFile | None = None
    awaited: Sequence[Blocker] = ()
    """Facts of the children that it waits for."""
    up: UpCommand = PLAIN_UP

    @property
    def id(self) -> str:
        return self.history.run.id

    @property
    def step(self) -> StepLine | None:
        """The line at which the run stopped."""
        ident = self.history.run.failed_ident
        return next((line for line in reversed(self.lines) if line.ident == ident), None)

    def find_blocked_call(self, ident: str | None) -> BlockedCall | None:
        """Return the call of this step that an effect in doubt of another holder blocks, if it still does."""
        return next(
            (
                call
                for call in self.history.blocked_calls
                if call.ident == ident and (call.window_ends_at is None or call.window_ends_at > self.now)
            ),
            None,
        )

    @property
    def has_input_to_accept(self) -> bool:
        """Whether the input of a step drifted, and not a value that the run received."""
        return b'"unread"' not in (self.history.run.detail or b"")

    def at(self, instant: int) -> str:
        return format_moment(instant, self.now, self.zone)


def _drift_commands(facts: RunFacts) -> list[SuggestedCommand]:
    name, ident = _stopped_step(facts)
    if not facts.has_input_to_accept:
        again = "continue, after the code can read the saved value again"
        return [
            retry_command(facts, again),
            _retry_from_command(facts, name, ident, "wait for another event, and run the later steps again"),
        ]
    renamed = renamed_step_of(facts.history)
    if renamed is not None:
        return _renamed_step_commands(facts, *renamed, name, ident)
    accept = SuggestedCommand(
        f"mainspring runs retry {facts.id} --accept {name}",
        "keep the saved result for the new input",
        RETRY,
        {"accept": ident},
    )
    return [accept, _retry_from_command(facts, name, ident, "run this step and the later ones again")]


def _renamed_step_commands(facts: RunFacts, old: str, new: str, name: str, ident: str) -> list[SuggestedCommand]:
    pair, line = f"{old}={new}", f"mainspring runs retry {facts.id}"
    same = SuggestedCommand(
        f"{line} --map {shell_word(pair)}", f"{old} is now named {new}: keep its saved result", RETRY, {"map": pair}
    )
    gone = SuggestedCommand(
        f"{line} --accept {shell_word(old)}",
        f"{old} was removed: its saved result stays, and {new} runs",
        RETRY,
        {"accept": ident},
    )
    return [same, gone, _retry_from_command(facts, name, ident, f"run {new} and the steps after {old} again")]


def settle_commands(facts: RunFacts) -> list[SuggestedCommand]:
    """Return what settles steps that are in doubt, or done without a saved result: until then a plain retry is refused."""
    found: list[SuggestedCommand] = []
    for line in facts.lines:
        if line.superseded is None and line.state in (OutcomeState.IN_DOUBT, OutcomeState.REFUSED):
            found += _step_settle_commands(
                facts, _step_name(facts, line), line.ident, in_doubt=line.state == OutcomeState.IN_DOUBT
            )
    return found


def _step_settle_commands(facts: RunFacts, name: str, ident: str, *, in_doubt: bool) -> list[SuggestedCommand]:
    given, body = f"mainspring runs give-result {facts.id} JSON --step {name}", {"step": ident}
    if not in_doubt:
        return [SuggestedCommand(given, f"set a valid result; {_RESULT}", GIVE_RESULT, body)]
    blocked = facts.find_blocked_call(ident)
    if blocked is None:
        return doubt_commands(facts.id, name, ident)
    again = f"mainspring runs retry {facts.id} --again {name}"
    return [
        *_effect_commands(blocked),
        SuggestedCommand(again, "after that decision: run the step again"),
        SuggestedCommand(given, "set the result of this step only: the effect stays in doubt", GIVE_RESULT, body),
    ]


def doubt_commands(run: str, name: str, ident: str) -> list[SuggestedCommand]:
    """Return the commands that decide on a step in doubt; `name` = the step as a command line names it."""
    given, again = (
        f"mainspring runs give-result {run} JSON --step {name}",
        f"mainspring runs retry {run} --again {name}",
    )
    return [
        SuggestedCommand(given, f"it did happen: set its result; {_RESULT}", GIVE_RESULT, {"step": ident}),
        SuggestedCommand(again, "it did not happen: run it again, under the same key", RETRY, {"again": ident}),
    ]


def _effect_commands(blocked: BlockedCall) -> list[SuggestedCommand]:
    """Return what settles an effect in doubt of another holder."""
    key, commands = shell_word(blocked.key), []
    if blocked.run is not None and blocked.run_state is RunState.NEEDS_ATTENTION:
        commands.append(SuggestedCommand(f"mainspring explain {blocked.run}", "decide on the run that has the effect"))
    return [
        *commands,
        SuggestedCommand(f"mainspring effects confirm {key}", "the effect did happen: record it as done"),
        SuggestedCommand(f"mainspring effects forget {key}", "it did not happen: let the next call perform it"),
    ]


def _doubt_commands(facts: RunFacts) -> list[SuggestedCommand]:
    happened = facts.decisions.effect_happened
    if happened is not None:
        outcome = "done): its step skips it" if happened else "it did not happen): its step performs it"
        return [retry_command(facts, f"continue it; the effect is decided ({outcome}")]
    return _step_settle_commands(facts, *_stopped_step(facts), in_doubt=True)


def _refused_value_commands(facts: RunFacts) -> list[SuggestedCommand]:
    return _step_settle_commands(facts, *_stopped_step(facts), in_doubt=False)


def _undo_commands(facts: RunFacts) -> list[SuggestedCommand]:
    by_hand = f"mainspring runs give-result {facts.id} null"
    return [
        retry_command(facts, "retry that undo; the others follow"),
        SuggestedCommand(by_hand, "it was undone by hand; the others follow", GIVE_RESULT, {"value": None}),
    ]


def plain_commands(facts: RunFacts) -> list[SuggestedCommand]:
    """Return commands that help for any reason."""
    return [retry_command(facts, "continue it"), *retry_from_start_commands(facts)]


def retry_command(facts: RunFacts, does: str) -> SuggestedCommand:
    """Return the command that continues a run from where it stopped."""
    return SuggestedCommand(f"mainspring runs retry {facts.id}", does, RETRY)


COMMANDS_BY_REASON: Final[dict[str, Callable[[RunFacts], list[SuggestedCommand]]]] = {
    FailureReason.DRIFT: _drift_commands,
    FailureReason.IN_DOUBT: _doubt_commands,
    FailureReason.VALUE_REFUSED: _refused_value_commands,
    FailureReason.UNDO_FAILED: _undo_commands,
}


def retry_from_start_commands(facts: RunFacts) -> list[SuggestedCommand]:
    """Return the commands that run everything again."""
    first = next((line for line in facts.lines if line.kind == "step" and line.superseded is None), None)
    if first is None:
        return []
    return [
        _retry_from_command(facts, _step_name(facts, first), first.ident, "run all of it again, from its first step on")
    ]


def _retry_from_command(facts: RunFacts, name: str, ident: str, does: str) -> SuggestedCommand:
    return SuggestedCommand(f"mainspring runs retry {facts.id} --from-step {name}", does, RETRY, {"from_step": ident})


def rollback_commands(facts: RunFacts) -> list[SuggestedCommand]:
    """Return the commands that undo the steps of a run, or keep them, if there is anything to undo."""
    if facts.history.run.undoing:
        return [cancel_command(facts)]
    if not has_undo_left(facts.history):
        return []
    does = "roll it back, newest step first; it ends cancelled"
    return [SuggestedCommand(f"mainspring runs cancel {facts.id} --undo", does, CANCEL, {"undo": True})]


def cancel_command(facts: RunFacts) -> SuggestedCommand:
    """Return the command that cancels a run."""
    if facts.history.run.undoing:
        does = "leave the steps that are not undone as they are"
        return SuggestedCommand(f"mainspring runs cancel {facts.id} --keep", does, CANCEL, {"undo": False})
    return SuggestedCommand(f"mainspring runs cancel {facts.id}", "cancel it", CANCEL)


def pause_command(facts: RunFacts) -> SuggestedCommand:
    """Return the command that pauses a run."""
    return SuggestedCommand(f"mainspring runs pause {facts.id}", "pause it: nothing new starts", PAUSE)


def resume_command(facts: RunFacts) -> SuggestedCommand:
    """Return the command that resumes a run, or withdraws the request to pause it."""
    return SuggestedCommand(f"mainspring runs resume {facts.id}", "resume it", RESUME)


def fork_commands(facts: RunFacts) -> list[SuggestedCommand]:
    """Return the command that starts a new run from a step of an ended workflow: the failed one, else the last one."""
    run = facts.history.run
    steps = [line for line in facts.lines if line.kind == "step" and line.superseded is None]
    if run.finished_at is None or run.kind != DefinitionKind.WORKFLOW or not steps:
        return []
    undone = {outcome.ident for outcome in list_undone(facts.history)}
    uncertain = (OutcomeState.IN_DOUBT, OutcomeState.REFUSED)
    step = next((line for line in steps if line.ident in undone or line.state in uncertain), None)
    if step is None and run.state is RunState.CANCELLED:
        words = f"mainspring runs fork {facts.id} --from-end"
        return [SuggestedCommand(words, "fork it: a new run keeps its results, and continues where it ended")]
    if step is None:
        step = facts.step if facts.step in steps else steps[-1]
    assert step is not None
    name = _step_name(facts, step)
    does = f"fork it: a new run keeps the results before {name}, and runs {name} and what follows"
    command = f"mainspring runs fork {facts.id} --from-step {name}"
    return [SuggestedCommand(command, does, FORK, {"from_step": step.ident})]


def discard_command(facts: RunFacts) -> SuggestedCommand:
    """Return the command that discards a run."""
    return SuggestedCommand(f"mainspring failed discard {facts.id} -y", "discard it: it fails", DISCARD)


def settle_command(run: str) -> SuggestedCommand:
    """Return the command that decides that no one will continue a failed run."""
    return SuggestedCommand(
        f"mainspring failed discard {run} -y", "discard it: it stays failed, and no one will continue it", DISCARD
    )


def _stopped_step(facts: RunFacts) -> tuple[str, str]:
    """Return the step at which it stopped, as a command line names it, and its identity."""
    ident = facts.history.run.failed_ident or "STEP"
    return _step_name(facts, facts.step) if facts.step else shell_word(ident), ident


def _step_name(facts: RunFacts, step: StepLine) -> str:
    """Return a step as a command line names it: by its identity if several have its name."""
    named = {line.ident for line in facts.lines if line.name == step.name}
    return shell_word(step.name if len(named) == 1 else step.ident)
