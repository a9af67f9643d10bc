"""The table of moves is sound, and the drawing of it says the same."""

from pathlib import Path

import pytest

from mainspring.domain.states import IDLE, MOVES, NEW, REOPENABLE, TERMINAL, Move, RunState, can, sources, target

PAGE = Path(__file__).resolve().parents[3] / "docs" / "states.md"


def reachable(start: set[RunState]) -> set[RunState]:
    """Return the states that can follow, step by step."""
    found = set(start)
    while True:
        more = {target(move) for move in Move if sources(move) & found} - found
        if not more:
            return found
        found |= more


def drawn() -> str:
    """Return the drawing that the table makes: one line a source, a state and the verbs that lead to it."""
    lines = ["stateDiagram-v2"]
    verbs: dict[tuple[str, str], list[str]] = {}
    for move in Move:
        known: list[str] = [str(s) for s in RunState if s in sources(move)]
        for source in known or ["[*]"]:
            verbs.setdefault((str(source), str(target(move))), []).append(str(move))
    lines += [f"    {source} --> {to}: {', '.join(names)}" for (source, to), names in verbs.items()]
    lines += [f"    {state} --> [*]" for state in RunState if state in TERMINAL]
    return "\n".join(lines)


def test_page_draws_the_table():
    """docs/states.md holds exactly what the table says; the right text is in the failure."""
    text = PAGE.read_text(encoding="utf-8")
    found = text.partition("```mermaid\n")[2].partition("\n```")[0]
    assert found == drawn(), f"put this into docs/states.md:\n{drawn()}"


def test_page_explains_each_state_and_each_verb():
    """No state and no verb without its sentence."""
    text = PAGE.read_text(encoding="utf-8")
    assert [s for s in RunState if f"| `{s}` |" not in text] == []
    assert [m for m in Move if f"| `{m}` |" not in text] == []


def test_table_has_each_move():
    """A verb without a row could never be made."""
    assert set(MOVES) == set(Move)


@pytest.mark.parametrize("state", RunState)
def test_state_is_reachable_from_nothing(state):
    """Moves that make runs lead, step by step, to every state."""
    assert state in reachable({target(move) for move in Move if sources(move) == NEW})


@pytest.mark.parametrize("state", [s for s in RunState if s not in TERMINAL])
def test_unfinished_state_leads_to_an_end(state):
    """None is a trap: from each of them every end can be reached."""
    assert reachable({state}) >= TERMINAL


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_end_is_left_only_by_a_person_who_continues_it(state):
    """What succeeded or was cancelled stays so; what failed can only be reopened, or taken back."""
    leaving = {move for move in Move if can(move, state)}
    assert leaving == ({Move.UNDO, Move.REOPEN} if state in REOPENABLE else set())


def test_only_idle_runs_can_be_claimed():
    """Nobody else owns such a run."""
    assert sources(Move.CLAIM) == IDLE
    assert target(Move.CLAIM) is RunState.RUNNING


def test_what_an_owner_does_starts_from_running():
    """Suspend, release, halt and the ends need a claim."""
    owner = (Move.SUSPEND, Move.RETRY_LATER, Move.RELEASE, Move.LOSE, Move.HALT, Move.SUCCEED, Move.FAIL, Move.CANCEL)
    assert [move for move in owner if sources(move) != {RunState.RUNNING}] == []


@pytest.mark.parametrize("state", RunState)
def test_can_says_what_the_table_says(state):
    """One look-up, the same answer."""
    assert {move for move in Move if can(move, state)} == {move for move, (froms, _) in MOVES.items() if state in froms}
