"""Alert filter: whether a due alert of a channel should still be sent. One that is over, or covered by a later alert, is not.

Invariant: the channel is notified of each incident that lasted longer than the time in which problems may fix themselves. An incident
that was part of another one lasts from the end of that: only then it was due for a notification.
"""

from collections.abc import Iterable

from mainspring.domain.incidents.incident import MUST_NOTIFY_FACT, Incident
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.states import IncidentState

_REMINDER_EVENTS = frozenset({NotificationEvent.REPEATED, NotificationEvent.ESCALATED})
"""Events that call for a person: over as soon as one has answered."""
_OPENING_EVENTS = frozenset({NotificationEvent.OPENED, NotificationEvent.REOPENED})
_HANDLED_STATES = frozenset({IncidentState.ACKNOWLEDGED, IncidentState.SNOOZED})


def should_send_alert(
    about: NotificationEvent, opened: int, incident: Incident, *, is_notified: bool, brief_ms: int, since_at: int = 0
) -> bool:
    """Return whether an alert about the `opened`th opening of `incident` still has to be sent.

    `is_notified` = whether the channel was notified of this opening before. An incident without a notification that lasted no longer than
    `brief_ms` from `since_at` on, when it was due, is skipped.
    """
    if about in (NotificationEvent.TEST, NotificationEvent.DIGEST):
        return True
    is_over = incident.state is IncidentState.RESOLVED or incident.opened > opened
    if is_over and not is_notified and about in _OPENING_EVENTS and _must_be_reported(opened, incident):
        return True
    if about is NotificationEvent.RESOLVED:
        if is_notified:
            return True
        ended_at = incident.resolved_at or incident.changed_at
        # An instant after its end comes from a clock that was put back.
        started_at = max(incident.opened_at, since_at if since_at <= ended_at else 0)
        return incident.opened == opened and ended_at - started_at > brief_ms
    return not is_over and not (about in _REMINDER_EVENTS and incident.state in _HANDLED_STATES)


def _must_be_reported(opened: int, incident: Incident) -> bool:
    """Return whether this opening must be reported although it is over: a failed run that only the success of another run has settled."""
    return incident.opened == opened and incident.facts.get(MUST_NOTIFY_FACT) is True and incident.by is None


def sort_by_severity(incidents: Iterable[Incident]) -> list[Incident]:
    """Return incidents in the order of a list for people: loudest first, then the oldest."""
    return sorted(incidents, key=lambda incident: (incident.severity.rank, incident.since_at, incident.id))
