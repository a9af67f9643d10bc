"""Runs that failed, by a permanent error or with their retries used up, and runs that need a person.

One finding for each incident. It stands for its members, the failed runs that belong to it, and lasts while one of them is open.
Runs of one error belong together; where all runs are about the same thing (`healthy = "automation"`) all failures of the automation do.
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

_SHOWN = 5
_FAILED_KINDS: Final = (IncidentKind.PERMANENT_ERROR, IncidentKind.RETRIES_EXHAUSTED)
_END_TEXTS = {
    IncidentKind.PERMANENT_ERROR: "failed",
    IncidentKind.RETRIES_EXHAUSTED: "failed after all retries",
    IncidentKind.NEEDS_ATTENTION: "needs a person",
}
"""How many runs did so is the incident's number, which grows while this line stays."""
FAILURE_KINDS: Final = frozenset(_END_TEXTS)
"""The incidents that have members."""
_UNREPORTED_REASONS = frozenset({FailureReason.DISCARDED.value})
"""A person did it, and knows."""


class _RunCount(NamedTuple):
    """How many runs failed, and how many of them are open and fixed."""

    failed: int = 0
    open: int = 0
    fixed: int = 0


def incident_kind(fault: NewFailure) -> IncidentKind | None:
    """Return the kind of incident that a fault is; None = nobody needs to be told."""
    if fault.state == RunState.NEEDS_ATTENTION:
        return IncidentKind.NEEDS_ATTENTION
    if fault.state != RunState.FAILED or fault.reason in _UNREPORTED_REASONS:
        return None
    exhausted = fault.reason == FailureReason.RETRIES_EXHAUSTED
    return IncidentKind.RETRIES_EXHAUSTED if exhausted else IncidentKind.PERMANENT_ERROR


def assign_subjects(faults: Sequence[NewFailure], known: Container[Subject]) -> list[Subject | None]:
    """Return the incident that each fault belongs to, in their order; `known` = incidents that are open. None = no one needs to be told."""
    found: list[Subject | None] = []
    whole: dict[str, Subject] = {}
    for fault in faults:
        kind = incident_kind(fault)
        if kind is None:
            found.append(None)
        elif kind is IncidentKind.NEEDS_ATTENTION or fault.healthy is not HealthRule.AUTOMATION:
            found.append(Subject(fault.automation, kind, fault.fingerprint))
        else:
            same = (Subject(fault.automation, one) for one in _FAILED_KINDS)
            opened = next((one for one in same if one in known), Subject(fault.automation, kind))
            found.append(whole.setdefault(fault.automation, opened))
    return found


def evaluate(kind: IncidentKind, facts: MonitorInputs, _tuning: Tuning, now_at: int) -> Iterator[Evaluation]:
    """Judge the new failures, the first of each incident first, then the incidents whose members are still open.

    If all new failures of an incident are settled already, no one needs to be notified of them.
    """
    faults = sorted(facts.faults, key=lambda fault: (fault.at, fault.run))
    groups: dict[Subject, list[NewFailure]] = {}
    for fault, subject in zip(faults, assign_subjects(faults, facts.open), strict=True):
        if subject is not None and subject.kind is kind:
            groups.setdefault(subject, []).append(fault)
    groups = {subject: group for subject, group in groups.items() if any(fault.settled is None for fault in group)}
    failing = {one.incident.subject: one for one in facts.failing if one.incident.subject.kind is kind}
    if not groups and not failing:
        return
    known = {one.name: one for one in facts.automations}
    for subject, found in groups.items():
        one = known.get(subject.automation, WatchedAutomation(name=subject.automation))
        yield _evaluate_subject(subject, one, found, failing.get(subject), facts.changed.get(subject), now_at)
    for subject, before in failing.items():
        if subject not in groups:
            yield _evaluate_unchanged(before, known.get(subject.automation))


def _evaluate_subject(
    subject: Subject,
    one: WatchedAutomation,
    faults: list[NewFailure],
    before: OpenFailure | None,
    changed: str | None,
    now_at: int,
) -> Evaluation:
    kind, newest = subject.kind, next(fault for fault in reversed(faults) if fault.settled is None)
    was = {} if before is None else before.incident.facts
    runs = list(dict.fromkeys(fault.run for fault in faults))
    figures: dict[str, Any] = {
        "faults": len(faults),
        "first_at": min(faults[0].at, was.get("first_at", faults[0].at)),
        "last_at": newest.at,
        "reason": newest.reason,
        "runs": runs[-_SHOWN:],
    }
    if newest.code:
        figures["code"] = newest.code
    if changed:
        figures["changed"] = changed
    figures |= _describe_runs(kind, _count_runs(faults), before)
    if kind is IncidentKind.PERMANENT_ERROR and newest.healthy is HealthRule.AUTOMATION:
        figures[MUST_NOTIFY_FACT] = True
    figures |= describe_outlook(one, now_at)
    if kind is IncidentKind.NEEDS_ATTENTION:
        figures["next_try_at"] = None  # what its schedule starts is another run
    return evaluate_automation(
        one,
        kind,
        figures,
        faults[0].at,
        f"{_describe_end(incident_kind(newest) or kind, one)}: {newest.text}",
        hint=_suggest_command(kind, newest.run),
        cause=f"fingerprint:{newest.fingerprint}" if newest.fingerprint else None,
        at_most=Severity.PAGE,
        fingerprint=subject.fingerprint,
        number=len(faults),
    )


def _evaluate_unchanged(before: OpenFailure, one: WatchedAutomation | None) -> Evaluation:
    """Say of an incident of which nothing is new that its members are open, or that none is."""
    incident = before.incident
    subject, facts = incident.subject, dict(incident.facts)
    figures = facts | _describe_runs(subject.kind, _RunCount(), before)
    if not before.open or before.newest is None:
        return Evaluation(subject, figures)
    runs = [run for run in figures.get("runs", ()) if run != before.newest]
    figures["runs"] = [*runs, before.newest][-_SHOWN:]
    finding = Finding(
        subject=subject,
        severity=incident.severity if one is None else one.tier,
        text=incident.text,
        since_at=incident.since_at,
        hint=_suggest_command(subject.kind, before.newest),
        facts=figures,
        cause=f"fingerprint:{subject.fingerprint}" if subject.fingerprint else None,
    )
    return Evaluation(subject, figures, finding)


def _count_runs(faults: Sequence[NewFailure]) -> _RunCount:
    """Count the runs of these failures, by what became of each. A run that failed once more is counted by its later failure."""
    last = {fault.run: fault.settled for fault in faults if fault.settled is not Settlement.FAILED_AGAIN}
    settled = list(last.values())
    return _RunCount(len(settled), settled.count(None), sum(how in FIXED_SETTLEMENTS for how in settled))


def _describe_runs(kind: IncidentKind, new: _RunCount, before: OpenFailure | None) -> dict[str, Any]:
    """Return how many runs failed, are fixed and are open, in words, where there is more than one."""
    failed, open_, fixed = new
    if before is not None:
        failed, open_, fixed = failed + before.failed, open_ + before.open, fixed + before.fixed
    text = describe_members(failed, open_, fixed, halted=kind is IncidentKind.NEEDS_ATTENTION)
    return {} if text is None else {MEMBERS_FACT: text}


def _suggest_command(kind: IncidentKind, run: str) -> str:
    return f"mainspring {'explain' if kind is IncidentKind.NEEDS_ATTENTION else 'runs show'} {run}"


def _describe_end(kind: IncidentKind, one: WatchedAutomation) -> str:
    """Return what became of it in words; a command that is tried once had no other tries that could be used up."""
    retry = one.option("retry")
    tries = retry.get("attempts") if isinstance(retry, dict) else 1 if one.kind == "exec" else None
    return (
        _END_TEXTS[IncidentKind.PERMANENT_ERROR]
        if kind is IncidentKind.RETRIES_EXHAUSTED and tries == 1
        else _END_TEXTS[kind]
    )


def _make_monitor(kind: IncidentKind, line: str, which: str) -> Monitor:
    return Monitor(
        kind=kind,
        line=line,
        rule=f"Wrong while a run is an open member of the incident: {which}, and nothing has settled it.",
        tuning=Tuning(),
        judge=partial(evaluate, kind),
    )


MONITORS = (
    _make_monitor(
        IncidentKind.PERMANENT_ERROR,
        "A run failed by an error that another try cannot mend.",
        "the run failed, and not because its retries are used up",
    ),
    _make_monitor(
        IncidentKind.RETRIES_EXHAUSTED,
        "A run failed by a passing error that outlasted its retries.",
        "the run failed with reason retries_exhausted",
    ),
    _make_monitor(
        IncidentKind.NEEDS_ATTENTION,
        "A run cannot go on before a person decides.",
        "the run is in needs_attention",
    ),
)
