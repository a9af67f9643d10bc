"""Open incidents for `status`: as sentences, and which problems they already cover, so that these are not repeated. Pure."""

from collections.abc import Iterator, Sequence

from mainspring.domain.incidents.incident import Incident, IncidentKind, Severity
from mainspring.domain.states import IncidentState
from mainspring.insight.text.formatting import escape_line, format_clock_time, format_count, status_head

MAX_LISTED = 10
_STUCK = frozenset({IncidentKind.BACKLOG, IncidentKind.DEFINITION_LOST, IncidentKind.LATE_START, IncidentKind.UNSERVED})


class OpenIncidents:
    """`unresolved` = the incidents, most severe first; `grouped` = those under one of them, which count there only."""

    def __init__(self, unresolved: Sequence[Incident], grouped: Sequence[Incident] = ()) -> None:
        self._unresolved = (*unresolved, *grouped)
        self.open = [incident for incident in unresolved if incident.state is IncidentState.OPEN]
        self.handled = len(unresolved) - len(self.open)
        """Acknowledged or snoozed."""
        self.put_off = [
            incident
            for incident in unresolved
            if incident.state is not IncidentState.OPEN and incident.severity is Severity.PAGE
        ]
        """Those of severity page: while there is one, the project is not healthy."""

    def sentences(self) -> Iterator[str]:
        """Yield the open incidents, the most severe and oldest first."""
        for incident in self.open[:MAX_LISTED]:
            subject = incident.subject.automation or "mainspring"
            text = escape_line(f"{subject}: {incident.summary}", 200)
            yield f"[{incident.severity}] {text}. See: mainspring incidents show {incident.id}"
        if len(self.open) > MAX_LISTED:
            yield f"{format_count(len(self.open) - MAX_LISTED, 'more incident')}. See: mainspring incidents list"

    def parts(self) -> Iterator[str]:
        """Yield parts of the one sentence: "2 open incidents (1 page, 1 notify: mainspring incidents list)"."""
        if self.open:
            counts = ((severity, sum(incident.severity is severity for incident in self.open)) for severity in Severity)
            by = ", ".join(f"{number} {severity}" for severity, number in counts if number)
            yield f"{format_count(len(self.open), 'open incident')} ({by}: mainspring incidents list)"
        if self.handled:
            yield f"{format_count(self.handled, 'incident')} acknowledged or snoozed"

    def head(self, count: int, now: int, zone: str) -> str:
        """Return in a few words whether anything needs a person; `count` = what does: "1 problem is snoozed until 14:00 UTC by ana"."""
        if count or not self.put_off:
            return status_head(count)
        is_one = len(self.put_off) == 1
        states = {incident.state for incident in self.put_off}
        state_text = " or ".join(sorted(state.value for state in states))
        until_at = min(
            (incident.snoozed_until for incident in self.put_off if incident.snoozed_until is not None), default=None
        )
        until = (
            ""
            if until_at is None
            else f"{'' if is_one else ', the first'} until {format_clock_time(until_at, now, zone)}"
        )
        by = self.put_off[0].by if is_one else None
        # Of "web:ana" only the name: the entry point helps no reader.
        by_text = f" by {escape_line(by.partition(':')[2] or by, 80)}" if by else ""
        return f"{format_count(len(self.put_off), 'problem is', 'problems are')} {state_text}{until}{by_text}"

    @property
    def lost_processes(self) -> frozenset[str]:
        """Roles, or single processes as "worker:7", that an incident reports as lost."""
        return frozenset(incident.subject.fingerprint for incident in self._of(IncidentKind.WORKER_LOST))

    @property
    def lost_definitions(self) -> frozenset[str]:
        """Automations that an incident reports as failing to load."""
        return frozenset(incident.subject.automation for incident in self._of(IncidentKind.DEFINITION_LOST))

    @property
    def unloaded_files(self) -> frozenset[str]:
        """Files and modules that an incident of the project reports as failing to load."""
        lost = self._of(IncidentKind.DEFINITION_LOST)
        return frozenset(incident.subject.fingerprint for incident in lost if not incident.subject.automation)

    @property
    def paused_queues(self) -> frozenset[str]:
        """Queues that an incident reports as paused, or whose backlog it reports."""
        paused = {incident.subject.fingerprint for incident in self._of(IncidentKind.PAUSED)}
        return frozenset(paused | {str(incident.facts.get("queue")) for incident in self._of(IncidentKind.BACKLOG)})

    @property
    def stuck(self) -> frozenset[str]:
        """Automations whose runs do not start, by an incident."""
        return frozenset(incident.subject.automation for incident in self._of(*_STUCK))

    def covers_trigger(self, kind: IncidentKind | None, trigger: str | None) -> bool:
        """Whether an incident of this kind is of this trigger."""
        return kind is not None and any(incident.facts.get("trigger") == trigger for incident in self._of(kind))

    def has_kind(self, kind: IncidentKind) -> bool:
        """Whether an incident of this kind is not resolved."""
        return any(self._of(kind))

    def has_open(self, kind: IncidentKind) -> bool:
        """Whether an incident of this kind is neither resolved, acknowledged nor snoozed."""
        return any(incident.state is IncidentState.OPEN for incident in self._of(kind))

    @property
    def has_unsent(self) -> bool:
        """Whether an incident reports that messages do not reach their broker."""
        return any(self._of(IncidentKind.OUTBOX_BLOCKED))

    @property
    def has_lost_store(self) -> bool:
        """Whether an incident reports a failing store or disk."""
        return any(self._of(IncidentKind.STORE_LOST))

    def _of(self, *kinds: IncidentKind) -> Iterator[Incident]:
        return (incident for incident in self._unresolved if incident.subject.kind in kinds)
