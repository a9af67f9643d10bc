"""Replays of random journals: unchanged code is always the same, and a planted change is always found, with its step."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import mainspring as ms
from mainspring.domain.failures.classifier import classify
from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import History, Outcome, OutcomeKind
from mainspring.domain.states import OutcomeState, RunState
from mainspring.engine.body.programs import Program, build_program
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.driver.journal_replay import JournalReplay, ReplayOutcome, replay_journal
from mainspring.engine.driver.replay import SavedRun
from mainspring.engine.driver.run_end import build_run_end
from mainspring.store.commands.runs import ClaimedRun
from tests.unit.engine.body_programs import PROGRAMS, Node, interpret
from tests.unit.engine.body_world import RUN, STARTED_AT, Life, World

# What a body had only just made when it ended or was unloaded is never begun.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SEEDS = st.integers(0, 2**32)
CLAIMED = msgspec.structs.replace(
    ClaimedRun(
        *("r_1", "tree", "workflow", 1, 1, False, 0, 0, 1_000, 1_000, None, "json", b"{}", "default", 0, None),
        *(None, None, None, None, None, 0, None),
    ),
    id=RUN,
    started_at=STARTED_AT,
    created_at=STARTED_AT,
)
SAVED_STATES = frozenset({OutcomeState.SUCCEEDED, OutcomeState.FAILED})


def build_failure(error: BaseException) -> Failure:
    return Failure.of(error, classify(error))


def load(node: Node) -> Registry:
    """Return a registry with the workflow that carries out a tree."""
    with Registry() as registry:

        @ms.workflow(name="tree")
        async def tree(run: ms.Run) -> str:
            return str(await interpret(run, node, []))

    return registry


def live(node: Node, seed: int) -> tuple[Life, SavedRun]:
    """Let the world carry out a tree; return its life, and the run as a store has it."""

    async def main(run: Any, trace: list[Any]) -> str:
        return str(await interpret(run, node, trace))

    life = World(seed).live(main)
    program: Program = build_program(CLAIMED, load(node), b"{}")
    history = History(life.journal, [], {}, [], [])
    if life.end == "waits":
        return life, SavedRun(CLAIMED, RunState.WAITING, None, None, None, history)
    end = build_run_end(life.body, program, build_failure)
    return life, SavedRun(CLAIMED, end.state, end.reason, end.result, end.failure, history)


def replay(saved: SavedRun, node: Node) -> JournalReplay:
    return replay_journal(saved, load(node), build_failure)


def name_steps(node: Any, names: Iterator[str]) -> Any:
    """Return the tree with a name of its own for each step."""
    match node:
        case ("step", _, may_fail):
            return ("step", next(names), may_fail)
        case tuple() | list():
            return type(node)(name_steps(part, names) for part in node)
    return node


def change_step(node: Any, name: str, change: Callable[[Node], Node]) -> Any:
    """Return the tree with one step changed."""
    if isinstance(node, tuple) and node[:2] == ("step", name):
        return change(node)
    if isinstance(node, tuple | list):
        return type(node)(change_step(part, name, change) for part in node)
    return node


def find_mentions(result: JournalReplay, name: str) -> list[str]:
    """Return the texts of the differences that name a step."""
    return [
        difference.text
        for difference in result.differences
        if f"{name}#" in difference.text or f"{name}#" in (difference.step or "")
    ]


def choose_step(node: Node, seed: int, place: int) -> tuple[Any, SavedRun, Outcome]:
    """Return a tree with unique names, a run of it, and one of its saved steps."""
    named = name_steps(node, (f"s{number}x" for number in range(1_000)))
    _, saved = live(named, seed)
    steps = [
        outcome
        for outcome in saved.history.outcomes
        if outcome.kind is OutcomeKind.STEP and outcome.state in SAVED_STATES and outcome.name.endswith("x")
    ]
    assume(steps)
    return named, saved, steps[place % len(steps)]


@given(node=PROGRAMS, seed=SEEDS)
@settings(max_examples=150)
def test_replay_of_unchanged_code_is_the_same(node, seed):
    """For finished, failed, cancelled and waiting runs; and its requests are the same each time."""
    _, saved = live(node, seed)
    result = replay(saved, node)
    assert result.differences == []
    again = replay(saved, node)
    assert [request.identity for request in again.requests] == [request.identity for request in result.requests]
    assert again.end == result.end


@given(node=PROGRAMS, seed=SEEDS, cut=st.integers(0, 60))
@settings(max_examples=100)
def test_replay_of_a_run_that_was_cut_anywhere_is_the_same(node, seed, cut):
    """What the code requests beyond the saved history is no difference."""
    life, saved = live(node, seed)
    history = History(life.journal[:cut], [], {}, [], [])
    unfinished = msgspec.structs.replace(
        saved, state=RunState.RUNNING, reason=None, result=None, failure=None, history=history
    )
    assert replay(unfinished, node).differences == []


CHANGES: dict[str, tuple[Callable[[Node], Node], Callable[[str], str]]] = {
    "renamed": (lambda step: ("step", "renamed", step[2]), lambda name: "renamed"),
    "removed": (lambda _: ("draw", "uuid"), lambda name: name),
    "added": (lambda step: ("seq", [("step", "added", False), step]), lambda _: "added"),
    "argument": (lambda step: ("step", step[1], not step[2]), lambda name: name),
    "branch": (lambda step: ("seq", [("step", "other", True), ("step", "more", False)]), lambda _: "other"),
}


@pytest.mark.parametrize("kind", CHANGES)
@given(node=PROGRAMS, seed=SEEDS, place=st.integers(0, 60))
@settings(max_examples=60)
def test_replay_finds_a_planted_change_with_its_step(kind, node, seed, place):
    """Whatever surrounds the step, a difference names it."""
    named, saved, step = choose_step(node, seed, place)
    change, name_of = CHANGES[kind]
    result = replay(saved, change_step(named, step.name, change))
    assert result.differences, (kind, step.ident)
    assert find_mentions(result, name_of(step.name)) or find_mentions(result, step.name), result.differences
    assert all(difference.outcome is not ReplayOutcome.SAME for difference in result.differences)
