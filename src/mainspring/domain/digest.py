"""The digest: one notice for all that needs nobody now, instead of one for each; incidents first, then early signs."""

from collections.abc import Callable, Sequence

from mainspring.domain.early_signs import Sign, by_label
from mainspring.domain.failed_items import FailedItems
from mainspring.domain.incident import Incident, Severity
from mainspring.domain.notice import About, Field, Notice
from mainspring.domain.rendering import LONGEST_FIELD, Circumstances, moment_of, one_line
from mainspring.domain.states import IncidentState
from mainspring.domain.telling import worst_first

LONGEST = 40
"""Incidents of which a digest tells more than their number."""
_LONGEST_LINE, _LONGEST_ITEMS = 300, 90
_SIGNS = 8
"""Automations that are named beside one label."""


def digest_of(
    id: str,
    incidents: Sequence[Incident],
    at: int,
    around: Circumstances,
    signs: Sequence[Sign] = (),
    items_of: Callable[[Incident], FailedItems] = lambda _: FailedItems(),
) -> Notice:
    """Return the digest of these incidents, each of which stands in it once, and signs; `id` and `at` are those of its first alert.

    `items_of` = what the failed runs of an incident are about.
    """
    listed = worst_first({one.id: one for one in incidents}.values())
    fields = [Field(_name(one), _line(one, around, items_of(one))) for one in listed[:LONGEST]]
    if len(listed) > LONGEST:
        fields.append(Field("More", f"{len(listed) - LONGEST} others: mainspring incidents list"))
    fields += [Field(label, _signs(found)) for label, found in by_label(signs).items()]
    number = len(listed) + len(signs)
    where = "" if around.environment == "production" else f" ({around.environment})"
    things = "1 thing" if number == 1 else f"{number} things"
    return Notice(
        id=id,
        key=f"mainspring:digest:{id}",
        about=About.DIGEST,
        severity=Severity.DIGEST,
        headline=f"[digest]{where} {things} to look at when there is time",
        fields=tuple(fields),
        environment=around.environment,
        project=around.project,
        at=at,
    )


def _signs(found: Sequence[Sign]) -> str:
    told = [f"{one.automation}: {one.text}" for one in found[:_SIGNS]]
    more = f"; {len(found) - _SIGNS} others" if len(found) > _SIGNS else ""
    return one_line("; ".join(told) + more, LONGEST_FIELD)


def _name(incident: Incident) -> str:
    return one_line(incident.subject.automation or "mainspring", 60)


def _line(incident: Incident, around: Circumstances, items: FailedItems) -> str:
    over = "over; " if incident.state is IncidentState.RESOLVED else ""
    since = f"since {moment_of(incident.since_at, around.zone)}"
    named = items.text(_LONGEST_ITEMS)
    item = f" ({named})" if named else ""
    return one_line(f"{over}{incident.said}{item} ({since}); mainspring incidents show {incident.id}", _LONGEST_LINE)
