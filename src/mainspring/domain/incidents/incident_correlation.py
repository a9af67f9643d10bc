"""Incident correlation: a finding that another incident explains is grouped under it, and so are many findings with one cause.

Pure: from the findings of one evaluation and the open incidents to the incident that each is part of. A grouped finding is stored, shown
and resolved like any other; only its parent is notified. If the parent ends and the finding stays, the finding is notified itself.

Only an incident that is notified explains others: one that was acknowledged or snoozed accepts no new parts, because no one would be
notified of them, and no incident accepts a part that is louder than itself. Earlier parts stay.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Final

from mainspring.domain.incidents.incident import Finding, Incident, IncidentKind, Severity, Subject
from mainspring.domain.states import IncidentState

STORM_SIZE = 11
"""This many new findings of one cause make a storm."""
LOAD_FAILURE_PREFIX: Final = "load:"
"""The start of a cause that is one place to fix, whatever depends on it: two new findings make a storm."""
_MIN_LOAD_FAILURES = 2
_MAX_NAMED = 5
_NUMBERED = re.compile(r"(.*) \(([2-9]|[1-9][0-9]{1,8})\)", re.DOTALL)
"""A storm of a cause that has another one already."""
_MAINSPRING = ""
"""The automation of Mainspring's own incidents."""

_OVERDUE = frozenset(
    {IncidentKind.SILENCE, IncidentKind.LATE_START, IncidentKind.BACKLOG, IncidentKind.BACKLOG_GROWING}
)
EXPLAINED_BY_SYSTEM: Final = {
    IncidentKind.WORKER_LOST: _OVERDUE
    | {IncidentKind.DEFINITION_LOST, IncidentKind.UNSERVED, IncidentKind.DEBOUNCE_HELD},
    IncidentKind.COMMITS_LOST: _OVERDUE | {IncidentKind.DEBOUNCE_HELD},
    IncidentKind.CODEC_UNAVAILABLE: _OVERDUE | {IncidentKind.TOO_SLOW, IncidentKind.STALLED},
    IncidentKind.CLOCK_REGRESSION: frozenset(
        {IncidentKind.SILENCE, IncidentKind.LATE_START, IncidentKind.CADENCE_DRIFT}
    ),
}
"""Mainspring's own incidents -> the kinds that follow from them for every automation."""
EXPLAINED_BY_AUTOMATION: Final = {
    IncidentKind.DEFINITION_LOST: _OVERDUE | {IncidentKind.SOURCE_UNREACHABLE},
    IncidentKind.SOURCE_UNREACHABLE: frozenset({IncidentKind.SILENCE}),
    IncidentKind.LOCK_HELD: _OVERDUE,
    IncidentKind.NEEDS_ATTENTION: _OVERDUE | {IncidentKind.PARTITION_HELD},
    IncidentKind.PARTITION_HELD: _OVERDUE,
    IncidentKind.UNSERVED: _OVERDUE,
    IncidentKind.DELIVERY_REJECTED: frozenset({IncidentKind.SILENCE}),
    IncidentKind.DELIVERY_FAILED: frozenset({IncidentKind.SILENCE}),
    IncidentKind.SENDER_REJECTED: frozenset({IncidentKind.SILENCE}),
    IncidentKind.SECRET_MISSING: frozenset({IncidentKind.SILENCE}),
    IncidentKind.DEBOUNCE_HELD: frozenset({IncidentKind.SILENCE}),
    IncidentKind.PERMANENT_ERROR: frozenset({IncidentKind.SILENCE, IncidentKind.FAIL_RATE}),
    IncidentKind.RETRIES_EXHAUSTED: frozenset({IncidentKind.SILENCE, IncidentKind.FAIL_RATE}),
    IncidentKind.TOO_SLOW: frozenset({IncidentKind.LATE_START, IncidentKind.CADENCE_DRIFT}),
    IncidentKind.DID_NOTHING: frozenset({IncidentKind.TOO_FAST}),
    IncidentKind.STALLED: _OVERDUE | {IncidentKind.TOO_SLOW},
    IncidentKind.HUMAN_WAIT: frozenset({IncidentKind.SILENCE, IncidentKind.PARTITION_HELD}),
    IncidentKind.LATE_START: frozenset({IncidentKind.SILENCE}),
    IncidentKind.BACKLOG: frozenset({IncidentKind.SILENCE, IncidentKind.LATE_START, IncidentKind.CADENCE_DRIFT}),
}
"""Incidents of an automation -> the kinds that follow from them for the same one."""
_ABOUT_ITEMS = frozenset(
    {
        IncidentKind.NEEDS_ATTENTION,
        IncidentKind.PARTITION_HELD,
        IncidentKind.DELIVERY_REJECTED,
        IncidentKind.DELIVERY_FAILED,
        IncidentKind.DEBOUNCE_HELD,
        IncidentKind.PERMANENT_ERROR,
        IncidentKind.RETRIES_EXHAUSTED,
        IncidentKind.STALLED,
        IncidentKind.HUMAN_WAIT,
    }
)
"""About single items. If another item succeeded since, it does not explain that the automation stopped."""
_ABOUT_A_PART = frozenset({IncidentKind.SENDER_REJECTED, IncidentKind.UNSERVED, IncidentKind.BACKLOG})
"""About one source or some runs. The same holds from when they opened: until then, work from before may still succeed."""
REDUNDANT_KINDS: Final = frozenset({IncidentKind.FAIL_RATE})
"""Kinds that count the very failures that explain them: they are part of that incident even after it was acknowledged."""
EARLIER_KINDS: Final = {IncidentKind.SILENCE: frozenset({IncidentKind.LATE_START})}
"""The kind reported first for an automation -> a kind that explains it and comes later if its period is short: the same problem again."""


def correlate(
    findings: Sequence[Finding],
    open_incidents: Iterable[Incident],
    parts: Mapping[str, int],
    succeeded_at: Mapping[str, int],
) -> tuple[list[Finding], dict[Subject, Subject]]:
    """Return the findings with the storms that they make, and the parent of each grouped one: never grouped itself, and listed before it.

    `parts` = how many parts each open incident has, by its id: more than the findings here. `succeeded_at` = the last success of each
    automation that had one (ms UTC).
    """
    known = _OpenIncidents(findings, open_incidents, parts, succeeded_at)
    parents: dict[Subject, Subject] = {}
    for finding in findings:
        parent = _find_explanation(finding, known)
        if parent is not None:
            parents[finding.subject] = parent
    storms = _find_storms([finding for finding in findings if finding.subject not in parents], known, parents)
    separate = [finding for finding in findings if finding.subject not in parents]
    grouped = [finding for finding in findings if finding.subject in parents]
    return [*storms, *separate, *grouped], {
        finding.subject: _find_root(finding.subject, parents) for finding in grouped
    }


class _OpenIncidents:
    """The open incidents: `open_now` = those from before this evaluation, `severities` = the severity of each, new findings too."""

    def __init__(
        self,
        findings: Iterable[Finding],
        open_incidents: Iterable[Incident],
        parts: Mapping[str, int],
        succeeded_at: Mapping[str, int],
    ) -> None:
        self.open_now = {incident.subject: incident for incident in open_incidents}
        self._by_id = {incident.id: incident for incident in self.open_now.values()}
        self.severities = {subject: incident.severity for subject, incident in self.open_now.items()}
        self._parts = parts
        self._succeeded_at = succeeded_at
        self._findings = {finding.subject: finding for finding in findings}
        self._storms: dict[str, dict[int, Incident]] = defaultdict(dict)
        for incident in self.open_now.values():
            if incident.subject.kind is IncidentKind.STORM:
                self._add_storm(incident)
        for finding in findings:
            self.severities[finding.subject] = _more_severe(
                finding.severity, self.severities.get(finding.subject, finding.severity)
            )
        self.by_automation: dict[str, set[Subject]] = defaultdict(set)
        for subject in self.severities:
            self.by_automation[subject.automation].add(subject)

    def may_hold(self, subject: Subject, finding: Finding) -> bool:
        """Whether a finding may be part of a subject's incident: it is no louder, and that one is notified, or it was part of it before."""
        if self.severities[finding.subject].rank < self.severities[subject].rank:
            return False
        ancestors = self._ancestors(subject)
        if finding.subject.kind in REDUNDANT_KINDS or all(
            ancestor.state is IncidentState.OPEN for ancestor in ancestors
        ):
            return True
        before = self.open_now.get(finding.subject)
        return before is not None and before.parent in {ancestor.id for ancestor in ancestors}

    def has_success_since(self, cause: Subject, later: Subject) -> bool:
        """Whether the automation succeeded after a cause began that is only about a part of it, so that it stopped for another reason."""
        succeeded_at = self._succeeded_at.get(cause.automation)
        if succeeded_at is None or later.kind not in _OVERDUE:
            return False
        before = self.open_now.get(cause)
        if cause.kind in _ABOUT_ITEMS:
            problem = before or self._findings[cause]
            opened_at = problem.facts.get("opened_at")  # a question is a problem only half of its time later
            return succeeded_at > (problem.since_at if opened_at is None else opened_at)
        return cause.kind in _ABOUT_A_PART and before is not None and succeeded_at > before.opened_at

    def is_unexplained(self, later: Subject) -> bool:
        """Whether any cause of the automation does not explain it, because of a success since."""
        return any(self.has_success_since(cause, later) for cause in self.by_automation[later.automation])

    def is_reported_first(self, subject: Subject, later: Subject) -> bool:
        """Whether a subject was reported by itself first, so that the later kind says nothing new."""
        before = self.open_now.get(subject)
        return before is not None and before.parent is None and later.kind in EARLIER_KINDS.get(subject.kind, ())

    def storms_of(self, cause: str) -> dict[int, Incident]:
        """Return the storms of a cause by their numbers, the first one first."""
        return dict(sorted(self._storms.get(cause, {}).items()))

    def _add_storm(self, storm: Incident) -> None:
        cause = storm.subject.fingerprint
        self._storms[cause][1] = storm
        numbered = _NUMBERED.fullmatch(cause)
        if numbered is not None:
            self._storms[numbered[1]][int(numbered[2])] = storm

    def number(self, storm: Incident | None, joins: Collection[Finding]) -> int:
        """Return how many parts a storm has with those that join it now."""
        if storm is None:
            return len(joins)
        return self._parts.get(storm.id, 0) + sum(not _is_part_of(finding, storm, self.open_now) for finding in joins)

    def _ancestors(self, subject: Subject) -> list[Incident]:
        """Return the incident of a subject and those that it is part of, as far as they are known."""
        ancestors: list[Incident] = []
        incident = self.open_now.get(subject)
        while incident is not None and incident not in ancestors:
            ancestors.append(incident)
            incident = self._by_id.get(incident.parent or "")
        return ancestors


def _find_root(subject: Subject, parents: Mapping[Subject, Subject]) -> Subject:
    while subject in parents:
        subject = parents[subject]
    return subject


def _find_explanation(finding: Finding, known: _OpenIncidents) -> Subject | None:
    """Return the explanation of a finding: Mainspring's own first, then the one that explains most."""
    subject = finding.subject
    system_causes = [
        cause for cause in known.by_automation[_MAINSPRING] if subject.kind in EXPLAINED_BY_SYSTEM.get(cause.kind, ())
    ]
    system_causes = [cause for cause in system_causes if known.may_hold(cause, finding)]
    if system_causes:
        return min(system_causes)
    candidates = [cause for cause in known.by_automation[subject.automation] if cause != subject]
    causes = [
        cause
        for cause in candidates
        if subject.kind in EXPLAINED_BY_AUTOMATION.get(cause.kind, ()) and not known.is_reported_first(subject, cause)
    ]
    causes = [
        cause for cause in causes if known.may_hold(cause, finding) and not known.has_success_since(cause, subject)
    ]
    reported_first = [
        cause for cause in candidates if known.is_reported_first(cause, subject) and known.may_hold(cause, finding)
    ]
    return min(
        causes,
        key=lambda cause: (-len(EXPLAINED_BY_AUTOMATION[cause.kind]), cause),
        default=min(reported_first, default=None),
    )


def _find_storms(findings: Sequence[Finding], known: _OpenIncidents, parents: dict[Subject, Subject]) -> list[Finding]:
    """Group findings of one cause, then of one automation, then of one kind, and return the storms; separate open incidents stay
    separate.
    """
    open_now = known.open_now
    left = [
        finding
        for finding in findings
        if finding.subject not in open_now or open_now[finding.subject].parent is not None
    ]
    storms: list[Finding] = []
    for shared_cause, is_wide in ((_cause_of, False), (_automation_of, False), (_kind_of, True)):
        by_cause: dict[str, list[Finding]] = defaultdict(list)
        for finding in left:
            if shared_cause is not _automation_of or not known.is_unexplained(finding.subject):
                by_cause[shared_cause(finding)].append(finding)
        for cause, group in sorted(by_cause.items()):
            for subject, joins in _fill_storms(cause, group, known, is_wide=is_wide):
                before = open_now.get(subject)
                storms.append(_make_storm(subject, joins, before, known.number(before, joins)))
                parents.update((finding.subject, subject) for finding in joins)
        left = [finding for finding in left if finding.subject not in parents]
    return storms


def _fill_storms(
    cause: str, findings: Sequence[Finding], known: _OpenIncidents, *, is_wide: bool
) -> Iterator[tuple[Subject, list[Finding]]]:
    """Yield the storms of a cause with the parts of each. If the last storm was acknowledged, the next one begins, with a number."""
    storms = known.storms_of(cause)
    number = next((index for index, storm in storms.items() if storm.state is IncidentState.OPEN), None)
    if number is None:
        number = next(index for index in count(1) if index not in storms)
    left = findings
    for storm in (storm for index, storm in storms.items() if index != number):
        parts: list[Finding] = []
        unassigned: list[Finding] = []
        for finding in left:
            is_part = _is_part_of(finding, storm, known.open_now) and known.may_hold(storm.subject, finding)
            (parts if is_part else unassigned).append(finding)
        if parts:
            yield storm.subject, parts
        left = unassigned
    subject = Subject("", IncidentKind.STORM, cause if number == 1 else f"{cause} ({number})")
    before = known.open_now.get(subject)
    joins = [finding for finding in left if not is_wide or _is_part_of(finding, before, known.open_now)]
    # A storm of many causes counts only findings that came together: a later single one may have another cause.
    counted = [finding for finding in left if not _is_part_of(finding, before, known.open_now)] if is_wide else left
    if len(counted) >= (_MIN_LOAD_FAILURES if cause.startswith(LOAD_FAILURE_PREFIX) else STORM_SIZE):
        joins = list(left)
    elif before is None:
        joins = []
    if joins:
        yield subject, joins


def _is_part_of(finding: Finding, storm: Incident | None, open_now: Mapping[Subject, Incident]) -> bool:
    """Whether it is part of a storm already. A storm of many causes accepts no single later finding: that may have another cause."""
    known = open_now.get(finding.subject)
    return storm is not None and known is not None and known.parent == storm.id


def _cause_of(finding: Finding) -> str:
    """Return the cause that findings share: the known one, else the error, else the kind."""
    subject = finding.subject
    return finding.cause or (f"error:{subject.fingerprint}" if subject.fingerprint else f"kind:{subject.kind}")


def _automation_of(finding: Finding) -> str:
    """Return the cause shared by all findings of one automation, whatever their errors."""
    return f"automation:{finding.subject.automation}"


def _kind_of(finding: Finding) -> str:
    """Return the last cause to share: so many problems of one kind in one evaluation."""
    return f"many:{finding.subject.kind}"


def _make_storm(subject: Subject, findings: Sequence[Finding], before: Incident | None, number: int) -> Finding:
    names = sorted({finding.subject.automation or "mainspring" for finding in findings})
    listed_names = ", ".join(names[:_MAX_NAMED]) + (
        " and others" if len(names) > _MAX_NAMED or number > len(findings) else ""
    )
    loudest = min(findings, key=lambda finding: finding.severity.rank)
    return Finding(
        subject=subject,
        severity=loudest.severity if before is None else _more_severe(loudest.severity, before.severity),
        text=_storm_text(subject.fingerprint, number, listed_names, loudest.text),
        since_at=min(finding.since_at for finding in findings),
        hint=loudest.hint,
        facts={"cause": subject.fingerprint, "automations": names[:100], "number": number},
    )


def _storm_text(cause: str, number: int, listed_names: str, text: str) -> str:
    if cause.startswith(LOAD_FAILURE_PREFIX):
        return f"{number} automations fail to load ({listed_names}): {cause.removeprefix(LOAD_FAILURE_PREFIX)}"
    return f"{number} incidents with one cause ({cause}): {listed_names}: {text}"


def _more_severe(severity: Severity, other: Severity) -> Severity:
    return min(severity, other, key=lambda severity: severity.rank)
