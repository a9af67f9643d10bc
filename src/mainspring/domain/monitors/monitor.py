"""Monitors and their evaluations."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, WatchedAutomation
from mainspring.domain.monitors.tuning import Tuning


class Evaluation(Struct, frozen=True):
    """The state of one subject: the figures it was evaluated by, the problem (None = healthy), or why the state is not known yet.

    Names of figures give their unit: `_at` an instant, `_ms` a span, `_bytes` a size, `_share` a part of one; all others are plain values.
    """

    subject: Subject
    figures: dict[str, Any]
    finding: Finding | None = None
    unsure: str | None = None


Evaluator = Callable[[MonitorInputs, Any, int], Iterator[Evaluation]]
"""evaluate(inputs, tuning, now_at): an evaluation of each subject with figures. Pure."""


class Monitor(Struct, frozen=True, kw_only=True):
    """A monitor: `line` describes its problem, `rule` how that follows from the figures.

    A finding is a state: a subject that is neither failing nor unsure is healthy. `of_automations` = it evaluates automations, so that one
    may have a tuning of its own.
    """

    kind: IncidentKind
    line: str
    rule: str
    tuning: Tuning
    evaluate: Evaluator
    of_automations: bool = True


class EvaluationRound(Struct, frozen=True):
    """The result of all monitors that are on. `evaluated` = how many subjects each had figures of; `unsure` subjects keep their state."""

    findings: tuple[Finding, ...]
    unsure: frozenset[Subject]
    evaluated: Mapping[IncidentKind, int]


def evaluate_automation(
    automation: WatchedAutomation,
    kind: IncidentKind,
    metrics: dict[str, Any],
    since_at: int | None,
    text: str,
    *,
    hint: str | None = None,
    cause: str | None = None,
    at_most: Severity = Severity.PAGE,
    fingerprint: str = "",
    number: int = 1,
) -> Evaluation:
    """Return the evaluation of an automation: healthy if `since_at` is None, else failing since then, at most as severe as its tier."""
    subject, severity = Subject(automation.name, kind, fingerprint), automation.tier.at_most(at_most)
    return evaluate_subject(subject, severity, metrics, since_at, text, hint=hint, cause=cause, number=number)


def evaluate_subject(
    subject: Subject,
    severity: Severity,
    metrics: dict[str, Any],
    since_at: int | None,
    text: str,
    *,
    hint: str | None = None,
    cause: str | None = None,
    number: int = 1,
) -> Evaluation:
    """Return the evaluation of a subject, which may be Mainspring's own: healthy if `since_at` is None, else failing since then."""
    if since_at is None:
        return Evaluation(subject, metrics)
    finding = Finding(
        subject=subject,
        severity=severity,
        text=text,
        since_at=since_at,
        hint=hint,
        facts=metrics,
        cause=cause,
        number=number,
    )
    return Evaluation(subject, metrics, finding)


def highest_tier(automations: tuple[WatchedAutomation, ...]) -> Severity:
    """Return the most severe tier of these automations; `notify` if there are none."""
    return min((automation.tier for automation in automations), key=lambda tier: tier.rank, default=Severity.NOTIFY)
