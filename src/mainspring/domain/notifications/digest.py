"""The digest: one notification for all that is not urgent, instead of one for each; incidents first, then early warnings."""

from collections.abc import Callable, Sequence

from mainspring.domain.incidents.incident import Incident, Severity
from mainspring.domain.notifications.alert_filter import sort_by_severity
from mainspring.domain.notifications.early_warnings import EarlyWarning, group_by_label
from mainspring.domain.notifications.notification import Notification, NotificationEvent, NotificationField
from mainspring.domain.notifications.rendering import (
    LONGEST_FIELD,
    FailedItems,
    NotificationContext,
    fit_line,
    format_moment,
)
from mainspring.domain.states import IncidentState

MAX_DIGEST_INCIDENTS = 40
"""Incidents that a digest lists; of more it gives the number."""
_LONGEST_LINE, _LONGEST_ITEMS = 300, 90
_MAX_NAMED_AUTOMATIONS = 8
"""Automations that are named beside one label."""


def render_digest(
    id: str,
    incidents: Sequence[Incident],
    at: int,
    around: NotificationContext,
    signs: Sequence[EarlyWarning] = (),
    items_of: Callable[[Incident], FailedItems] = lambda _: FailedItems(),
) -> Notification:
    """Return the digest of these incidents, each listed once, and early warnings; `id` and `at` are those of its first alert.

    `items_of` = the items of the failed runs of an incident.
    """
    listed = sort_by_severity({incident.id: incident for incident in incidents}.values())
    fields = [
        NotificationField(_display_name(incident), _render_line(incident, around, items_of(incident)))
        for incident in listed[:MAX_DIGEST_INCIDENTS]
    ]
    if len(listed) > MAX_DIGEST_INCIDENTS:
        fields.append(
            NotificationField("More", f"{len(listed) - MAX_DIGEST_INCIDENTS} others: mainspring incidents list")
        )
    fields += [
        NotificationField(label, _render_warnings(warnings)) for label, warnings in group_by_label(signs).items()
    ]
    number = len(listed) + len(signs)
    where = "" if around.environment == "production" else f" ({around.environment})"
    count_text = "1 incident or warning" if number == 1 else f"{number} incidents and warnings"
    return Notification(
        id=id,
        key=f"mainspring:digest:{id}",
        about=NotificationEvent.DIGEST,
        severity=Severity.DIGEST,
        headline=f"[digest]{where} {count_text} to check when you have time",
        fields=tuple(fields),
        environment=around.environment,
        project=around.project,
        at=at,
    )


def _render_warnings(warnings: Sequence[EarlyWarning]) -> str:
    lines = [f"{warning.automation}: {warning.text}" for warning in warnings[:_MAX_NAMED_AUTOMATIONS]]
    more = f"; {len(warnings) - _MAX_NAMED_AUTOMATIONS} others" if len(warnings) > _MAX_NAMED_AUTOMATIONS else ""
    return fit_line("; ".join(lines) + more, LONGEST_FIELD)


def _display_name(incident: Incident) -> str:
    return fit_line(incident.subject.automation or "mainspring", 60)


def _render_line(incident: Incident, around: NotificationContext, items: FailedItems) -> str:
    over = "over; " if incident.state is IncidentState.RESOLVED else ""
    since = f"since {format_moment(incident.since_at, around.zone)}"
    named = items.text(_LONGEST_ITEMS)
    item = f" ({named})" if named else ""
    return fit_line(f"{over}{incident.summary}{item} ({since}); mainspring incidents show {incident.id}", _LONGEST_LINE)
