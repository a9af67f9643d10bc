"""Routes of an incident: who would be notified of a problem of an automation, and when. `notify routes` and the settings use it."""

from collections.abc import Iterator
from typing import Any

import msgspec

from mainspring.domain.definitions.definition import Definition
from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.incidents.incident_filter import IncidentAttributes
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.routing import NotificationRouting


class RouteLine(msgspec.Struct, frozen=True):
    """One channel that would be notified. `is_own` = the automation sets the severity; `is_escalation` = if no one acknowledges."""

    automation: str
    severity: Severity
    is_own: bool
    channel: str
    due_at: int
    is_escalation: bool


def list_route_lines(
    automation: str,
    definition: Definition | None,
    routing: NotificationRouting,
    kind: IncidentKind,
    now: int,
    severity: Severity | None = None,
) -> Iterator[RouteLine]:
    """Yield the channels for an incident of this kind that opened now; `severity` None = the automation's own."""
    own = Severity(_option_value(definition, "tier") or Severity.NOTIFY)
    attributes = IncidentAttributes(
        subject=Subject(automation, kind),
        severity=severity or own,
        owner=_option_value(definition, "owner"),
        team=_option_value(definition, "team"),
        tags=_option_value(definition, "tags") or {},
    )
    later = now + routing.escalate_after_ms
    is_repeated = attributes.severity is not Severity.DIGEST
    targets = [(target, False) for target in routing.targets(attributes, NotificationEvent.OPENED, now)]
    targets += [
        (target, True) for target in routing.targets(attributes, NotificationEvent.ESCALATED, later) if is_repeated
    ]
    for target, is_escalation in targets:
        yield RouteLine(
            automation, attributes.severity, attributes.severity is own, target.channel, target.due_at, is_escalation
        )


def _option_value(definition: Definition | None, name: str) -> Any:
    return None if definition is None else definition.option(name)
