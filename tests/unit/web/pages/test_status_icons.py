"""How an automation stands: each state has its sentence, its tone and its place in the page of words."""

from pathlib import Path

from mainspring.domain.derived_states import AutomationState
from mainspring.web.pages.status_icons import TONES

PAGE = Path(__file__).resolve().parents[4] / "docs" / "concepts.md"


def test_each_state_is_explained_and_has_a_tone():
    """None is drawn in the quietest by being forgotten."""
    text = PAGE.read_text(encoding="utf-8")
    assert [state for state in AutomationState if f"| `{state}` |" not in text] == []
    assert [state for state in AutomationState if state not in TONES] == []
