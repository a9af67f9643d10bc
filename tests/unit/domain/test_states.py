"""The table of moves is sound, and the drawing of it says the same."""

from pathlib import Path

import pytest

from mainspring.domain.states import (
    IDLE_STATES,
    NO_STATES,
    REOPENABLE_STATES,
    RUN_MOVES,
    TERMINAL_STATES,
    RunMove,
    RunState,
    is_move_legal,
    source_states,
    target_state,
)

PAGE = Path(__file__).resolve().parents[3] / "docs" / "states.md"


def reachable(start: set[RunState]) -> set[RunState]:
    """Return the states that can follow, step by step."""
    found = set(start)
    while True:
        more = {target_state(move) for move in RunMove if source_states(move) & found} - found
        if not more:
            return found
        found |= more


def render_states() -> str:
    """Return the drawing that the table makes: one line a source, a state and the verbs that lead to it."""
    lines = ["stateDiagram-v2"]
    verbs: dict[tuple[str, str], list[str]] = {}
    for move in RunMove:
        known: list[str] = [str(s) for s in RunState if s in source_states(move)]
        for source in known or ["[*]"]:
            verbs.setdefault((str(source), str(target_state(move))), []).append(str(move))
    lines += [f"    {source} --> {to}: {', '.join(names)}" for (source, to), names in verbs.items()]
    lines += [f"    {state} --> [*]" for state in RunState if state in TERMINAL_STATES]
    return "\n".join(lines)


def test_page_renders_the_table():
    """docs/states.md holds exactly what the table says; the right text is in the failure."""
    text = PAGE.read_text(encoding="utf-8")
    found = text.partition("```mermaid\n")[2].partition("\n```")[0]
    assert found == render_states(), f"put this into docs/states.md:\n{render_states()}"


def test_page_explains_each_state_and_each_verb():
    """No state and no verb without its sentence."""
    text = PAGE.read_text(encoding="utf-8")
    assert [s for s in RunState if f"| `{s}` |" not in text] == []
    assert [m for m in RunMove if f"| `{m}` |" not in text] == []


def test_table_has_each_move():
    """A verb without a row could never be made."""
    assert set(RUN_MOVES) == set(RunMove)


@pytest.mark.parametrize("state", RunState)
def test_state_is_reachable_from_nothing(state):
    """Moves that make runs lead, step by step, to every state."""
    assert state in reachable({target_state(move) for move in RunMove if source_states(move) == NO_STATES})


@pytest.mark.parametrize("state", [s for s in RunState if s not in TERMINAL_STATES])
def test_unfinished_state_leads_to_an_end(state):
    """None is a trap: from each of them every end can be reached."""
    assert reachable({state}) >= TERMINAL_STATES


@pytest.mark.parametrize("state", sorted(TERMINAL_STATES))
def test_end_is_left_only_by_a_person_who_continues_it_or_for_its_undo(state):
    """A failed run can be reopened or undone; a child can be undone with its parent, unless it was cancelled."""
    leaving = {move for move in RunMove if is_move_legal(move, state)}
    of_a_person = {RunMove.UNDO, RunMove.REOPEN} if state in REOPENABLE_STATES else set()
    assert leaving == of_a_person | (set() if state is RunState.CANCELLED else {RunMove.UNDO_CHILD})


def test_only_idle_runs_can_be_claimed():
    """No one else owns such a run."""
    assert source_states(RunMove.CLAIM) == IDLE_STATES
    assert target_state(RunMove.CLAIM) is RunState.RUNNING


def test_transitions_of_an_owner_start_from_running():
    """Suspend, release, halt and the ends need a claim."""
    owner = (
        RunMove.SUSPEND,
        RunMove.RETRY_LATER,
        RunMove.RELEASE,
        RunMove.LOSE,
        RunMove.HALT,
        RunMove.SUCCEED,
        RunMove.FAIL,
        RunMove.CANCEL,
    )
    assert [move for move in owner if source_states(move) != {RunState.RUNNING}] == []


@pytest.mark.parametrize("state", RunState)
def test_can_matches_the_table(state):
    """One look-up, the same answer."""
    assert {move for move in RunMove if is_move_legal(move, state)} == {
        move for move, (froms, _) in RUN_MOVES.items() if state in froms
    }
