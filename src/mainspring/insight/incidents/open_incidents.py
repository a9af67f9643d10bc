"""Incidents as `status` tells them: those that are open as sentences, and what need not be told beside them because they say it. Pure."""

from collections.abc import Iterator, Sequence

from mainspring.domain.incidents.incident import Incident, IncidentKind, Severity
from mainspring.domain.states import IncidentState
from mainspring.insight.text.formatting import escape_line, format_clock_time, format_count, status_head

SHOWN = 10
_STUCK = frozenset({IncidentKind.BACKLOG, IncidentKind.DEFINITION_LOST, IncidentKind.LATE_START, IncidentKind.UNSERVED})


class OpenIncidents:
    """`told` = those that are not resolved, the loudest first; `folded` = what is part of one of them, which counts there, not here."""

    def __init__(self, told: Sequence[Incident], folded: Sequence[Incident] = ()) -> None:
        self._unresolved = (*told, *folded)
        self.open = [one for one in told if one.state is IncidentState.OPEN]
        self.looked_after = len(told) - len(self.open)
        """Acknowledged or snoozed: somebody knows."""
        self.put_off = [one for one in told if one.state is not IncidentState.OPEN and one.severity is Severity.PAGE]
        """Of these what wakes people: while it lasts nothing is well."""

    def sentences(self) -> Iterator[str]:
        """Yield what is open, the loudest and oldest first."""
        for one in self.open[:SHOWN]:
            whose = one.subject.automation or "mainspring"
            yield f"[{one.severity}] {escape_line(f'{whose}: {one.said}', 200)}. See: mainspring incidents show {one.id}"
        if len(self.open) > SHOWN:
            yield f"{format_count(len(self.open) - SHOWN, 'more incident')}. See: mainspring incidents list"

    def parts(self) -> Iterator[str]:
        """Yield parts of the one sentence: "2 open incidents (1 page, 1 notify: mainspring incidents list)"."""
        if self.open:
            counts = ((severity, sum(one.severity is severity for one in self.open)) for severity in Severity)
            by = ", ".join(f"{number} {severity}" for severity, number in counts if number)
            yield f"{format_count(len(self.open), 'open incident')} ({by}: mainspring incidents list)"
        if self.looked_after:
            yield f"{format_count(self.looked_after, 'incident')} looked after"

    def head(self, count: int, now: int, zone: str) -> str:
        """Return in a few words whether anything needs a person; `count` = what does: "1 problem is snoozed until 14:00 UTC by ana"."""
        if count or not self.put_off:
            return status_head(count)
        is_one, all_snoozed = len(self.put_off) == 1, all(one.state is IncidentState.SNOOZED for one in self.put_off)
        said = "snoozed" if all_snoozed else "looked after"
        until_at = min((one.snoozed_until for one in self.put_off if one.snoozed_until is not None), default=None)
        until = (
            ""
            if until_at is None
            else f"{'' if is_one else ', the first'} until {format_clock_time(until_at, now, zone)}"
        )
        by = self.put_off[0].by if is_one else None
        # Of "web:ana" only who it is: the way that she came in tells nobody more.
        who = f" by {escape_line(by.partition(':')[2] or by, 80)}" if by else ""
        return f"{format_count(len(self.put_off), 'problem is', 'problems are')} {said}{until}{who}"

    @property
    def lost_processes(self) -> frozenset[str]:
        """Roles, or single processes as "worker:7", of which it is said that they give no sign of life."""
        return frozenset(one.subject.fingerprint for one in self._of(IncidentKind.WORKER_LOST))

    @property
    def lost_definitions(self) -> frozenset[str]:
        """Automations of which it is said that they do not load."""
        return frozenset(one.subject.automation for one in self._of(IncidentKind.DEFINITION_LOST))

    @property
    def paused_queues(self) -> frozenset[str]:
        """Queues of which it is said that they are paused, or that runs wait in them."""
        paused = {one.subject.fingerprint for one in self._of(IncidentKind.PAUSED)}
        return frozenset(paused | {str(one.facts.get("queue")) for one in self._of(IncidentKind.BACKLOG)})

    @property
    def stuck(self) -> frozenset[str]:
        """Automations of which it is said that their runs do not begin."""
        return frozenset(one.subject.automation for one in self._of(*_STUCK))

    def tells_of(self, kind: IncidentKind | None, trigger: str | None) -> bool:
        """Whether an incident of this kind is of this trigger."""
        return kind is not None and any(one.facts.get("trigger") == trigger for one in self._of(kind))

    def says(self, kind: IncidentKind) -> bool:
        """Whether an incident of this kind is not resolved."""
        return any(self._of(kind))

    @property
    def has_unsent(self) -> bool:
        """Whether it is said that messages do not reach their broker."""
        return any(self._of(IncidentKind.OUTBOX_BLOCKED))

    @property
    def has_lost_store(self) -> bool:
        """Whether it is said that the store, or its disk, is in trouble."""
        return any(self._of(IncidentKind.STORE_LOST))

    def _of(self, *kinds: IncidentKind) -> Iterator[Incident]:
        return (one for one in self._unresolved if one.subject.kind in kinds)
