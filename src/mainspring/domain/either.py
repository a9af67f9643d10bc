"""Several choices as words."""

from collections.abc import Iterable


def either(words: Iterable[str]) -> str:
    """Return "a, b or c" of one word or more."""
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last
