"""What a monitor says of one subject, as people read it: a word, and each figure by which it judged."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mainspring.domain.incidents.incident import MUST_NOTIFY_FACT
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.domain.text.phrases import format_figure
from mainspring.insight.text.formatting import format_moment

_LABELS = {
    "faults": "failures",
    "first_at": "first",
    "last_at": "last",
    "code": "error",
    "helped": "helped by hand",
    "why": "because",
    "lasts_ms": "for",
    "failed_share": "share failed",
    "helped_share": "share helped by hand",
    "limit_share": "share allowed",
    "on_weekends": "on weekends",
}
_UNITS = ("_at", "_ms", "_bytes", "_share")
_NAME = re.compile(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b")
_WORDS = frozenset({"code", "reason", "kind"})
"""Figures whose value is a word of ours, such as not_produced."""


def finding_word(one: Evaluation) -> str:
    """Return "wrong", "well", or "unsure" where it cannot be said yet."""
    if one.finding is not None:
        return "wrong"
    return "well" if one.unsure is None else "unsure"


def sort_by_problem(found: Iterable[Evaluation]) -> list[Evaluation]:
    """Return them in order: what is wrong, what cannot be said yet, what is well."""
    return sorted(found, key=lambda one: (one.finding is None, one.unsure is None, one.subject))


def label_figure(name: str) -> str:
    """Return how a figure is called where people read it: "share failed", "grace"; its unit stands with its value."""
    label = _LABELS.get(name)
    if label is not None:
        return label
    unit = next((unit for unit in _UNITS if name.endswith(unit)), "")
    return name.removesuffix(unit).replace("_", " ")


def format_rule(rule: str) -> str:
    """Return the rule of a monitor with its figures called as they are shown beside it, in quotes: "Wrong from 'late' on"."""

    def label(found: re.Match[str]) -> str:
        name = found[0]
        return f"'{label_figure(name)}'" if name in _LABELS or name.endswith(_UNITS) else name

    return _NAME.sub(label, rule)


def format_figure_in_zone(name: str, value: Any, now: int, zone: str) -> str:
    """Return a figure by which something was judged: instants on the clock of a zone, spans in units."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_at") and isinstance(value, int):
        return format_moment(value, now, zone)
    return ", ".join(map(str, value)) if isinstance(value, list) else format_figure(name, value)


def list_figures(figures: Mapping[str, Any], now: int, zone: str) -> list[tuple[str, str]]:
    """Return the figures of an incident as people read them; what has no value, and what is for Mainspring alone, is left out."""
    rows = []
    for name, value in figures.items():
        if value is None or name == MUST_NOTIFY_FACT or (name, value) == ("faults", 1):
            continue
        text = format_figure_in_zone(name, value, now, zone)
        rows.append((label_figure(name), text.replace("_", " ") if name in _WORDS else text))
    return rows
