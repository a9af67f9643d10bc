"""Findings of a monitor on one subject, for people: a word, and each measured value."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mainspring.domain.incidents.incident import MUST_NOTIFY_FACT
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.domain.text.phrases import format_metric
from mainspring.insight.text.formatting import format_moment

_LABELS = {
    "faults": "failures",
    "first_at": "first",
    "last_at": "last",
    "code": "error",
    "helped": "manual interventions",
    "why": "because",
    "lasts_ms": "for",
    "failed_share": "share failed",
    "helped_share": "share with manual intervention",
    "limit_share": "share allowed",
    "on_weekends": "on weekends",
}
_UNITS = ("_at", "_ms", "_bytes", "_share")
_NAME = re.compile(r"\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+\b")
_WORDS = frozenset({"code", "reason", "kind"})
"""Values that are words of ours, such as not_produced."""


def finding_word(evaluation: Evaluation) -> str:
    """Return "failing", "healthy", or "unsure" if the monitor cannot decide yet."""
    if evaluation.finding is not None:
        return "failing"
    return "healthy" if evaluation.unsure is None else "unsure"


def sort_by_problem(found: Iterable[Evaluation]) -> list[Evaluation]:
    """Return evaluations in order: failing, unsure, healthy."""
    return sorted(
        found, key=lambda evaluation: (evaluation.finding is None, evaluation.unsure is None, evaluation.subject)
    )


def label_metric(name: str) -> str:
    """Return the label of a measured value: "share failed", "grace"; its unit is part of the value."""
    label = _LABELS.get(name)
    if label is not None:
        return label
    unit = next((unit for unit in _UNITS if name.endswith(unit)), "")
    return name.removesuffix(unit).replace("_", " ")


def format_rule(rule: str) -> str:
    """Return the rule of a monitor with the labels of its values, in quotes: "Wrong from 'late' on"."""

    def label(found: re.Match[str]) -> str:
        name = found[0]
        return f"'{label_metric(name)}'" if name in _LABELS or name.endswith(_UNITS) else name

    return _NAME.sub(label, rule)


def format_metric_in_zone(name: str, value: Any, now: int, zone: str) -> str:
    """Return a measured value: instants on the clock of a zone, spans in units."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_at") and isinstance(value, int):
        return format_moment(value, now, zone)
    return ", ".join(map(str, value)) if isinstance(value, list) else format_metric(name, value)


def list_metrics(measured: Mapping[str, Any], now: int, zone: str) -> list[tuple[str, str]]:
    """Return the measured values of an incident for people, without empty ones and those for Mainspring only."""
    rows = []
    for name, value in measured.items():
        if value is None or name == MUST_NOTIFY_FACT or (name, value) == ("faults", 1):
            continue
        text = format_metric_in_zone(name, value, now, zone)
        rows.append((label_metric(name), text.replace("_", " ") if name in _WORDS else text))
    return rows
