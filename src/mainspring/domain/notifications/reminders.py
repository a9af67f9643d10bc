"""What is told once more of incidents that are open: again after a while, to others when nobody acknowledged, when a snooze or the time of
an acknowledgement is over, and on the day of what was told ahead of it.

Pure. A reminder has a number that follows from the time, and the store tells each number once, so it does no harm to say it in every look.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from mainspring.domain.incidents.incident import Incident, IncidentKind, Severity
from mainspring.domain.incidents.incident_filter import IncidentAttributes
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.routing import NotificationRouting, NotificationTarget
from mainspring.domain.states import IncidentState


class DueReminder(msgspec.Struct, frozen=True):
    """One thing that is to be told of an incident now, its `number`th of the kind."""

    incident: Incident
    about: NotificationEvent
    number: int
    to: tuple[NotificationTarget, ...]
    wakes: bool = False
    """Whether it is told although somebody acknowledged it, and is open again by that."""


def list_reminders(
    wrong: Iterable[Incident], routing: NotificationRouting, told_of: Callable[[Incident], IncidentAttributes], now: int
) -> Iterator[DueReminder]:
    """Return what is due for all incidents that are not resolved. What is part of one of them is not repeated by itself."""
    every = list(wrong)
    held_by = {incident.id for incident in every}
    for incident in every:
        if incident.parent in held_by:
            continue
        for about, number in _list_due(incident, routing, now):
            to = routing.targets(told_of(incident), about, now)
            if to:
                yield DueReminder(incident, about, number, to, wakes=incident.state is IncidentState.ACKNOWLEDGED)


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
        # It was told ahead: until its day it is no trouble, and on that day it is, whoever took note of it before.
        if now < due_at:
            return
        if incident.state is IncidentState.OPEN or incident.changed_at < due_at:
            yield NotificationEvent.REPEATED, due_at
        since_at = due_at
    if incident.state is not IncidentState.OPEN or incident.severity is Severity.DIGEST:
        return
    if now >= since_at + routing.escalate_after_ms:
        yield NotificationEvent.ESCALATED, 1
    times = (now - since_at) // routing.repeat_ms
    if times > 0:
        yield NotificationEvent.REPEATED, times
