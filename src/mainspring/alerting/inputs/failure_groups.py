"""Groups of failures that no incident has reported yet, by cause, and as inputs of monitors."""

from collections import defaultdict
from collections.abc import Callable, Container, Iterable

import msgspec

from mainspring.domain.failures.failure import shorten_headline
from mainspring.domain.failures.fingerprint import Fingerprint, fingerprint_of, summarize_failure
from mainspring.domain.incidents.incident import Subject
from mainspring.domain.monitors.inputs import NewFailure
from mainspring.domain.monitors.outcomes.failed_runs import assign_subjects
from mainspring.domain.runs.step_identity import read_step_name
from mainspring.store.commands.incidents import ErrorGroup, GroupedFailure
from mainspring.store.read.incidents import UngroupedFailure

_LONGEST, _LONGEST_STEP = 160, 60
Redact = Callable[[str], str]


class FailureGroups(msgspec.Struct, frozen=True):
    """The same failures three times: as inputs of monitors, as groups for the store, and by incident."""

    faults: tuple[NewFailure, ...] = ()
    groups: tuple[ErrorGroup, ...] = ()
    of: dict[Subject, tuple[int, ...]] = {}


def group_failures(
    ungrouped: Iterable[UngroupedFailure], redact: Redact, known: Container[Subject] = ()
) -> FailureGroups:
    """Return the failures grouped by automation and fingerprint; `known` = the open incidents."""
    new_failures: list[NewFailure] = []
    fingerprints: dict[tuple[str, str], tuple[Fingerprint, str]] = {}
    grouped: dict[tuple[str, str], list[GroupedFailure]] = defaultdict(list)
    seqs: dict[tuple[str, int], list[int]] = defaultdict(list)
    for failure in ungrouped:
        fingerprint, text = _fingerprint_and_line(failure, redact)
        new_failure = NewFailure(
            run=failure.run,
            automation=failure.automation,
            fingerprint=fingerprint.id,
            state=failure.state.value,
            reason="" if failure.reason is None else failure.reason.value,
            at=failure.at,
            text=text,
            code=fingerprint.code,
            healthy=failure.healthy,
            settled=failure.settled,
        )
        new_failures.append(new_failure)
        group = (failure.automation, fingerprint.id)
        fingerprints[group] = (fingerprint, text)
        grouped[group].append(GroupedFailure(failure.seq, failure.run, failure.at))
        seqs[failure.run, failure.at].append(failure.seq)
    ordered = sorted(new_failures, key=lambda new_failure: (new_failure.at, new_failure.run))
    seqs_by_subject: dict[Subject, list[int]] = defaultdict(list)
    for new_failure, subject in zip(ordered, assign_subjects(ordered, known), strict=True):
        if subject is not None:
            seqs_by_subject[subject].append(seqs[new_failure.run, new_failure.at].pop(0))
    return FailureGroups(
        tuple(new_failures),
        tuple(
            ErrorGroup(
                automation,
                id,
                fingerprint.type,
                fingerprint.code,
                fingerprint.place,
                text,
                tuple(grouped[automation, id]),
            )
            for (automation, id), (fingerprint, text) in fingerprints.items()
        ),
        {subject: tuple(seqs) for subject, seqs in seqs_by_subject.items()},
    )


def failure_fingerprint(failure: UngroupedFailure) -> Fingerprint:
    """Return the fingerprint of a failure, or of its reason if no failure is stored."""
    if failure.failure is None:
        reason = "" if failure.reason is None else failure.reason.value
        return Fingerprint(reason or failure.state.value, "", reason, "", reason)
    return fingerprint_of(failure.failure)


def _fingerprint_and_line(failure: UngroupedFailure, redact: Redact) -> tuple[Fingerprint, str]:
    """Return the fingerprint of a failure and its line: step and message, or the reason."""
    fingerprint = failure_fingerprint(failure)
    if failure.failure is None:
        return fingerprint, fingerprint.code.replace("_", " ")
    step = "" if failure.ident is None else read_step_name(failure.ident)
    prefix = "" if step in ("", failure.automation) else f"{step[:_LONGEST_STEP]}: "
    return fingerprint, shorten_headline(
        prefix + failure.failure.headline_with(redact(summarize_failure(failure.failure))), _LONGEST
    )
