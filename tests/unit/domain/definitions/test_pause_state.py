"""A pause holds up to its end, which belongs to it no more."""

from types import SimpleNamespace

import pytest

from mainspring.domain.definitions.pause_state import is_paused


@pytest.mark.parametrize(
    ("at", "until", "pause_holds"), [(None, None, False), (1, None, True), (1, 11, True), (1, 10, False), (1, 0, False)]
)
def test_pause_holds_until_its_end(at, until, pause_holds):
    """Without an end it holds until someone resumes it."""
    assert is_paused(SimpleNamespace(paused_at=at, paused_until=until), 10) is pause_holds
