"""Choices as words."""

from mainspring.domain.monitors.words import either


def test_choices_are_joined_as_people_do():
    """One, two and more of them."""
    assert either(["a"]) == "a"
    assert either(("a", "b")) == "a or b"
    assert either(word for word in "abc") == "a, b or c"
