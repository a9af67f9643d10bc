"""Visible incidents of a person: a storm that covers more than they may see is replaced by its visible parts. Pure."""

from collections.abc import Callable, Iterable

from mainspring.domain.incidents.incident import Incident
from mainspring.domain.states import IncidentState

ViewFilter = Callable[[str | None], bool]
"""Whether a person may see an automation; None = Mainspring itself, for people who may see all."""


def select_visible(reported: Iterable[Incident], grouped: Iterable[Incident], may_view: ViewFilter) -> list[Incident]:
    """Return the visible incidents, and grouped ones under no visible one; in the order of `store.read.incidents.open_incidents`."""
    found = [incident for incident in reported if is_visible(incident, may_view)]
    visible_ids = {incident.id for incident in found}
    parts = [incident for incident in grouped if is_visible(incident, may_view) and incident.parent not in visible_ids]
    return sorted([*found, *parts], key=_order_key) if parts else found


def is_visible(incident: Incident, may_view: ViewFilter) -> bool:
    """Whether an incident is visible to a person."""
    return may_view(incident.subject.automation or None)


def most_severe_by_automation(incidents: Iterable[Incident]) -> dict[str, Incident]:
    """Return the most important incident of each automation: open before acknowledged, then the most severe."""
    found: dict[str, Incident] = {}
    for incident in sorted(incidents, key=_order_key):
        found.setdefault(incident.subject.automation, incident)
    return found


def _order_key(incident: Incident) -> tuple[bool, int, int]:
    return incident.state is not IncidentState.OPEN, incident.severity.rank, incident.since_at
