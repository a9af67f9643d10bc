"""Choices as words."""

from mainspring.domain.text.phrases import join_choices


def test_choices_are_joined_as_people_do():
    """One, two and more of them."""
    assert join_choices(["a"]) == "a"
    assert join_choices(("a", "b")) == "a or b"
    assert join_choices(word for word in "abc") == "a, b or c"
