"""Reminders of open incidents: again after a while, to others if no one acknowledged, at the end of a snooze or of the time of an
acknowledgement, and on the day of an advance notice.

Pure. The number of a reminder follows from the time, and the store sends each number once, so every evaluation may list it.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from mainspring.domain.incidents.incident import Incident, IncidentKind, Severity
from mainspring.domain.incidents.incident_filter import IncidentAttributes
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.routing import NotificationRouting, NotificationTarget
from mainspring.domain.states import IncidentState


class DueReminder(msgspec.Struct, frozen=True):
    """One reminder of an incident that is due now, the `number`th of its kind."""

    incident: Incident
    about: NotificationEvent
    number: int
    to: tuple[NotificationTarget, ...]
    wakes: bool = False
    """Whether it is sent although the incident was acknowledged, and opens it again."""


def list_reminders(
    open_incidents: Iterable[Incident],
    routing: NotificationRouting,
    attributes_of: Callable[[Incident], IncidentAttributes],
    now: int,
) -> Iterator[DueReminder]:
    """Yield the reminders that are due for unresolved incidents. An incident that is part of one of them has none of its own."""
    incidents = list(open_incidents)
    open_ids = {incident.id for incident in incidents}
    for incident in incidents:
        if incident.parent in open_ids:
            continue
        for about, number in _list_due(incident, routing, now):
            to = _list_targets(incident, attributes_of(incident), about, routing, now)
            if to:
                yield DueReminder(incident, about, number, to, wakes=incident.state is IncidentState.ACKNOWLEDGED)


def _list_targets(
    incident: Incident,
    attributes: IncidentAttributes,
    about: NotificationEvent,
    routing: NotificationRouting,
    now: int,
) -> tuple[NotificationTarget, ...]:
    """Return the channels of a reminder. That a question is now another assignee's goes to the channels of this one."""
    assignee = incident.facts.get("escalate_to")
    if about is not NotificationEvent.ESCALATED or incident.facts.get("escalate_at") is None:
        return routing.targets(attributes, about, now)
    return routing.targets(msgspec.structs.replace(attributes, assignee=assignee), NotificationEvent.REPEATED, now)


def _list_due(incident: Incident, routing: NotificationRouting, now: int) -> Iterator[tuple[NotificationEvent, int]]:
    until_at = incident.snoozed_until
    if until_at is not None and until_at <= now:
        yield NotificationEvent.REPEATED, until_at
        return
    if incident.state is IncidentState.SNOOZED:
        return
    since_at = incident.opened_at
    due_at = incident.facts.get("due_at") if incident.subject.kind is IncidentKind.SECRET_DUE else None
    if due_at is not None and since_at < due_at:
        # It was notified in advance: it is no problem until its day, and on that day it is, even if it was acknowledged before.
        if now < due_at:
            return
        if incident.state is IncidentState.OPEN or incident.changed_at < due_at:
            yield NotificationEvent.REPEATED, due_at
        since_at = due_at
    if incident.state is not IncidentState.OPEN or incident.severity is Severity.DIGEST:
        return
    escalate_at = incident.facts.get("escalate_at")
    if escalate_at is None:
        escalate_at = since_at + routing.escalate_after_ms
    elif incident.opened_at >= escalate_at:  # opened for the other assignee
        escalate_at = None
    if escalate_at is not None and now >= escalate_at:
        yield NotificationEvent.ESCALATED, 1
    times = (now - since_at) // (incident.facts.get("remind_ms") or routing.repeat_ms)
    if times > 0:
        yield NotificationEvent.REPEATED, times
