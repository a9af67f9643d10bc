"""Answer buttons: only what a key has signed is an answer, and only for a while."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.access.answer_button import AnswerButton, verify_answer_button
from mainspring.domain.access.incident_link import LINK_LIFETIME_S, IncidentLinkToken

KEY, OTHER = "a key that only the test knows", "another key, of a rotation"
BUTTON = AnswerButton("r_1", "ask:refund#1", 5, "approve", 1_000)


@given(st.text(max_size=40), st.text(max_size=20))
def test_token_is_read_as_it_was_signed(ident: str, choice: str) -> None:
    """Whatever text is in it; also with the key of a rotation."""
    button = AnswerButton("r_1", ident, 5, choice, 1_000)
    assert verify_answer_button(button.token(KEY), [OTHER, KEY], 999) == button


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "x.y",
        BUTTON.token(OTHER),
        BUTTON.token("short"),
        BUTTON.token(KEY)[:-1],
        f"A{BUTTON.token(KEY)}",
        IncidentLinkToken("i_1", 1, 1_000).token(KEY),
        "ü.x",
        "x" * 5_000,
    ],
)
def test_other_tokens_are_no_permission(token: str) -> None:
    """Those of other keys, changed ones, and those of links."""
    assert verify_answer_button(token, [KEY, "short"], 999) is None


@pytest.mark.parametrize("now_s", [1_000, 1_001, 999 - LINK_LIFETIME_S])
def test_token_ends(now_s: int) -> None:
    """And one that lives too long is none of ours."""
    assert verify_answer_button(BUTTON.token(KEY), [KEY], now_s) is None
