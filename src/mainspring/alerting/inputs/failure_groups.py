"""From failures that nobody has told of to groups of one cause, and to what monitors judge by."""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable

import msgspec

from mainspring.domain.failures.failure import shorten_headline
from mainspring.domain.failures.fingerprint import Fingerprint, fingerprint_of, summarize_failure
from mainspring.domain.incidents.incident import Subject
from mainspring.domain.monitors.inputs import NewFailure
from mainspring.domain.monitors.outcomes.failed_runs import assign_subjects
from mainspring.store.commands.incidents import ErrorGroup, GroupedFailure
from mainspring.store.read.incidents import UngroupedFailure as UntoldFault

_LONGEST, _LONGEST_STEP = 160, 60
Redact = Callable[[str], str]


class FailureGroups(msgspec.Struct, frozen=True):
    """The same failures three times: for the monitors, as groups for the store, and by the incident that each belongs to."""

    faults: tuple[NewFailure, ...] = ()
    groups: tuple[ErrorGroup, ...] = ()
    of: dict[Subject, tuple[int, ...]] = {}


def group_failures(untold: Iterable[UntoldFault], redact: Redact, known: Container[Subject] = ()) -> FailureGroups:
    """Return what was found, grouped by automation and fingerprint; `known` = incidents that are open."""
    faults: list[NewFailure] = []
    shown: dict[tuple[str, str], tuple[Fingerprint, str]] = {}
    told: dict[tuple[str, str], list[GroupedFailure]] = defaultdict(list)
    seqs: dict[tuple[str, int], list[int]] = defaultdict(list)
    for one in untold:
        found, text = _fingerprint_and_line(one, redact)
        fault = NewFailure(
            run=one.run,
            automation=one.automation,
            fingerprint=found.id,
            state=one.state.value,
            reason="" if one.reason is None else one.reason.value,
            at=one.at,
            text=text,
            code=found.code,
            healthy=one.healthy,
            settled=one.settled,
        )
        faults.append(fault)
        group = (one.automation, found.id)
        shown[group] = (found, text)
        told[group].append(GroupedFailure(one.seq, one.run, one.at))
        seqs[one.run, one.at].append(one.seq)
    ordered = sorted(faults, key=lambda fault: (fault.at, fault.run))
    of: dict[Subject, list[int]] = defaultdict(list)
    for fault, subject in zip(ordered, assign_subjects(ordered, known), strict=True):
        if subject is not None:
            of[subject].append(seqs[fault.run, fault.at].pop(0))
    return FailureGroups(
        tuple(faults),
        tuple(
            ErrorGroup(automation, id, seen.type, seen.code, seen.place, text, tuple(told[automation, id]))
            for (automation, id), (seen, text) in shown.items()
        ),
        {subject: tuple(seqs) for subject, seqs in of.items()},
    )


def failure_fingerprint(one: UntoldFault) -> Fingerprint:
    """Return the fingerprint of a failure: of its reason where that is all there is."""
    if one.failure is None:
        reason = "" if one.reason is None else one.reason.value
        return Fingerprint(reason or one.state.value, "", reason, "", reason)
    return fingerprint_of(one.failure)


def _fingerprint_and_line(one: UntoldFault, redact: Redact) -> tuple[Fingerprint, str]:
    """Return the fingerprint of a failure and its line: where and what, or the reason."""
    found = failure_fingerprint(one)
    if one.failure is None:
        return found, found.code.replace("_", " ")
    step = "" if one.ident is None else one.ident.rpartition("/")[2].partition("#")[0]
    front = "" if step in ("", one.automation) else f"{step[:_LONGEST_STEP]}: "
    return found, shorten_headline(front + one.failure.headline_with(redact(summarize_failure(one.failure))), _LONGEST)
