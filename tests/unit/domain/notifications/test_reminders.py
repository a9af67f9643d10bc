"""Reminders: what stays open is said again, what no one takes goes to others, what was snoozed wakes."""

import pytest
from msgspec.structs import replace

from mainspring.domain.incidents.incident import Incident, IncidentKind, Severity, Subject
from mainspring.domain.incidents.incident_filter import IncidentAttributes
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.reminders import list_reminders
from mainspring.domain.notifications.routing import NotificationRoute, NotificationRouting
from mainspring.domain.states import IncidentState

MINUTE, HOUR = 60_000, 3_600_000
ROUTING = NotificationRouting(channels=("ops", "boss"), routes=(NotificationRoute(to=("ops",), escalate=("boss",)),))
OPEN = Incident(
    id="i1", subject=Subject("a", IncidentKind.SILENCE), state=IncidentState.OPEN, severity=Severity.PAGE, text="t", hint=None, facts={},
    since_at=0, opened_at=0, changed_at=0, seen_at=0,
)  # fmt: skip


def due(incident, now, routing=ROUTING):
    found = list_reminders(
        [incident],
        routing,
        lambda incident_read: IncidentAttributes(subject=incident_read.subject, severity=incident_read.severity),
        now,
    )
    return [(reminder.about, reminder.number, tuple(target.channel for target in reminder.to)) for reminder in found]


def test_unacknowledged_incident_escalates():
    """After a quarter of an hour, once, and only where a route says to whom."""
    assert due(OPEN, 15 * MINUTE - 1) == []
    assert due(OPEN, 15 * MINUTE) == [(NotificationEvent.ESCALATED, 1, ("boss",))]
    assert due(OPEN, 15 * MINUTE, NotificationRouting(channels=("ops",))) == []


def test_open_incident_is_repeated():
    """Every four hours, each time with a number of its own."""
    assert (NotificationEvent.REPEATED, 1, ("ops",)) in due(OPEN, 4 * HOUR)
    assert (NotificationEvent.REPEATED, 2, ("ops",)) in due(OPEN, 11 * HOUR)


@pytest.mark.parametrize(
    "incident",
    [
        replace(OPEN, state=IncidentState.ACKNOWLEDGED),
        replace(OPEN, state=IncidentState.SNOOZED, snoozed_until=100 * HOUR),
        replace(OPEN, severity=Severity.DIGEST),
    ],
)
def test_acknowledged_incident_is_not_repeated(incident):
    """Nor what sleeps, what only stands in the digest, and what is part of another incident."""
    assert due(incident, 50 * HOUR) == []


def test_snooze_is_over():
    """It is said again at its end, under the instant of that end."""
    asleep = replace(OPEN, state=IncidentState.SNOOZED, snoozed_until=2 * HOUR)
    assert due(asleep, 2 * HOUR - 1) == []
    assert due(asleep, 2 * HOUR) == [(NotificationEvent.REPEATED, 2 * HOUR, ("ops",))]


SECRET = replace(
    OPEN,
    subject=Subject("", IncidentKind.SECRET_DUE, "key"),
    severity=Severity.NOTIFY,
    facts={"due_at": 14 * 24 * HOUR},
)
DAY_ITSELF = 14 * 24 * HOUR


def test_acknowledgement_for_a_time_is_over():
    """Once, when its time has come; until then nothing is said, whatever the hour."""
    incident = replace(OPEN, state=IncidentState.ACKNOWLEDGED, snoozed_until=50 * HOUR)
    assert due(incident, 49 * HOUR) == []
    assert due(incident, 51 * HOUR) == [(NotificationEvent.REPEATED, 50 * HOUR, ("ops",))]


def test_incident_before_its_due_date_is_quiet():
    """Neither repeated nor escalated before; on the day it is said again, and from then on it is as any other."""
    assert due(SECRET, DAY_ITSELF - 1) == []
    assert due(SECRET, DAY_ITSELF) == [(NotificationEvent.REPEATED, DAY_ITSELF, ("ops",))]
    assert (NotificationEvent.ESCALATED, 1, ("boss",)) in due(SECRET, DAY_ITSELF + 15 * MINUTE)
    assert (NotificationEvent.REPEATED, 1, ("ops",)) in due(SECRET, DAY_ITSELF + 4 * HOUR)


def test_acknowledged_incident_repeats_on_its_due_date():
    """What was acknowledged on the day itself, or sleeps, does not."""
    acknowledged = replace(SECRET, state=IncidentState.ACKNOWLEDGED, changed_at=HOUR)
    assert due(acknowledged, DAY_ITSELF - 1) == []
    assert due(acknowledged, DAY_ITSELF + 9 * HOUR) == [(NotificationEvent.REPEATED, DAY_ITSELF, ("ops",))]
    assert due(replace(acknowledged, changed_at=DAY_ITSELF), DAY_ITSELF + 9 * HOUR) == []
    assert due(replace(SECRET, state=IncidentState.SNOOZED, snoozed_until=999 * HOUR), DAY_ITSELF + 9 * HOUR) == []


def test_incident_after_its_due_date_is_ordinary():
    """It was reported as due then."""
    late = replace(SECRET, opened_at=DAY_ITSELF)
    assert due(late, DAY_ITSELF) == []
    assert (NotificationEvent.REPEATED, 1, ("ops",)) in due(late, DAY_ITSELF + 4 * HOUR)


def test_incident_opened_by_a_clock_ahead_is_not_repeated():
    """Two watchers' clocks differ by a little."""
    assert due(replace(OPEN, opened_at=1_000), 0) == []


def test_part_of_an_open_incident_is_not_repeated():
    """When the other one is over, what is left of it speaks for itself."""
    part, other = replace(OPEN, parent="i0"), replace(OPEN, id="i0")

    def reminded_ids(*open_incidents):
        found = list_reminders(
            open_incidents,
            ROUTING,
            lambda incident_read: IncidentAttributes(subject=incident_read.subject, severity=incident_read.severity),
            5 * HOUR,
        )
        return {reminder.incident.id for reminder in found}

    assert reminded_ids(part, other) == {"i0"}
    assert reminded_ids(part) == {"i1"}


def test_snoozed_incident_of_the_digest_wakes():
    """It would sleep for ever; it is said with the next digest."""
    asleep = replace(OPEN, severity=Severity.DIGEST, state=IncidentState.SNOOZED, snoozed_until=2 * HOUR)
    assert due(asleep, 2 * HOUR) == [(NotificationEvent.REPEATED, 2 * HOUR, ("ops",))]
