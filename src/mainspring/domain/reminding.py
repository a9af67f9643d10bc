"""What is told once more of incidents that are open: again after a while, to others when nobody acknowledged, when a snooze or the time of
an acknowledgement is over, and on the day of what was told ahead of it.

Pure. A reminder has a number that follows from the time, and the store tells each number once, so it does no harm to say it in every look.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from mainspring.domain.incident import Incident, IncidentKind, Severity
from mainspring.domain.match import Told
from mainspring.domain.notice import About
from mainspring.domain.route import Routing, Target
from mainspring.domain.states import IncidentState


class Due(msgspec.Struct, frozen=True):
    """One thing that is to be told of an incident now, its `number`th of the kind."""

    incident: Incident
    about: About
    number: int
    to: tuple[Target, ...]
    wakes: bool = False
    """Whether it is told although somebody acknowledged it, and is open again by that."""


def reminders(
    wrong: Iterable[Incident], routing: Routing, told_of: Callable[[Incident], Told], now: int
) -> Iterator[Due]:
    """Return what is due for all incidents that are not resolved. What is part of one of them is not repeated by itself."""
    every = list(wrong)
    held_by = {incident.id for incident in every}
    for incident in every:
        if incident.parent in held_by:
            continue
        for about, number in _due(incident, routing, now):
            to = routing.targets(told_of(incident), about, now)
            if to:
                yield Due(incident, about, number, to, wakes=incident.state is IncidentState.ACKNOWLEDGED)


def _due(incident: Incident, routing: Routing, now: int) -> Iterator[tuple[About, int]]:
    until_at = incident.snoozed_until
    if until_at is not None and until_at <= now:
        yield About.REPEATED, until_at
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
            yield About.REPEATED, due_at
        since_at = due_at
    if incident.state is not IncidentState.OPEN or incident.severity is Severity.DIGEST:
        return
    if now >= since_at + routing.escalate_after_ms:
        yield About.ESCALATED, 1
    times = (now - since_at) // routing.repeat_ms
    if times > 0:
        yield About.REPEATED, times
