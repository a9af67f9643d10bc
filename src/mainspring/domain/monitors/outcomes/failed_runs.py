"""Failed runs: by a permanent error or with their retries used up, and runs that need a person.

One finding for each incident. It covers its members, the failed runs that belong to it, and lasts while one of them is open. Runs of one
error belong together; if all runs are about the same thing (`healthy = "automation"`), all failures of the automation do.
"""

from collections.abc import Container, Iterator, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from mainspring.domain.incidents.incident import (
    MEMBERS_FACT,
    MUST_NOTIFY_FACT,
    Finding,
    IncidentKind,
    Severity,
    Subject,
)
from mainspring.domain.incidents.incident_members import FIXED_SETTLEMENTS, HealthRule, Settlement, describe_members
from mainspring.domain.monitors.inputs import MonitorInputs, NewFailure, OpenFailure, WatchedAutomation
from mainspring.domain.monitors.monitor import Evaluation, Monitor, evaluate_automation
from mainspring.domain.monitors.timing.success_outlook import describe_outlook
from mainspring.domain.monitors.tuning import Tuning
from mainspring.domain.states import FailureReason, RunState

_MAX_LISTED_RUNS = 5
_FAILED_KINDS: Final = (IncidentKind.PERMANENT_ERROR, IncidentKind.RETRIES_EXHAUSTED)
_END_TEXTS = {
    IncidentKind.PERMANENT_ERROR: "failed",
    IncidentKind.RETRIES_EXHAUSTED: "failed after all retries",
    IncidentKind.NEEDS_ATTENTION: "needs a person",
}
"""The number of such runs is the incident's number, which grows while this line stays."""
FAILURE_KINDS: Final = frozenset(_END_TEXTS)
"""The incidents that have members."""
_UNREPORTED_REASONS = frozenset({FailureReason.DISCARDED.value})
"""A person did it, and knows."""


class _RunCount(NamedTuple):
    """How many runs failed, and how many of them are open and fixed."""

    failed: int = 0
    open: int = 0
    fixed: int = 0


def incident_kind(failure: NewFailure) -> IncidentKind | None:
    """Return the kind of incident of a failure; None = no notification is needed."""
    if failure.state == RunState.NEEDS_ATTENTION:
        return IncidentKind.NEEDS_ATTENTION
    if failure.state != RunState.FAILED or failure.reason in _UNREPORTED_REASONS:
        return None
    exhausted = failure.reason == FailureReason.RETRIES_EXHAUSTED
    return IncidentKind.RETRIES_EXHAUSTED if exhausted else IncidentKind.PERMANENT_ERROR


def assign_subjects(failures: Sequence[NewFailure], known: Container[Subject]) -> list[Subject | None]:
    """Return the incident of each failure, in their order; None = no notification is needed. `known` = incidents that are open."""
    subjects: list[Subject | None] = []
    by_automation: dict[str, Subject] = {}
    for failure in failures:
        kind = incident_kind(failure)
        if kind is None:
            subjects.append(None)
        elif kind is IncidentKind.NEEDS_ATTENTION or failure.healthy is not HealthRule.AUTOMATION:
            subjects.append(Subject(failure.automation, kind, failure.fingerprint))
        else:
            candidates = (Subject(failure.automation, failed_kind) for failed_kind in _FAILED_KINDS)
            opened = next((subject for subject in candidates if subject in known), Subject(failure.automation, kind))
            subjects.append(by_automation.setdefault(failure.automation, opened))
    return subjects


def evaluate(kind: IncidentKind, facts: MonitorInputs, _tuning: Tuning, now_at: int) -> Iterator[Evaluation]:
    """Evaluate the new failures, the first of each incident first, then the incidents whose members are still open.

    If all new failures of an incident are settled already, no notification is needed.
    """
    failures = sorted(facts.faults, key=lambda failure: (failure.at, failure.run))
    groups: dict[Subject, list[NewFailure]] = {}
    for failure, subject in zip(failures, assign_subjects(failures, facts.open), strict=True):
        if subject is not None and subject.kind is kind:
            groups.setdefault(subject, []).append(failure)
    groups = {subject: group for subject, group in groups.items() if any(failure.settled is None for failure in group)}
    failing = {
        open_failure.incident.subject: open_failure
        for open_failure in facts.failing
        if open_failure.incident.subject.kind is kind
    }
    if not groups and not failing:
        return
    known = {automation.name: automation for automation in facts.automations}
    for subject, new_failures in groups.items():
        automation = known.get(subject.automation, WatchedAutomation(name=subject.automation))
        yield _evaluate_subject(
            subject, automation, new_failures, failing.get(subject), facts.changed.get(subject), now_at
        )
    for subject, before in failing.items():
        if subject not in groups:
            yield _evaluate_unchanged(before, known.get(subject.automation))


def _evaluate_subject(
    subject: Subject,
    automation: WatchedAutomation,
    failures: list[NewFailure],
    before: OpenFailure | None,
    changed: str | None,
    now_at: int,
) -> Evaluation:
    kind, newest = subject.kind, next(failure for failure in reversed(failures) if failure.settled is None)
    facts_before = {} if before is None else before.incident.facts
    runs = list(dict.fromkeys(failure.run for failure in failures))
    metrics: dict[str, Any] = {
        "faults": len(failures),
        "first_at": min(failures[0].at, facts_before.get("first_at", failures[0].at)),
        "last_at": newest.at,
        "reason": newest.reason,
        "runs": runs[-_MAX_LISTED_RUNS:],
    }
    if newest.code:
        metrics["code"] = newest.code
    if changed:
        metrics["changed"] = changed
    metrics |= _describe_runs(kind, _count_runs(failures), before)
    if kind is IncidentKind.PERMANENT_ERROR and newest.healthy is HealthRule.AUTOMATION:
        metrics[MUST_NOTIFY_FACT] = True
    metrics |= describe_outlook(automation, now_at)
    if kind is IncidentKind.NEEDS_ATTENTION:
        metrics["next_try_at"] = None  # its schedule starts another run
    return evaluate_automation(
        automation,
        kind,
        metrics,
        failures[0].at,
        f"{_describe_end(incident_kind(newest) or kind, automation)}: {newest.text}",
        hint=_suggest_command(kind, newest.run),
        cause=f"fingerprint:{newest.fingerprint}" if newest.fingerprint else None,
        at_most=Severity.PAGE,
        fingerprint=subject.fingerprint,
        number=len(failures),
    )


def _evaluate_unchanged(before: OpenFailure, automation: WatchedAutomation | None) -> Evaluation:
    """Evaluate an incident without new failures: some members are open, or none is."""
    incident = before.incident
    subject, facts = incident.subject, dict(incident.facts)
    metrics = facts | _describe_runs(subject.kind, _RunCount(), before)
    if not before.open or before.newest is None:
        return Evaluation(subject, metrics)
    runs = [run for run in metrics.get("runs", ()) if run != before.newest]
    metrics["runs"] = [*runs, before.newest][-_MAX_LISTED_RUNS:]
    finding = Finding(
        subject=subject,
        severity=incident.severity if automation is None else automation.tier,
        text=incident.text,
        since_at=incident.since_at,
        hint=_suggest_command(subject.kind, before.newest),
        facts=metrics,
        cause=f"fingerprint:{subject.fingerprint}" if subject.fingerprint else None,
    )
    return Evaluation(subject, metrics, finding)


def _count_runs(failures: Sequence[NewFailure]) -> _RunCount:
    """Count the runs of these failures by settlement. A run that failed once more is counted by its later failure."""
    last = {failure.run: failure.settled for failure in failures if failure.settled is not Settlement.FAILED_AGAIN}
    settled = list(last.values())
    return _RunCount(len(settled), settled.count(None), sum(settlement in FIXED_SETTLEMENTS for settlement in settled))


def _describe_runs(kind: IncidentKind, new: _RunCount, before: OpenFailure | None) -> dict[str, Any]:
    """Return how many runs failed, are fixed and are open, in words, if there is more than one."""
    failed, open_, fixed = new
    if before is not None:
        failed, open_, fixed = failed + before.failed, open_ + before.open, fixed + before.fixed
    text = describe_members(failed, open_, fixed, halted=kind is IncidentKind.NEEDS_ATTENTION)
    return {} if text is None else {MEMBERS_FACT: text}


def _suggest_command(kind: IncidentKind, run: str) -> str:
    return f"mainspring {'explain' if kind is IncidentKind.NEEDS_ATTENTION else 'runs show'} {run}"


def _describe_end(kind: IncidentKind, automation: WatchedAutomation) -> str:
    """Return how the run ended, in words; a command that is tried once had no retries to use up."""
    retry = automation.option("retry")
    tries = retry.get("attempts") if isinstance(retry, dict) else 1 if automation.kind == "exec" else None
    return (
        _END_TEXTS[IncidentKind.PERMANENT_ERROR]
        if kind is IncidentKind.RETRIES_EXHAUSTED and tries == 1
        else _END_TEXTS[kind]
    )


def _make_monitor(kind: IncidentKind, line: str, condition: str) -> Monitor:
    return Monitor(
        kind=kind,
        line=line,
        rule=f"Open while the incident has an open member: a run that {condition}, and that nothing has settled.",
        tuning=Tuning(),
        evaluate=partial(evaluate, kind),
    )


MONITORS = (
    _make_monitor(
        IncidentKind.PERMANENT_ERROR,
        "A run failed by an error that another attempt cannot fix.",
        "failed for another reason than retries_exhausted",
    ),
    _make_monitor(
        IncidentKind.RETRIES_EXHAUSTED,
        "A run failed by a transient error after its last attempt.",
        "failed with reason retries_exhausted",
    ),
    _make_monitor(
        IncidentKind.NEEDS_ATTENTION,
        "A run cannot continue before a person decides.",
        "is in needs_attention",
    ),
)
