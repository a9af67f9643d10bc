"""Links in messages: what a key signed opens for a while, and nothing else does."""

from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.access.incident_link import (
    LINK_LIFETIME_S,
    MIN_LINK_KEY_LENGTH,
    IncidentLinkToken,
    verify_link_token,
)

KEY, OTHER = "k" * MIN_LINK_KEY_LENGTH, "o" * MIN_LINK_KEY_LENGTH
NOW = 1_800_000_000
GRANT = IncidentLinkToken("i_01abc", 2, NOW + LINK_LIFETIME_S)


def test_link_opens_what_it_names_until_its_end():
    """Signed by the first key, opened by any of a rotation; over at its end, and with its key."""
    token = GRANT.token(KEY)
    assert verify_link_token(token, [KEY], NOW) == verify_link_token(token, [OTHER, KEY], NOW) == GRANT
    assert verify_link_token(token, [KEY], NOW + LINK_LIFETIME_S) is None
    assert verify_link_token(token, [OTHER], NOW) is None
    assert verify_link_token(token, [], NOW) is None


def test_grant_that_was_made_to_last_longer_is_none():
    """Anyone who signs, no link lives for more than seven days."""
    assert verify_link_token(IncidentLinkToken("i_01abc", 1, NOW + LINK_LIFETIME_S + 1).token(KEY), [KEY], NOW) is None


def test_short_key_opens_nothing():
    """It could be found by trying."""
    assert verify_link_token(GRANT.token("short"), ["short"], NOW) is None


@given(st.data())
def test_changed_token_opens_nothing(data):
    """Whatever character is changed."""
    token = GRANT.token(KEY)
    place = data.draw(st.integers(0, len(token) - 1))
    changed = token[:place] + data.draw(st.characters()) + token[place + 1 :]
    found = verify_link_token(changed, [KEY], NOW)
    assert found is None or changed == token


@given(st.text())
def test_any_text_is_only_no_token(text):
    """Nothing raises."""
    assert verify_link_token(text, [KEY], NOW) is None
