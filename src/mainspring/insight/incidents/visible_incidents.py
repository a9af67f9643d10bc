"""What is wrong as far as somebody sees: in place of a storm that is of more than they see, those of its parts that they do. Pure."""

from collections.abc import Callable, Iterable

from mainspring.domain.incidents.incident import Incident
from mainspring.domain.states import IncidentState

Sees = Callable[[str | None], bool]
"""Whether somebody sees what is of an automation; None = of Mainspring itself, which is for whoever sees all."""


def select_visible(told: Iterable[Incident], folded: Iterable[Incident], sees: Sees) -> list[Incident]:
    """Return what is told by itself, and what of `folded` is part of nothing that is seen; in the order of `store.reads.incidents.told`."""
    found = [one for one in told if is_visible(one, sees)]
    above = {one.id for one in found}
    parts = [one for one in folded if is_visible(one, sees) and one.parent not in above]
    return sorted([*found, *parts], key=_order_key) if parts else found


def is_visible(one: Incident, sees: Sees) -> bool:
    """Tell whether an incident is for them."""
    return sees(one.subject.automation or None)


def most_severe_by_automation(incidents: Iterable[Incident]) -> dict[str, Incident]:
    """Return of each automation the incident that counts: what is open before what is looked after, then the loudest."""
    found: dict[str, Incident] = {}
    for one in sorted(incidents, key=_order_key):
        found.setdefault(one.subject.automation, one)
    return found


def _order_key(one: Incident) -> tuple[bool, int, int]:
    return one.state is not IncidentState.OPEN, one.severity.rank, one.since_at
