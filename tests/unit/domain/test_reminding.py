"""Reminders: what stays open is said again, what nobody takes goes to others, what was snoozed wakes."""

import pytest
from msgspec.structs import replace

from mainspring.domain.incident import Incident, IncidentKind, Severity, Subject
from mainspring.domain.match import Told
from mainspring.domain.notice import About
from mainspring.domain.reminding import reminders
from mainspring.domain.route import Route, Routing
from mainspring.domain.states import IncidentState

MINUTE, HOUR = 60_000, 3_600_000
ROUTING = Routing(channels=("ops", "boss"), routes=(Route(to=("ops",), escalate=("boss",)),))
OPEN = Incident(
    id="i1", subject=Subject("a", IncidentKind.SILENCE), state=IncidentState.OPEN, severity=Severity.PAGE, text="t", hint=None, facts={},
    since_at=0, opened_at=0, changed_at=0, seen_at=0,
)  # fmt: skip


def due(incident, now, routing=ROUTING):
    found = reminders([incident], routing, lambda one: Told(subject=one.subject, severity=one.severity), now)
    return [(one.about, one.number, tuple(target.channel for target in one.to)) for one in found]


def test_nobody_acknowledged_so_others_are_told():
    """After a quarter of an hour, once, and only where a route says to whom."""
    assert due(OPEN, 15 * MINUTE - 1) == []
    assert due(OPEN, 15 * MINUTE) == [(About.ESCALATED, 1, ("boss",))]
    assert due(OPEN, 15 * MINUTE, Routing(channels=("ops",))) == []


def test_what_stays_open_is_said_again():
    """Every four hours, each time with a number of its own."""
    assert (About.REPEATED, 1, ("ops",)) in due(OPEN, 4 * HOUR)
    assert (About.REPEATED, 2, ("ops",)) in due(OPEN, 11 * HOUR)


@pytest.mark.parametrize(
    "incident",
    [
        replace(OPEN, state=IncidentState.ACKNOWLEDGED),
        replace(OPEN, state=IncidentState.SNOOZED, snoozed_until=100 * HOUR),
        replace(OPEN, severity=Severity.DIGEST),
    ],
)
def test_what_somebody_looks_after_is_not_repeated(incident):
    """Nor what sleeps, what only stands in the digest, and what is part of another incident."""
    assert due(incident, 50 * HOUR) == []


def test_snooze_is_over():
    """It is said again at its end, under the instant of that end."""
    asleep = replace(OPEN, state=IncidentState.SNOOZED, snoozed_until=2 * HOUR)
    assert due(asleep, 2 * HOUR - 1) == []
    assert due(asleep, 2 * HOUR) == [(About.REPEATED, 2 * HOUR, ("ops",))]


def test_what_is_part_of_another_is_not_repeated_while_that_is_open():
    """When the other one is over, what is left of it speaks for itself."""
    part, other = replace(OPEN, parent="i0"), replace(OPEN, id="i0")

    def told(*wrong):
        found = reminders(wrong, ROUTING, lambda one: Told(subject=one.subject, severity=one.severity), 5 * HOUR)
        return {one.incident.id for one in found}

    assert told(part, other) == {"i0"}
    assert told(part) == {"i1"}


def test_snoozed_incident_of_the_digest_wakes():
    """It would sleep for ever; it is said with the next digest."""
    asleep = replace(OPEN, severity=Severity.DIGEST, state=IncidentState.SNOOZED, snoozed_until=2 * HOUR)
    assert due(asleep, 2 * HOUR) == [(About.REPEATED, 2 * HOUR, ("ops",))]
