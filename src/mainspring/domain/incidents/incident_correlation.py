"""What is told once although much is wrong: a finding that another incident explains is folded into it, and so are many with one cause.

Pure: from the findings of one look and the incidents that are open to the one that each is part of. What is folded is kept, shown and
resolved like any other; only what it is part of is told. When that is over and the finding stays, it is told itself.

Only what is told explains: what somebody acknowledged or snoozed takes in nothing more, for nobody would hear of it, and nothing takes
in what is louder than itself. What was part of it before stays so.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Final

from mainspring.domain.incidents.incident import Finding, Incident, IncidentKind, Severity, Subject
from mainspring.domain.states import IncidentState

STORM_SIZE = 11
"""So many new findings of one cause make a storm."""
LOAD_FAILURE_PREFIX: Final = "load:"
"""How a cause begins that is one place to mend, whatever hangs on it: two new findings make a storm."""
_MIN_LOAD_FAILURES = 2
_MAX_NAMED = 5
_NUMBERED = re.compile(r"(.*) \(([2-9]|[1-9][0-9]{1,8})\)", re.DOTALL)
"""A storm of a cause that has another one already."""
_MAINSPRING = ""
"""The automation of what is Mainspring's own."""

_K = IncidentKind
_OVERDUE = frozenset({_K.SILENCE, _K.LATE_START, _K.BACKLOG, _K.BACKLOG_GROWING})
EXPLAINED_BY_SYSTEM: Final = {
    _K.WORKER_LOST: _OVERDUE | {_K.DEFINITION_LOST, _K.UNSERVED, _K.DEBOUNCE_HELD},
    _K.COMMITS_LOST: _OVERDUE | {_K.DEBOUNCE_HELD},
    _K.CODEC_UNAVAILABLE: _OVERDUE | {_K.TOO_SLOW, _K.STALLED},
    _K.CLOCK_REGRESSION: frozenset({_K.SILENCE, _K.LATE_START, _K.CADENCE_DRIFT}),
}
"""What is Mainspring's own -> what follows from it for every automation."""
EXPLAINED_BY_AUTOMATION: Final = {
    _K.DEFINITION_LOST: _OVERDUE | {_K.SOURCE_AWAY},
    _K.SOURCE_AWAY: frozenset({_K.SILENCE}),
    _K.LOCK_HELD: _OVERDUE,
    _K.NEEDS_ATTENTION: _OVERDUE | {_K.PARTITION_HELD},
    _K.PARTITION_HELD: _OVERDUE,
    _K.UNSERVED: _OVERDUE,
    _K.DELIVERY_REJECTED: frozenset({_K.SILENCE}),
    _K.DELIVERY_FAILED: frozenset({_K.SILENCE}),
    _K.SENDER_REJECTED: frozenset({_K.SILENCE}),
    _K.SECRET_MISSING: frozenset({_K.SILENCE}),
    _K.DEBOUNCE_HELD: frozenset({_K.SILENCE}),
    _K.PERMANENT_ERROR: frozenset({_K.SILENCE, _K.FAIL_RATE}),
    _K.RETRIES_EXHAUSTED: frozenset({_K.SILENCE, _K.FAIL_RATE}),
    _K.TOO_SLOW: frozenset({_K.LATE_START, _K.CADENCE_DRIFT}),
    _K.DID_NOTHING: frozenset({_K.TOO_FAST}),
    _K.STALLED: _OVERDUE | {_K.TOO_SLOW},
    _K.HUMAN_WAIT: frozenset({_K.SILENCE, _K.PARTITION_HELD}),
    _K.LATE_START: frozenset({_K.SILENCE}),
    _K.BACKLOG: frozenset({_K.SILENCE, _K.LATE_START, _K.CADENCE_DRIFT}),
}
"""What is wrong with an automation -> what follows from it for the same one."""
REDUNDANT_KINDS: Final = frozenset({_K.FAIL_RATE})
"""What counts the very failures that explain it: it is part of their incident also where somebody looks after that."""
EARLIER_KINDS: Final = {_K.SILENCE: frozenset({_K.LATE_START})}
"""What was told of an automation first -> what explains it and comes later where its period is short: the same again."""


def correlate(
    findings: Sequence[Finding], wrong: Iterable[Incident], parts: Mapping[str, int]
) -> tuple[list[Finding], dict[Subject, Subject]]:
    """Return the findings with the storms that they make, and what each that is folded is part of: never itself folded, and before it.

    `parts` = how many incidents each one that is wrong has taken in, by its id: more than are at hand here.
    """
    known = _OpenIncidents(findings, wrong, parts)
    by_automation: dict[str, set[Subject]] = defaultdict(set)
    for subject in known.severities:
        by_automation[subject.automation].add(subject)
    parents: dict[Subject, Subject] = {}
    for finding in findings:
        found = _find_explanation(finding, by_automation, known)
        if found is not None:
            parents[finding.subject] = found
    storms = _find_storms([one for one in findings if one.subject not in parents], known, parents)
    told = [one for one in findings if one.subject not in parents]
    folded = [one for one in findings if one.subject in parents]
    return [*storms, *told, *folded], {one.subject: _find_root(one.subject, parents) for one in folded}


class _OpenIncidents:
    """What is wrong by now: `open_now` = what was before this look, `severities` = how loud all of it is, findings too."""

    def __init__(self, findings: Iterable[Finding], wrong: Iterable[Incident], parts: Mapping[str, int]) -> None:
        self.open_now = {incident.subject: incident for incident in wrong}
        self._by_id = {incident.id: incident for incident in self.open_now.values()}
        self.severities = {subject: incident.severity for subject, incident in self.open_now.items()}
        self._parts = parts
        self._storms: dict[str, dict[int, Incident]] = defaultdict(dict)
        for incident in self.open_now.values():
            if incident.subject.kind is _K.STORM:
                self._keep(incident)
        for one in findings:
            self.severities[one.subject] = _more_severe(one.severity, self.severities.get(one.subject, one.severity))

    def may_hold(self, subject: Subject, finding: Finding) -> bool:
        """Whether a finding may be part of what is wrong with a subject: it is no louder, and that is told, or it was part of it before."""
        if self.severities[finding.subject].rank < self.severities[subject].rank:
            return False
        line = self._line(subject)
        if finding.subject.kind in REDUNDANT_KINDS or all(one.state is IncidentState.OPEN for one in line):
            return True
        before = self.open_now.get(finding.subject)
        return before is not None and before.parent in {one.id for one in line}

    def is_said_by(self, subject: Subject, later: Subject) -> bool:
        """Whether a subject was told by itself, and so what comes later says nothing new."""
        before = self.open_now.get(subject)
        return before is not None and before.parent is None and later.kind in EARLIER_KINDS.get(subject.kind, ())

    def storms_of(self, cause: str) -> dict[int, Incident]:
        """Return the storms of a cause by their numbers, the first one first."""
        return dict(sorted(self._storms.get(cause, {}).items()))

    def _keep(self, storm: Incident) -> None:
        cause = storm.subject.fingerprint
        self._storms[cause][1] = storm
        found = _NUMBERED.fullmatch(cause)
        if found is not None:
            self._storms[found[1]][int(found[2])] = storm

    def number(self, storm: Incident | None, joins: Collection[Finding]) -> int:
        """Return how many are part of a storm with those that join it now."""
        if storm is None:
            return len(joins)
        return self._parts.get(storm.id, 0) + sum(not _is_part_of(one, storm, self.open_now) for one in joins)

    def _line(self, subject: Subject) -> list[Incident]:
        """Return the incident of a subject and those that it is part of, as far as they are known."""
        line: list[Incident] = []
        one = self.open_now.get(subject)
        while one is not None and one not in line:
            line.append(one)
            one = self._by_id.get(one.parent or "")
        return line


def _find_root(subject: Subject, parents: Mapping[Subject, Subject]) -> Subject:
    while subject in parents:
        subject = parents[subject]
    return subject


def _find_explanation(
    finding: Finding, wrong: Mapping[str, Collection[Subject]], known: _OpenIncidents
) -> Subject | None:
    """Return what explains a finding: Mainspring's own first, then the one that explains most."""
    subject = finding.subject
    own = [one for one in wrong.get(_MAINSPRING, ()) if subject.kind in EXPLAINED_BY_SYSTEM.get(one.kind, ())]
    own = [one for one in own if known.may_hold(one, finding)]
    if own:
        return min(own)
    same = [one for one in wrong.get(subject.automation, ()) if one != subject]
    found = [
        one
        for one in same
        if subject.kind in EXPLAINED_BY_AUTOMATION.get(one.kind, ()) and not known.is_said_by(subject, one)
    ]
    found = [one for one in found if known.may_hold(one, finding)]
    said = [one for one in same if known.is_said_by(one, subject) and known.may_hold(one, finding)]
    return min(found, key=lambda one: (-len(EXPLAINED_BY_AUTOMATION[one.kind]), one), default=min(said, default=None))


def _find_storms(findings: Sequence[Finding], known: _OpenIncidents, parents: dict[Subject, Subject]) -> list[Finding]:
    """Fold findings of one cause, then of one automation, then of one kind, and return the storms; what is open by itself stays so."""
    open_now = known.open_now
    left = [
        finding
        for finding in findings
        if finding.subject not in open_now or open_now[finding.subject].parent is not None
    ]
    storms: list[Finding] = []
    for shared, is_wide in ((_cause_of, False), (_automation_of, False), (_kind_of, True)):
        by_cause: dict[str, list[Finding]] = defaultdict(list)
        for finding in left:
            by_cause[shared(finding)].append(finding)
        for cause, found in sorted(by_cause.items()):
            for subject, joins in _fill_storms(cause, found, known, is_wide=is_wide):
                before = open_now.get(subject)
                storms.append(_make_storm(subject, joins, before, known.number(before, joins)))
                parents.update((finding.subject, subject) for finding in joins)
        left = [finding for finding in left if finding.subject not in parents]
    return storms


def _fill_storms(
    cause: str, found: Sequence[Finding], known: _OpenIncidents, *, is_wide: bool
) -> Iterator[tuple[Subject, list[Finding]]]:
    """Yield the storms of a cause with what is part of each; beside those that somebody looks after the next one begins, with a number."""
    storms = known.storms_of(cause)
    number = next((one for one, storm in storms.items() if storm.state is IncidentState.OPEN), None)
    if number is None:
        number = next(one for one in count(1) if one not in storms)
    left = found
    for storm in (storm for one, storm in storms.items() if one != number):
        stays: list[Finding] = []
        others: list[Finding] = []
        for one in left:
            is_part = _is_part_of(one, storm, known.open_now) and known.may_hold(storm.subject, one)
            (stays if is_part else others).append(one)
        if stays:
            yield storm.subject, stays
        left = others
    subject = Subject("", _K.STORM, cause if number == 1 else f"{cause} ({number})")
    before = known.open_now.get(subject)
    joins = [one for one in left if not is_wide or _is_part_of(one, before, known.open_now)]
    # Of many causes only those count that came together: what comes later and alone may be something else.
    counted = [one for one in left if not _is_part_of(one, before, known.open_now)] if is_wide else left
    if len(counted) >= (_MIN_LOAD_FAILURES if cause.startswith(LOAD_FAILURE_PREFIX) else STORM_SIZE):
        joins = list(left)
    elif before is None:
        joins = []
    if joins:
        yield subject, joins


def _is_part_of(finding: Finding, storm: Incident | None, open_now: Mapping[Subject, Incident]) -> bool:
    """Whether it is part of a storm already. One of many causes takes in nothing that comes alone: that may be something else."""
    known = open_now.get(finding.subject)
    return storm is not None and known is not None and known.parent == storm.id


def _cause_of(finding: Finding) -> str:
    """Return what findings that went wrong together share: their cause if it is known, else the error, else the kind."""
    subject = finding.subject
    return finding.cause or (f"error:{subject.fingerprint}" if subject.fingerprint else f"kind:{subject.kind}")


def _automation_of(finding: Finding) -> str:
    """Return of what all findings are that one automation has, whatever its errors say."""
    return f"automation:{finding.subject.automation}"


def _kind_of(finding: Finding) -> str:
    """Return what is left to share: that so much goes wrong in one way within one look."""
    return f"many:{finding.subject.kind}"


def _make_storm(subject: Subject, found: Sequence[Finding], before: Incident | None, number: int) -> Finding:
    names = sorted({finding.subject.automation or "mainspring" for finding in found})
    shown = ", ".join(names[:_MAX_NAMED]) + (" and others" if len(names) > _MAX_NAMED or number > len(found) else "")
    loudest = min(found, key=lambda one: one.severity.rank)
    return Finding(
        subject=subject,
        severity=loudest.severity if before is None else _more_severe(loudest.severity, before.severity),
        text=_storm_text(subject.fingerprint, number, shown, loudest.text),
        since_at=min(finding.since_at for finding in found),
        hint=loudest.hint,
        facts={"cause": subject.fingerprint, "automations": names[:100], "number": number},
    )


def _storm_text(cause: str, number: int, shown: str, text: str) -> str:
    if cause.startswith(LOAD_FAILURE_PREFIX):
        return f"{number} automations fail to load ({shown}): {cause.removeprefix(LOAD_FAILURE_PREFIX)}"
    return f"{number} incidents with one cause ({cause}): {shown}: {text}"


def _more_severe(one: Severity, other: Severity) -> Severity:
    return min(one, other, key=lambda each: each.rank)
