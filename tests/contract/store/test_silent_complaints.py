"""Complaints about peers, by name: an alarm that is silent itself, a run that did not come, a start that failed unseen, and others."""

import pytest
from msgspec.structs import replace

from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.routing import NotificationRoute
from mainspring.domain.states import AlertState
from mainspring.store.commands.alerts import RefusedAlert, SettleAlerts
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow, MakeSlot
from mainspring.store.commands.sessions import RecordHeartbeat
from tests.contract.store.process import finish, take_alerts
from tests.contract.store.test_watch import HOUR, ROUTING, Site

MINUTE = 60_000


@pytest.fixture
def site(store):
    return Site(store)


@pytest.fixture
def scheduler(new_process):
    """A scheduler that lives, but never comes to a slot."""
    return new_process().open("scheduler")


def open_incidents(site):
    return {
        incident.subject.kind: incident
        for incident in site.store.read("incidents")
        if incident.parent is None and incident.resolved_at is None
    }


def refuse(site, channel):
    """A try at a channel that takes nothing."""
    lease = take_alerts(channel)
    for leased_channel in site.store.do(lease).channels:
        site.store.do(SettleAlerts(lease=lease.lease, channel=leased_channel.name, away="connection refused"))


def test_complaint_2_silent_failure_handler_is_reported(site):
    """Twelve failures, and the channel takes nothing: another one hears of the channel, and what waited learns when it is back."""
    for _ in range(12):
        site.fail()
    site.evaluate()
    refuse(site, "ops")
    site.evaluate(2 * MINUTE)
    broken = open_incidents(site)[IncidentKind.NOTIFIER_BROKEN]
    assert broken.text == "channel ops accepts nothing: connection refused"
    to = {alert.channel for alert in site.store.read("alerts", broken.id)}
    assert to == {"boss"}, "a channel cannot tell of itself"
    site.store.clock.forward(MINUTE)
    site.store.deliver_all()
    failed = open_incidents(site)[IncidentKind.PERMANENT_ERROR]
    assert failed.number == 12
    opened = [alert for alert in site.store.read("alerts", failed.id) if alert.about is NotificationEvent.OPENED]
    assert [(alert.channel, alert.state) for alert in opened] == [("ops", AlertState.SENT)]


def test_channel_that_is_configured_no_more_is_broken_no_more(site):
    """It refused all, and someone took it out: nothing could ever be taken by it again, and its incident would last for ever."""
    site.fail()
    site.evaluate()
    lease = take_alerts("ops")
    (leased,) = site.store.do(lease).channels
    refused = (RefusedAlert(leased.alerts[0].seq, "it answers 404"),)
    site.store.do(SettleAlerts(lease=lease.lease, channel="ops", refused=refused))
    site.evaluate(2 * MINUTE)
    assert IncidentKind.NOTIFIER_BROKEN in open_incidents(site)
    site.watch = site.watcher(replace(ROUTING, channels=("boss",), routes=(NotificationRoute(to=("boss",)),)))
    site.evaluate()
    assert IncidentKind.NOTIFIER_BROKEN not in open_incidents(site)


def test_complaint_9_run_that_did_not_come_is_reported_without_configuration(site, scheduler):
    """Hourly, nothing configured: no run in time is reported once; that no success came in two hours is part of the same."""
    site.announce("a", every="1h")
    site.succeed()
    opened = []
    for _ in range(24):
        site.store.clock.forward(10 * MINUTE)
        scheduler.do(RecordHeartbeat())
        site.evaluate()
        opened = [alert for alert in site.notices() if alert[0] is NotificationEvent.OPENED]
    assert opened == [(NotificationEvent.OPENED, "ops")]
    every = {incident.subject.kind: incident for incident in site.store.read("incidents")}
    assert every[IncidentKind.SILENCE].parent == every[IncidentKind.LATE_START].id
    assert every[IncidentKind.SILENCE].since_at <= site.store.clock.now() - 2 * HOUR


def test_complaint_10_start_that_fails_is_reported_though_history_is_green(site):
    """Every run on record succeeded; the next ones cannot begin, for the module no longer loads."""
    for _ in range(3):
        site.succeed()
    problem = "Traceback\nModuleNotFoundError: No module named 'requests'"
    site.store.do(AnnounceDefinitions("code-2", (AutomationRow("a", "task", 1, "code-2", None, problem=problem),), ()))
    site.evaluate()
    incident = open_incidents(site)[IncidentKind.DEFINITION_LOST]
    assert incident.text == "it fails to load: ModuleNotFoundError: No module named 'requests'"
    assert site.notices() == [(NotificationEvent.OPENED, "ops")]


def test_module_with_a_long_load_error_is_reported(site):
    """The first line of a long answer in any writing is enough to know it again; the whole of it fits no key of a store."""
    words = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(1_900))
    for name in ("a", "b"):
        site.announce(name)
        problem = f"/srv/shop.py:3\nfailed to load: ValueError: {words}"
        site.store.do(
            AnnounceDefinitions("code-2", (AutomationRow(name, "task", 1, "code-2", None, problem=problem),), ())
        )
    site.evaluate()
    storm = open_incidents(site)[IncidentKind.STORM]
    assert storm.text.startswith("2 automations fail to load (a, b): /srv/shop.py:3: failed to load: ValueError: ")
    assert site.notices() == [(NotificationEvent.OPENED, "ops")]


def test_complaint_10_worker_that_can_load_nothing_is_reported(site, scheduler):
    """It lives, and no one has the automation any more: not even a problem says so."""
    site.announce("a", every="1h")
    site.store.do(AnnounceDefinitions("code-2", (), ()))
    for minute in range(5):
        assert site.notices() == [], minute
        site.store.clock.forward(MINUTE)
        scheduler.do(RecordHeartbeat())
        site.evaluate()
    incident = open_incidents(site)[IncidentKind.DEFINITION_LOST]
    assert incident.subject.automation == "a"
    assert incident.text.startswith("no running worker has loaded it")
    assert site.notices() == [(NotificationEvent.OPENED, "ops")]


def test_complaint_12_cadence_that_became_slower_is_reported(site, scheduler):
    """Every 20 s became every 60 s: each run succeeds, and people read it in the digest."""
    site.announce("a", "b", every="20s")
    for number in range(12):
        at = site.store.clock.now()
        for name, is_run in (("a", number % 3 == 0), ("b", True)):
            start = site.store.starting(automation=name) if is_run else None
            site.store.do(MakeSlot(name, at, at + 20_000, "run" if is_run else "skipped", start))
            if is_run:
                site.store.do(finish(site.store.claim().runs[0]))
        site.store.clock.forward(20_000)
    site.store.clock.forward(24 * HOUR)
    scheduler.do(RecordHeartbeat())
    site.evaluate()
    drifted = [
        incident for incident in site.store.read("incidents") if incident.subject.kind is IncidentKind.CADENCE_DRIFT
    ]
    assert [(incident.subject.automation, incident.severity) for incident in drifted] == [("a", Severity.DIGEST)]
    assert "8 of 12 slots skipped" in drifted[0].text


def test_grouped_incidents_do_not_recur(site, scheduler):
    """The scheduler died four times: what followed from that for an automation is not a fault of its own that comes back."""
    site.announce("a", every="1h")
    for _ in range(4):
        site.evaluate(3 * HOUR)
        scheduler.do(RecordHeartbeat())
        site.store.clock.forward(1_000)
        site.succeed()
        site.evaluate()
    kinds = {incident.subject.kind for incident in site.store.read("incidents", unresolved=False)}
    assert IncidentKind.SILENCE in kinds
    assert ("a", IncidentKind.RECURRING) not in {
        (incident.subject.automation, incident.subject.kind)
        for incident in site.store.read("incidents", unresolved=False)
    }
