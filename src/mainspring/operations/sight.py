"""What there is to judge by at an instant, incidents and untold failures too: the same for a watcher and for people who ask.

Reads alone; nothing is written.
"""

import msgspec

from mainspring.domain.changes import BEFORE_MS, changed_before
from mainspring.domain.early_signs import Ended, Sign, early_signs
from mainspring.domain.incident import Incident, IncidentKind, Subject
from mainspring.domain.monitors.facts import Facts, Reopening, Watched
from mainspring.domain.monitors.fail_rate import FailRateTuning
from mainspring.domain.monitors.failures import kind_of
from mainspring.domain.monitors.table import Tunings
from mainspring.domain.route import Routing
from mainspring.operations.facts import FactsReader
from mainspring.operations.failures import Failures, Redact, failures_of
from mainspring.store.base import Reader
from mainspring.store.reads import incidents as reads
from mainspring.store.reads.changes import changes_since
from mainspring.store.reads.status import sums_since

_TOLD_AT_MOST, _FOLDED_AT_MOST = 100_000, 10_000
"""All that is told is looked after, whatever else is wrong; of what is part of it so many at once."""
_REOPENED_WITHIN_MS = 14 * 24 * 3_600_000


class Sight(msgspec.Struct, frozen=True):
    """`wrong` = the incidents that are not resolved."""

    facts: Facts
    failures: Failures
    wrong: list[Incident]


def see(facts_reader: FactsReader, reader: Reader, now: int, *, tunings: Tunings, redact: Redact) -> Sight:
    """Return what there is to judge by at the instant `now` (ms)."""
    failures = failures_of(reads.untold_faults(reader), redact)
    wrong = [*reads.told(reader, _TOLD_AT_MOST), *reads.folded(reader, _FOLDED_AT_MOST)]
    tuning = tunings.get(IncidentKind.FAIL_RATE)
    facts = facts_reader.read(
        now,
        window=(tuning if isinstance(tuning, FailRateTuning) else FailRateTuning()).window,
        faults=failures.faults,
        reopenings=[
            Reopening(one.automation, one.kind, one.fingerprint, at)
            for one, at in reads.reopenings(reader, now - _REOPENED_WITHIN_MS)
        ],
        open=[one.subject for one in wrong],
    )
    return Sight(msgspec.structs.replace(facts, changed=_changed(reader, facts, failures, wrong)), failures, wrong)


def _changed(reader: Reader, facts: Facts, failures: Failures, wrong: list[Incident]) -> dict[Subject, str]:
    """Return what changed just before the first failure of each cause; of what is open it is known already."""
    first: dict[Subject, int] = {}
    for fault in failures.faults:
        kind = kind_of(fault)
        if kind is not None:
            subject = Subject(fault.automation, kind, fault.fingerprint)
            first[subject] = min(fault.at, first.get(subject, fault.at))
    found = {one.subject: str(one.facts.get("changed") or "") for one in wrong if one.subject in first}
    new = {subject: at for subject, at in first.items() if subject not in found}
    if new:
        changes = changes_since(reader, min(new.values()) - BEFORE_MS)
        known = {one.name: one for one in facts.automations}
        for subject, at in new.items():
            one = known.get(subject.automation, Watched(name=subject.automation))
            found[subject] = changed_before(changes, at, one.name, one.option("queue"), one.deploy)
    return {subject: text for subject, text in found.items() if text}


def signs_of(facts: Facts, reader: Reader, now: int, routing: Routing) -> tuple[Sign, ...]:
    """Return the early signs of the day, or week, that ends at `now` (ms)."""
    sums = sums_since(reader, now - routing.looks_back_ms(now))
    ended = {one.automation: Ended(one.step_errors, one.succeeded, one.failed + one.attention) for one in sums}
    return early_signs(facts, ended, now)
