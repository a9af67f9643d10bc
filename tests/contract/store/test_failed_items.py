"""Failed items as a watcher and people see them, on every store: none is reported to no one."""

from msgspec.structs import replace

from mainspring.alerting.notifier import AlertBatch
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.incidents.incident import MEMBERS_FACT, IncidentKind
from mainspring.domain.incidents.incident_members import HealthRule
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS, evaluate_all
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.routing import NotificationRoute, NotificationRouting
from mainspring.domain.states import AlertState, FailureReason, IncidentState
from mainspring.insight.status.project_status import evaluate_status, read_unresolved
from mainspring.store.commands.alerts import SettleAlerts
from mainspring.store.commands.automations import RetireAutomation
from mainspring.store.commands.incidents import AcknowledgeIncident
from mainspring.store.commands.runs import DiscardRun
from tests.contract.store.process import audited, fail, finish, take_alerts
from tests.contract.store.test_watch import HOUR, Site

WAITS = NotificationRouting(channels=("ops",), routes=(NotificationRoute(to=("ops",)),), group_wait_ms=30_000)
WHOLE = {"healthy": HealthRule.AUTOMATION, "item": ""}
FAILED = IncidentKind.PERMANENT_ERROR


def broken(site, item=None, *, message=None, reason=FailureReason.PERMANENT_ERROR, **options):
    """Let a run about an item fail for good."""
    run = site.store.begin(automation="a", item=item, **options)
    failed = fail(run, "load#1", reason)
    if message is not None:
        failed = replace(failed, failure=Failure(type="E", code="invalid", message=message, kind=FailureKind.PERMANENT))
    site.store.do(failed)
    return run


def done(site, item=None, **options):
    site.store.do(finish(site.store.begin(automation="a", item=item, **options)))


def deliver(site):
    """Let a Notifier send what is due, as it does: what is over before its time is dropped."""
    take = take_alerts("ops")
    for channel in site.store.do(take).channels:
        batch = AlertBatch(channel, 30_000)
        for notice in batch.pending():
            batch.mark_started(notice)
            batch.record_sent(notice, None)
        settled = batch.build_settlement(take.lease, None, 0)
        assert isinstance(settled, SettleAlerts)
        site.store.do(settled)


def log(site):
    """Return what `notify log` says, oldest first."""
    return [(alert.about, alert.state) for alert in reversed(site.store.read("alerts"))]


def open_kinds(site):
    reader = site.store.reader
    return evaluate_status(reader, site.store.clock.now(), read_unresolved(reader), store="s", environment="production")


def test_failed_item_is_reported_although_the_next_item_succeeds(store):
    """Item 13 fails for good, item 15 succeeds eight seconds later: the notification is sent, and nothing is green."""
    site = Site(store)
    site.watch = site.watcher(WAITS)
    broken(site, "13")
    site.evaluate()
    store.clock.forward(8_000)
    done(site, "15")
    site.evaluate()
    store.clock.forward(30_000)
    deliver(site)
    assert log(site) == [(NotificationEvent.OPENED, AlertState.SENT)]
    found = open_kinds(site)
    assert (found.healthy, found.undecided_failures.number) == (False, 1)
    assert found.problems[-1] == "1 failed run still needs a decision: mainspring failed list"
    done(site, "13")
    site.evaluate()
    assert open_kinds(site).healthy
    deliver(site)
    assert log(site)[-1] == (NotificationEvent.RESOLVED, AlertState.SENT)


def test_three_failed_items_of_one_cause_are_one_incident(store):
    """Fixing one leaves the incident open, which says how many are."""
    site = Site(store)
    for number in range(10):
        done(site, f"good {number}")
    runs = [broken(site, item).id for item in ("1", "2", "3")]
    site.evaluate()
    done(site, "1")
    site.evaluate()
    (incident,) = store.read("incidents")
    assert (incident.subject.kind, incident.state) == (FAILED, IncidentState.OPEN)
    assert incident.facts[MEMBERS_FACT] == "3 runs failed, 1 fixed, 2 open"
    assert incident.summary.endswith("(3 runs failed, 1 fixed, 2 open)")
    assert incident.hint == f"mainspring runs show {runs[2]}"
    for item in ("2", "3"):
        done(site, item)
    site.evaluate()
    (over,) = store.read("incidents", unresolved=False)
    assert (over.state, over.facts[MEMBERS_FACT]) == (IncidentState.RESOLVED, "3 runs failed, 3 fixed")


def test_acknowledged_incident_is_not_green_while_a_run_is_undecided(store):
    """Someone looks after it; the run is failed all the same."""
    site = Site(store)
    broken(site, "1")
    site.evaluate()
    (incident,) = store.read("incidents")
    store.do(AcknowledgeIncident(incident.id, "ana"))
    found = open_kinds(site)
    assert (found.healthy, found.count) == (False, 1)
    assert found.sentence.startswith(
        "1 failed run still needs a decision: `mainspring failed list`. Otherwise healthy: "
    )


def test_retired_automation_leaves_its_failed_runs_to_be_decided(store):
    """Nothing new is expected of it; what failed before waits for a word all the same, and its incident as well."""
    site = Site(store)
    store.announce("a")
    run = broken(site, "1")
    site.evaluate()
    store.do(RetireAutomation("a"))
    site.evaluate()
    assert [incident.state for incident in store.read("incidents")] == [IncidentState.OPEN]
    assert open_kinds(site).undecided_failures.number == 1
    store.do(audited(DiscardRun(run.id)))
    site.evaluate()
    assert [incident.state for incident in store.read("incidents", unresolved=False)] == [IncidentState.RESOLVED]
    assert open_kinds(site).healthy


def test_five_failures_of_one_backup_are_one_incident_that_changes(store):
    """Whatever each of them says: the evidence changes, one notification is sent, and no failure rate beside it."""
    site = Site(store)
    site.announce("a", cron=["0 3 * * *"])
    reasons = [FailureReason.PERMANENT_ERROR, FailureReason.RETRIES_EXHAUSTED, FailureReason.NO_OUTPUT]
    for number, message in enumerate(("disk full", "403 AccessDenied", "no such host", "exit 2", "bucket is gone")):
        store.clock.forward(24 * HOUR)
        broken(site, message=message, reason=reasons[number % 3], **WHOLE)
        site.evaluate()
    kinds = (FAILED, IncidentKind.RETRIES_EXHAUSTED, IncidentKind.FAIL_RATE)
    (incident,) = [incident for incident in store.read("incidents") if incident.subject.kind in kinds]
    assert incident.subject.kind is FAILED
    assert "bucket is gone" in incident.text
    assert incident.facts[MEMBERS_FACT] == "5 runs failed, 5 open"
    opened = [alert for alert in store.read("alerts", incident.id) if alert.about is NotificationEvent.OPENED]
    assert len(opened) == 1
    done(site, **WHOLE)
    site.evaluate()
    assert not [incident for incident in store.read("incidents") if incident.subject.kind in kinds]


def test_permanent_error_that_no_one_continued_is_never_dropped_by_a_group_wait(store):
    """A schedule's next slot succeeds within the wait: that it failed, and is over, is sent."""
    site = Site(store)
    site.watch = site.watcher(WAITS)
    broken(site, **WHOLE)
    site.evaluate()
    store.clock.forward(8_000)
    done(site, **WHOLE)
    site.evaluate()
    store.clock.forward(30_000)
    deliver(site)
    assert log(site) == [(NotificationEvent.OPENED, AlertState.SENT), (NotificationEvent.RESOLVED, AlertState.SENT)]


def test_monitors_and_incidents_agree(store):
    """What is open as an incident is found by its monitor too, at each look."""
    site = Site(store)
    broken(site, "1")
    site.evaluate()
    for _ in range(2):
        site.evaluate(60_000)
        found = {
            finding.subject for finding in evaluate_all(site.watch.seen, DEFAULT_TUNINGS, store.clock.now()).findings
        }
        assert {incident.subject for incident in store.read("incidents") if incident.subject.kind is FAILED} <= found
    done(site, "1")
    site.evaluate()
    found = {
        finding.subject.kind for finding in evaluate_all(site.watch.seen, DEFAULT_TUNINGS, store.clock.now()).findings
    }
    assert FAILED not in found


def test_person_who_discards_all_failed_runs_ends_the_incident(store):
    """One command with a filter decides on them together."""
    site = Site(store)
    runs = [broken(site, item).id for item in ("1", "2", "3")]
    site.evaluate()
    for run in runs:
        store.do(audited(DiscardRun(run, "cli:ana")))
    site.evaluate(1)
    assert store.read("incidents") == []
    assert open_kinds(site).healthy
