"""One evaluation: read the store, evaluate monitors, decide which notifications are due, and write the changes.

Any number of watchers may evaluate at once. An evaluator remembers nothing that another one would need.
"""

import shlex
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from mainspring.alerting.always_on import evaluate_channels
from mainspring.alerting.inputs.facts import FactsReader
from mainspring.alerting.inputs.failure_groups import FailureGroups, Redact
from mainspring.alerting.inputs.monitor_inputs import find_early_signs, read_monitor_inputs
from mainspring.domain.clock import MAX_CLOCK_LEAD_MS, Clock
from mainspring.domain.ids import make_id
from mainspring.domain.incidents.incident import ANSWER_FACT, Finding, Incident, IncidentKind, Subject
from mainspring.domain.incidents.incident_correlation import correlate
from mainspring.domain.incidents.incident_filter import IncidentAttributes
from mainspring.domain.monitors.inputs import DueSecret, MonitorInputs, WatchedAutomation
from mainspring.domain.monitors.monitor import EvaluationRound
from mainspring.domain.monitors.outcomes.failed_runs import FAILURE_KINDS
from mainspring.domain.monitors.registry import MONITORS, NO_OVERRIDES, TuningTable, evaluate_all
from mainspring.domain.monitors.tuning_overrides import TuningOverrides
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.reminders import DueReminder, list_reminders
from mainspring.domain.notifications.rendering import fit_line
from mainspring.domain.notifications.routing import NotificationRouting
from mainspring.domain.runs.question import UNNAMED, choose_name
from mainspring.domain.values.form_schema import format_form_options, list_form_labels
from mainspring.store.base import StoreReader
from mainspring.store.commands.incidents import (
    Digest,
    ErrorGroup,
    EvaluatedFinding,
    GroupedFailure,
    IncidentReminder,
    RecordEvaluation,
)
from mainspring.store.process_store import ProcessStore
from mainspring.store.read import incidents
from mainspring.store.read.runs.run_views import waits_of
from mainspring.store.views import WaitView

_DIGEST_WITHIN_MS, _DIGEST_AHEAD_MS = 12 * 3_600_000, 60_000
"""A digest that became due while no watcher ran is sent up to this much later."""
_AT_ONCE = 200
"""Most findings in one commit."""
AddCauses = Callable[[Sequence[Finding], StoreReader, int], Sequence[Finding]]

MOST_BUTTONS, LONGEST_BUTTON = 5, 75
"""Of a message: of a question with more choices, or longer ones, it has none."""
_LONGEST_TEXT, _LONGEST_CHOICE, _MOST_CHOICES = 300, 40, 10


class _Question(msgspec.Struct, frozen=True):
    """The parts of a question that people see; its evidence stays in the store."""

    text: str = ""
    choices: list[Any] | None = None
    form: dict[str, Any] | None = None


def add_question(finding: Finding, reader: StoreReader, redact: Redact) -> Finding:
    """Add the question, and the command that answers it, to a finding about an unanswered question.

    A sealed question cannot be read and is left out.
    """
    if finding.subject.kind is not IncidentKind.HUMAN_WAIT:
        return finding
    run, opened_at, ident = str(finding.facts.get("run")), finding.facts.get("opened_at"), finding.facts.get("question")
    waits = [wait for wait in waits_of(reader, run) if wait.kind == "ask" and not wait.filled]
    first = next(
        (wait for wait in waits if (wait.opened_at == opened_at if ident is None else wait.ident == ident)), None
    )
    if first is None:
        return finding
    question = _decode_question(first.question)
    named = choose_name(first.ident, first.name, (wait.name for wait in waits))
    name = f" --question {shlex.quote(named)}" if len(waits) > 1 or first.name != UNNAMED else ""
    hint = f"mainspring runs answer {run} {_suggest_answer(question, redact)}{name}"
    description = _describe_question(question, redact)
    facts = {"what": description, **finding.facts} if description else finding.facts
    facts = {**facts, ANSWER_FACT: _describe_answers(first, question, redact)}
    return msgspec.structs.replace(finding, facts=facts, hint=hint)


def _describe_answers(wait: WaitView, question: _Question, redact: Redact) -> dict[str, Any]:
    """Return how a message can offer the answers: all choices if each is short and shows no secret, else none."""
    choices = [choice for choice in question.choices or [] if isinstance(choice, str)]
    is_usable = len(choices) == len(question.choices or []) <= MOST_BUTTONS and all(
        0 < len(choice) <= LONGEST_BUTTON and redact(choice) == choice and choice.isprintable() for choice in choices
    )
    return {
        "ident": wait.ident,
        "opened_at": wait.opened_at,
        "choices": choices if is_usable and question.form is None else [],
        "has_form": question.form is not None,
    }


def _decode_question(question: bytes | None) -> _Question:
    try:
        return msgspec.json.decode(question or b"{}", type=_Question)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _Question()


def _suggest_answer(question: _Question, redact: Redact) -> str:
    """Return the first choice as an argument. The other ones are in the text of the question."""
    if question.form is not None:
        return format_form_options(question.form)
    choice = str((question.choices or [""])[0])
    is_usable = 0 < len(choice) <= _LONGEST_CHOICE and redact(choice) == choice and choice.isprintable()
    return shlex.quote(choice) if is_usable and not choice.startswith("-") else "TEXT"


def _describe_question(decoded: _Question, redact: Redact) -> str:
    # Redact first, then cut: half of a secret would not be recognized.
    offered = list_form_labels(decoded.form or {}) or decoded.choices or []
    choices = [fit_line(redact(str(choice)), _LONGEST_CHOICE) for choice in offered[:_MOST_CHOICES]]
    more = ", ..." if len(offered) > _MOST_CHOICES else ""
    listed = f" [{', '.join(choices)}{more}]" if choices else ""
    return f"It asks: {fit_line(redact(decoded.text), _LONGEST_TEXT)}{listed}" if decoded.text else ""


def _keep_findings(findings: Sequence[Finding], _reader: StoreReader, _now: int) -> Sequence[Finding]:
    return findings


class Evaluator:
    """Evaluate one store again and again, in one thread.

    `at_once` = how much history one evaluation reads (None = all). `own` = settings of monitors for single automations. `secrets` = the
    secrets that are due. `explain` adds causes to findings.
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
        """The facts that the last evaluation read."""
        self.seen_at = 0
        self._reminded: set[tuple[str, int, NotificationEvent, int]] = set()
        self._digested: set[Digest] = set()

    def evaluate_once(self) -> int:
        """Evaluate once and write what changed; return the number of changes.

        Raises:
            StoreError: the store cannot be read or written.
        """
        now = self._clock.now()
        reader = self._store.reader
        snapshot = read_monitor_inputs(
            self._facts, reader, now, tunings=self._tunings, redact=self._redact, own=self._own
        )
        self.seen, self.seen_at = snapshot.facts, now
        evaluation_round = evaluate_all(snapshot.facts, self._tunings, now, self._own)
        explained = self._explain(
            [add_question(finding, reader, self._redact) for finding in evaluation_round.findings], reader, now
        )
        channels = evaluate_channels(incidents.channels(reader), self._routing.channels, now)
        findings = [*explained, *(channel.finding for channel in channels if channel.finding is not None)]
        return self._write(now, snapshot.facts, snapshot.failures, findings, evaluation_round, snapshot.unresolved)

    def _write(
        self,
        now: int,
        facts: MonitorInputs,
        failures: FailureGroups,
        findings: Sequence[Finding],
        evaluation_round: EvaluationRound,
        open_incidents: Sequence[Incident],
    ) -> int:
        known = {automation.name: automation for automation in facts.automations}
        has_storm = any(incident.subject.kind is IncidentKind.STORM for incident in open_incidents)
        parts_in = incidents.count_grouped_incidents(self._store.reader) if has_storm else {}
        succeeded_at = {name: item.succeeded_at for name, item in known.items() if item.succeeded_at is not None}
        order, parents = correlate(findings, open_incidents, parts_in, succeeded_at)
        before = {incident.subject: incident for incident in open_incidents}
        evaluated = tuple(
            EvaluatedFinding(
                id=make_id("i", now, self._clock.random_bits(80)),
                finding=finding,
                # Also for grouped findings: only the commit knows whether they are still grouped.
                to=self._routing.targets(_read_attributes(finding, known), NotificationEvent.OPENED, now),
                faults=failures.of.get(finding.subject, ()),
                parent=parents.get(finding.subject),
            )
            for finding in order
            if not _is_unchanged(finding, failures, parents, before)
        )
        resolved = self._find_resolved(
            facts, {finding.subject for finding in order}, evaluation_round, open_incidents, parts_in
        )
        due = [
            reminder
            for reminder in self._list_due_reminders(open_incidents, resolved, known, now)
            if _reminder_key(reminder) not in self._reminded
        ]
        digests = self._list_due_digests(facts, now)
        parts: list[dict[str, Any]] = [
            {"found": evaluated[place : place + _AT_ONCE]} for place in range(0, max(len(evaluated), 1), _AT_ONCE)
        ]
        for part, groups in zip(parts, _split_groups([part["found"] for part in parts], failures.groups), strict=True):
            part["groups"] = groups
        parts[0] |= {
            "healthy": tuple(resolved),
            "reminders": tuple(
                IncidentReminder(
                    item.incident.id, item.incident.opened, item.about, item.number, item.to, wakes=item.wakes
                )
                for item in due
            ),
            "digests": digests,
            "is_back": any(incident.seen_at > now + MAX_CLOCK_LEAD_MS for incident in open_incidents),
        }
        if not (evaluated or resolved or due or failures.groups or digests or parts[0]["is_back"]):
            return 0
        changes = sum(self._store.apply(RecordEvaluation(started_at=now, **part)).number for part in parts)
        self._digested |= set(digests)
        self._reminded = {_reminder_key(reminder) for reminder in due} | {
            key for key in self._reminded if key[0] in {i.id for i in open_incidents}
        }
        return changes

    def _find_resolved(
        self,
        facts: MonitorInputs,
        found: set[Subject],
        evaluation_round: EvaluationRound,
        open_incidents: Sequence[Incident],
        parts: Mapping[str, int],
    ) -> list[Subject]:
        """Return the open subjects that are healthy now. A storm is over when no part of it is left."""
        known = {automation.name: automation for automation in facts.automations}
        resolved = [
            incident.subject
            for incident in open_incidents
            if incident.subject not in found
            and incident.subject not in evaluation_round.unsure
            and incident.subject.kind is not IncidentKind.STORM
            and _is_over(incident, known.get(incident.subject.automation))
        ]
        over = set(resolved)
        ended = Counter(
            incident.parent for incident in open_incidents if incident.parent is not None and incident.subject in over
        )
        storms = [
            incident
            for incident in open_incidents
            if incident.subject.kind is IncidentKind.STORM and incident.subject not in found
        ]
        return [*resolved, *(storm.subject for storm in storms if parts.get(storm.id, 0) <= ended[storm.id])]

    def _list_due_digests(self, facts: MonitorInputs, now: int) -> tuple[Digest, ...]:
        """Return the digests that are due and have content, a little ahead of time so that they join the incidents.

        An empty digest is detected once.
        """
        at_hand = {Digest(*digest) for digest in self._routing.digests(now, _DIGEST_WITHIN_MS, _DIGEST_AHEAD_MS)}
        self._digested &= at_hand
        due = at_hand - self._digested
        if due and not find_early_signs(facts, self._store.reader, now, self._routing):
            self._digested |= due
            return ()
        return tuple(sorted(due, key=lambda digest: digest.to))

    def _list_due_reminders(
        self,
        open_incidents: Iterable[Incident],
        resolved: Iterable[Subject],
        known: dict[str, WatchedAutomation],
        now: int,
    ) -> Iterable[DueReminder]:
        over = set(resolved)
        remaining = [incident for incident in open_incidents if incident.subject not in over]
        return list_reminders(remaining, self._routing, lambda incident: _read_attributes(incident, known), now)


def _split_groups(
    parts: Sequence[Sequence[EvaluatedFinding]], groups: Iterable[ErrorGroup]
) -> list[tuple[ErrorGroup, ...]]:
    """Return the error groups for each part: a failure goes with the finding that reports it, other failures with the first part.

    If a process dies between two commits, each commit has grouped what it reported, and the next evaluation does the rest.
    """
    part_of = {seq: number for number, part in enumerate(parts) for finding in part for seq in finding.faults}
    found: list[list[ErrorGroup]] = [[] for _ in parts]
    for group in groups:
        failures_by_part: dict[int, list[GroupedFailure]] = defaultdict(list)
        for failure in group.added:
            failures_by_part[part_of.get(failure.seq, 0)].append(failure)
        for number, failures in failures_by_part.items():
            found[number].append(msgspec.structs.replace(group, added=tuple(failures)))
    return [tuple(part_groups) for part_groups in found]


def _is_unchanged(
    finding: Finding, failures: FailureGroups, parents: Mapping[Subject, Subject], before: Mapping[Subject, Incident]
) -> bool:
    """Whether an incident of failed runs is unchanged, so that thousands of runs that wait for a person cause no writes."""
    incident = before.get(finding.subject)
    if incident is None or finding.subject.kind not in FAILURE_KINDS or finding.subject in failures.of:
        return False
    above = parents.get(finding.subject)
    parent = None if above is None else before[above].id if above in before else ""
    content = (incident.severity, incident.text, incident.hint, incident.facts, incident.parent)
    return content == (finding.severity, finding.text, finding.hint, finding.facts, parent)


def _reminder_key(due: DueReminder) -> tuple[str, int, NotificationEvent, int]:
    return due.incident.id, due.incident.opened, due.about, due.number


def _read_attributes(item: Finding | Incident, known: dict[str, WatchedAutomation]) -> IncidentAttributes:
    """Return the attributes that routes compare."""
    watched = known.get(item.subject.automation)
    options = {} if watched is None else watched.options
    return IncidentAttributes(
        subject=item.subject,
        severity=item.severity,
        owner=options.get("owner"),
        team=options.get("team"),
        tags=options.get("tags") or {},
        assignee=item.facts.get("assignee") if item.subject.kind is IncidentKind.HUMAN_WAIT else None,
    )


def _is_over(incident: Incident, watched: WatchedAutomation | None) -> bool:
    """Whether an incident without a finding is over. Each monitor finds a problem for as long as it lasts."""
    if watched is not None and watched.retired_at is not None:
        return True
    return incident.subject.kind in MONITORS or incident.subject.kind is IncidentKind.NOTIFIER_BROKEN
