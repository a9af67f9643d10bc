"""One look of a watcher: what the store tells, what is wrong by that, and what is to be told to whom; written down in one command.

Any number of watchers may look. Nothing here is remembered that another one would have to know.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from mainspring.alerting.channel_findings import evaluate_channels
from mainspring.alerting.inputs.facts import FactsReader
from mainspring.alerting.inputs.failure_groups import FailureGroups, Redact
from mainspring.alerting.inputs.monitor_inputs import find_early_signs, read_monitor_inputs
from mainspring.alerting.open_question import add_question
from mainspring.domain.clock import MAX_CLOCK_LEAD_MS, Clock
from mainspring.domain.ids import make_id
from mainspring.domain.incidents.incident import Finding, Incident, IncidentKind, Subject
from mainspring.domain.incidents.incident_correlation import correlate
from mainspring.domain.incidents.incident_filter import IncidentAttributes
from mainspring.domain.monitors.inputs import DueSecret, MonitorInputs, WatchedAutomation
from mainspring.domain.monitors.monitor import EvaluationRound
from mainspring.domain.monitors.outcomes.failed_runs import FAILURE_KINDS
from mainspring.domain.monitors.registry import MONITORS, NO_OVERRIDES, TuningTable, evaluate_all
from mainspring.domain.monitors.tuning_overrides import TuningOverrides
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.reminders import DueReminder, list_reminders
from mainspring.domain.notifications.routing import NotificationRouting
from mainspring.store.base import StoreReader
from mainspring.store.commands.incidents import Digest, ErrorGroup, EvaluatedFinding, IncidentReminder, RecordEvaluation
from mainspring.store.commands.incidents import GroupedFailure as Grouped
from mainspring.store.process_store import ProcessStore
from mainspring.store.read import incidents as reads

_DIGEST_WITHIN_MS, _DIGEST_AHEAD_MS = 12 * 3_600_000, 60_000
"""A digest whose time came while nobody looked is told so long afterwards."""
_AT_ONCE = 200
"""So many findings are written in one commit."""
AddCauses = Callable[[Sequence[Finding], StoreReader, int], Sequence[Finding]]


def _keep_findings(findings: Sequence[Finding], _reader: StoreReader, _now: int) -> Sequence[Finding]:
    return findings


class Evaluator:
    """Looks at one store, again and again; for one thread. `at_once` = how much history one look reads (None = all of it);
    `own` = what is set of monitors for some automations alone, `secrets` = those that are due; `explain` puts causes to findings.
    """

    def __init__(
        self,
        store: ProcessStore,
        clock: Clock,
        *,
        tunings: TuningTable,
        routing: NotificationRouting,
        redact: Redact,
        own: TuningOverrides = NO_OVERRIDES,
        secrets: Sequence[DueSecret] = (),
        at_once: int | None = 100,
        explain: AddCauses = _keep_findings,
    ) -> None:
        self._store = store
        self._clock = clock
        self._tunings = tunings
        self._own = own
        self._routing = routing
        self._redact = redact
        self._explain = explain
        self._facts = FactsReader(store.reader, at_once=at_once, secrets=secrets)
        self.seen = MonitorInputs()
        """What the last look read."""
        self.seen_at = 0
        self._reminded: set[tuple[str, int, NotificationEvent, int]] = set()
        self._digested: set[Digest] = set()

    def look(self) -> int:
        """Look once and write down what changed; return how many changes there were.

        Raises:
            StoreError: it cannot be read or written.
        """
        now = self._clock.now()
        reader = self._store.reader
        seen = read_monitor_inputs(self._facts, reader, now, tunings=self._tunings, redact=self._redact, own=self._own)
        self.seen, self.seen_at = seen.facts, now
        judged = evaluate_all(seen.facts, self._tunings, now, self._own)
        told = self._explain([add_question(one, reader, self._redact) for one in judged.findings], reader, now)
        channels = evaluate_channels(reads.channels(reader), self._routing.channels, now)
        findings = [*told, *(one.finding for one in channels if one.finding is not None)]
        return self._write(now, seen.facts, seen.failures, findings, judged, seen.wrong)

    def _write(
        self,
        now: int,
        facts: MonitorInputs,
        failures: FailureGroups,
        findings: Sequence[Finding],
        judged: EvaluationRound,
        wrong: Sequence[Incident],
    ) -> int:
        known = {one.name: one for one in facts.automations}
        has_storm = any(one.subject.kind is IncidentKind.STORM for one in wrong)
        parts_in = reads.count_grouped_incidents(self._store.reader) if has_storm else {}
        order, parents = correlate(findings, wrong, parts_in)
        before = {one.subject: one for one in wrong}
        found = tuple(
            EvaluatedFinding(
                id=make_id("i", now, self._clock.random_bits(80)),
                finding=finding,
                # Also of what is folded: whether that still holds is known in the commit alone.
                to=self._routing.targets(_route_facts(finding, known), NotificationEvent.OPENED, now),
                faults=failures.of.get(finding.subject, ()),
                parent=parents.get(finding.subject),
            )
            for finding in order
            if not _is_known(finding, failures, parents, before)
        )
        well = self._well(facts, {one.subject for one in order}, judged, wrong, parts_in)
        due = [one for one in self._due(wrong, well, known, now) if _reminder_key(one) not in self._reminded]
        digests = self._digests(facts, now)
        parts: list[dict[str, Any]] = [
            {"found": found[place : place + _AT_ONCE]} for place in range(0, max(len(found), 1), _AT_ONCE)
        ]
        for part, groups in zip(parts, _split_groups([one["found"] for one in parts], failures.groups), strict=True):
            part["groups"] = groups
        parts[0] |= {
            "well": tuple(well),
            "reminders": tuple(
                IncidentReminder(one.incident.id, one.incident.opened, one.about, one.number, one.to, wakes=one.wakes)
                for one in due
            ),
            "digests": digests,
            "is_back": any(one.seen_at > now + MAX_CLOCK_LEAD_MS for one in wrong),
        }
        if not (found or well or due or failures.groups or digests or parts[0]["is_back"]):
            return 0
        changes: int = sum(self._store.apply(RecordEvaluation(looked_at=now, **part)).number for part in parts)
        self._digested |= set(digests)
        self._reminded = {_reminder_key(one) for one in due} | {
            key for key in self._reminded if key[0] in {i.id for i in wrong}
        }
        return changes

    def _well(
        self,
        facts: MonitorInputs,
        found: set[Subject],
        judged: EvaluationRound,
        wrong: Sequence[Incident],
        parts: Mapping[str, int],
    ) -> list[Subject]:
        """Return what is open and was found well, storms by what is left of them."""
        known = {one.name: one for one in facts.automations}
        well = [
            one.subject
            for one in wrong
            if one.subject not in found
            and one.subject not in judged.unsure
            and one.subject.kind is not IncidentKind.STORM
            and _is_over(one, known.get(one.subject.automation))
        ]
        over = set(well)
        ended = Counter(one.parent for one in wrong if one.parent is not None and one.subject in over)
        storms = [one for one in wrong if one.subject.kind is IncidentKind.STORM and one.subject not in found]
        return [*well, *(one.subject for one in storms if parts.get(one.id, 0) <= ended[one.id])]

    def _digests(self, facts: MonitorInputs, now: int) -> tuple[Digest, ...]:
        """Return the digests that are to be told now, if there is anything to tell; a little ahead, so that they are one with incidents.

        That there is nothing is found once for each.
        """
        at_hand = {Digest(*one) for one in self._routing.digests(now, _DIGEST_WITHIN_MS, _DIGEST_AHEAD_MS)}
        self._digested &= at_hand
        due = at_hand - self._digested
        if due and not find_early_signs(facts, self._store.reader, now, self._routing):
            self._digested |= due
            return ()
        return tuple(sorted(due, key=lambda one: one.to))

    def _due(
        self, wrong: Iterable[Incident], well: Iterable[Subject], known: dict[str, WatchedAutomation], now: int
    ) -> Iterable[DueReminder]:
        over = set(well)
        open_still = [one for one in wrong if one.subject not in over]
        return list_reminders(open_still, self._routing, lambda one: _route_facts(one, known), now)


def _split_groups(
    parts: Sequence[Sequence[EvaluatedFinding]], groups: Iterable[ErrorGroup]
) -> list[tuple[ErrorGroup, ...]]:
    """Return what is grouped with each part: a failure in the commit that tells of it, and in the first one what nothing tells of.

    Who dies between two commits has told of what he grouped, and the rest is the next one's.
    """
    part_of = {seq: number for number, part in enumerate(parts) for one in part for seq in one.faults}
    found: list[list[ErrorGroup]] = [[] for _ in parts]
    for group in groups:
        told: dict[int, list[Grouped]] = defaultdict(list)
        for one in group.told:
            told[part_of.get(one.seq, 0)].append(one)
        for number, some in told.items():
            found[number].append(msgspec.structs.replace(group, told=tuple(some)))
    return [tuple(one) for one in found]


def _is_known(
    finding: Finding, failures: FailureGroups, parents: Mapping[Subject, Subject], before: Mapping[Subject, Incident]
) -> bool:
    """Tell whether an incident of failed runs stands as it did: of ten thousand that wait for a person no look writes anything."""
    one = before.get(finding.subject)
    if one is None or finding.subject.kind not in FAILURE_KINDS or finding.subject in failures.of:
        return False
    above = parents.get(finding.subject)
    parent = None if above is None else before[above].id if above in before else ""
    said = (one.severity, one.text, one.hint, one.facts, one.parent)
    return said == (finding.severity, finding.text, finding.hint, finding.facts, parent)


def _reminder_key(due: DueReminder) -> tuple[str, int, NotificationEvent, int]:
    return due.incident.id, due.incident.opened, due.about, due.number


def _route_facts(one: Finding | Incident, known: dict[str, WatchedAutomation]) -> IncidentAttributes:
    """Return by what it is decided who is told."""
    watched = known.get(one.subject.automation)
    options = {} if watched is None else watched.options
    return IncidentAttributes(
        subject=one.subject,
        severity=one.severity,
        owner=options.get("owner"),
        team=options.get("team"),
        tags=options.get("tags") or {},
    )


def _is_over(one: Incident, watched: WatchedAutomation | None) -> bool:
    """Tell whether an incident of which nothing was found is over: each monitor finds what lasts as long as it lasts."""
    if watched is not None and watched.retired_at is not None:
        return True
    return one.subject.kind in MONITORS or one.subject.kind is IncidentKind.NOTIFIER_BROKEN
