"""What a monitor says of one subject, as people read it: a word, and each figure by which it judged."""

from collections.abc import Iterable
from typing import Any

from mainspring.domain.monitors.judged import Judged
from mainspring.domain.monitors.words import figure
from mainspring.insight.words import moment


def verdict_word(one: Judged) -> str:
    """Return "wrong", "well", or "unsure" where it cannot be said yet."""
    if one.finding is not None:
        return "wrong"
    return "well" if one.unsure is None else "unsure"


def wrong_first(found: Iterable[Judged]) -> list[Judged]:
    """Return them in order: what is wrong, what cannot be said yet, what is well."""
    return sorted(found, key=lambda one: (one.finding is None, one.unsure is None, one.subject))


def figure_text(name: str, value: Any, now: int, zone: str) -> str:
    """Return a figure by which something was judged: instants on the clock of a zone, spans in units."""
    if name.endswith("_at") and isinstance(value, int):
        return moment(value, now, zone)
    return ", ".join(map(str, value)) if isinstance(value, list) else figure(name, value)
