"""What monitors say, and what a monitor is."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs, WatchedAutomation
from mainspring.domain.monitors.tuning import Tuning


class Evaluation(Struct, frozen=True):
    """One subject: the figures that it was judged by, what is wrong (None = well), or why nothing can be said yet.

    Names of figures tell their unit: `_at` an instant, `_ms` a span, `_bytes` a size, `_share` a part of one; everything else is as it is.
    """

    subject: Subject
    figures: dict[str, Any]
    finding: Finding | None = None
    unsure: str | None = None


Evaluator = Callable[[MonitorInputs, Any, int], Iterator[Evaluation]]
"""judge(facts, tuning, now_at): what it has figures of. Pure."""


class Monitor(Struct, frozen=True, kw_only=True):
    """`line` says what is wrong when it finds something, `rule` how that follows from the figures.

    What it finds is a state: whatever is not found wrong, nor unsure, is well.
    `of_automations` = what it judges is an automation's, so that one may have a tuning of its own.
    """

    kind: IncidentKind
    line: str
    rule: str
    tuning: Tuning
    judge: Evaluator
    of_automations: bool = True


class EvaluationRound(Struct, frozen=True):
    """What all monitors that are on say. `judged` = how many subjects each had figures of; who is `unsure` stays as it is."""

    findings: tuple[Finding, ...]
    unsure: frozenset[Subject]
    judged: Mapping[IncidentKind, int]


def evaluate_automation(
    one: WatchedAutomation,
    kind: IncidentKind,
    figures: dict[str, Any],
    since_at: int | None,
    text: str,
    *,
    hint: str | None = None,
    cause: str | None = None,
    at_most: Severity = Severity.PAGE,
    fingerprint: str = "",
    number: int = 1,
) -> Evaluation:
    """Return what is said of an automation: well where `since_at` is None, else wrong since then, as loudly as its tier."""
    subject, severity = Subject(one.name, kind, fingerprint), one.tier.at_most(at_most)
    return evaluate_subject(subject, severity, figures, since_at, text, hint=hint, cause=cause, number=number)


def evaluate_subject(
    subject: Subject,
    severity: Severity,
    figures: dict[str, Any],
    since_at: int | None,
    text: str,
    *,
    hint: str | None = None,
    cause: str | None = None,
    number: int = 1,
) -> Evaluation:
    """Return the verdict on a subject, which may be Mainspring's own: healthy where `since_at` is None, else failing since then."""
    if since_at is None:
        return Evaluation(subject, figures)
    finding = Finding(
        subject=subject,
        severity=severity,
        text=text,
        since_at=since_at,
        hint=hint,
        facts=figures,
        cause=cause,
        number=number,
    )
    return Evaluation(subject, figures, finding)


def highest_tier(automations: tuple[WatchedAutomation, ...]) -> Severity:
    """Return the loudest tier among those that need what is Mainspring's own; `notify` where nobody does."""
    return min((one.tier for one in automations), key=lambda tier: tier.rank, default=Severity.NOTIFY)
