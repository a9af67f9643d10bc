"""Incidents: one row for each thing that is wrong, no matter who looks and however often; alerts once each; failures told once."""

import pytest
from msgspec.structs import replace

from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.routing import NotificationTarget
from mainspring.domain.states import AlertState, FailureReason, IncidentMove, IncidentState, RunState
from mainspring.store.commands.automations import AnnounceDefinitions, ApplyRetention, AutomationRow
from mainspring.store.commands.incidents import (
    AcknowledgeIncident,
    ErrorGroup,
    EvaluatedFinding,
    GroupedFailure,
    IncidentReminder,
    RecordEvaluation,
    ResolveIncident,
    SnoozeIncident,
)
from mainspring.store.commands.results import DONE, Refused
from mainspring.store.commands.runs import CancelRun, DiscardRun, ParentLink, ReopenRun
from tests.contract.store.process import BOOM, audited, fail, finish, halt, take_alerts

SILENT = Subject("a", IncidentKind.SILENCE)
TO = (NotificationTarget(0, "ops"),)


def finding(subject=SILENT, *, severity=Severity.NOTIFY, text="no success for 2 h", **options):
    return Finding(subject=subject, severity=severity, text=text, since_at=1, **options)


def found(subject=SILENT, *, id="i1", to=TO, faults=(), parent=None, **options):
    return EvaluatedFinding(id=id, finding=finding(subject, **options), to=to, faults=faults, parent=parent)


def evaluate(store, *all_found, **options):
    return store.do(RecordEvaluation(started_at=store.clock.now(), found=all_found, **options))


def report(store):
    return [(alert.about, alert.channel, alert.state) for alert in reversed(store.read("alerts"))]


def state(store, id="i1"):
    return store.read("incident", id).state


def fail_run(store, reason=FailureReason.PERMANENT_ERROR, **options):
    run = store.begin(**options)
    store.do(fail(run, "s1", reason))
    return run


def group(faults, fingerprint="f1"):
    return ErrorGroup(
        "a",
        fingerprint,
        "ValueError",
        "boom",
        "app.py work",
        "it broke",
        tuple(GroupedFailure(f.seq, f.run, f.at) for f in faults),
    )


def test_finding_opens_one_incident(store):
    """The same finding again keeps the incident open and tells nothing more; what it says is kept up to date."""
    evaluate(store, found(facts={"x": 1}))
    store.clock.forward(120_000)
    evaluate(store, found(id="i2", text="no success for 4 h", facts={"x": 2}))
    (incident,) = store.read("incidents")
    assert (incident.id, incident.subject, incident.state, incident.text, incident.facts, incident.opened) == (
        "i1", SILENT, IncidentState.OPEN, "no success for 4 h", {"x": 2}, 1,
    )  # fmt: skip
    assert incident.seen_at == store.clock.now()
    assert report(store) == [(NotificationEvent.OPENED, "ops", "unsent")]


def test_evaluation_that_is_written_twice_changes_nothing(store):
    """A commit whose answer was lost is sent again: one incident, one alert, one move."""
    command = RecordEvaluation(started_at=store.clock.now(), found=(found(),))
    store.do(command)
    store.again(command)
    assert len(store.read("incidents")) == len(store.read("alerts")) == len(store.read("moves", "i1")) == 1


def test_healthy_subject_resolves_and_reopens_as_the_same_incident(store):
    """A resolved incident is reopened and counts it; who was notified of it hears of both."""
    evaluate(store, found())
    store.deliver_all()
    store.clock.forward(1_000)
    evaluate(store, healthy=(SILENT,))
    assert state(store) is IncidentState.RESOLVED
    store.deliver_all()
    store.clock.forward(1_000)
    evaluate(store, found(id="i9", text="again"))
    incident = store.read("incident", "i1")
    assert (incident.state, incident.opened, incident.text, incident.resolved_at) == (
        IncidentState.OPEN,
        2,
        "again",
        None,
    )
    assert [about for about, *_ in report(store)] == [
        NotificationEvent.OPENED,
        NotificationEvent.RESOLVED,
        NotificationEvent.REOPENED,
    ]
    assert [move.move for move in store.read("moves", "i1")] == [
        IncidentMove.OPEN, IncidentMove.RESOLVE, IncidentMove.REOPEN,
    ]  # fmt: skip


def test_old_evaluation_reopens_and_resolves_nothing(store):
    """Of two watchers the slower one judges by what was so before the other wrote."""
    started_at = store.clock.now()
    store.clock.forward(10)
    evaluate(store, found())
    store.do(RecordEvaluation(started_at=started_at, healthy=(SILENT,)))
    assert state(store) is IncidentState.OPEN
    store.clock.forward(10)
    before = store.clock.now()
    store.clock.forward(10)
    evaluate(store, healthy=(SILENT,))
    store.do(RecordEvaluation(started_at=before, found=(found(),)))
    assert state(store) is IncidentState.RESOLVED


def test_end_is_sent_to_all_notified_channels(store):
    """Who is reported later, after a quiet hour, hears of the end then: whether that is still worth telling is the Notifier's."""
    now, night = store.clock.now(), store.clock.now() + 8 * 3_600_000
    evaluate(store, found(to=(NotificationTarget(now, "ops"), NotificationTarget(night, "night"))))
    store.deliver_all()
    store.clock.forward(1_000)
    evaluate(store, healthy=(SILENT,))
    due = {(alert.about, alert.channel): alert.due_at for alert in store.read("alerts") if alert.state == "unsent"}
    assert due == {
        (NotificationEvent.RESOLVED, "ops"): store.clock.now(),
        (NotificationEvent.OPENED, "night"): night,
        (NotificationEvent.RESOLVED, "night"): night,
    }  # fmt: skip


def test_failure_is_a_fact_in_the_commit_of_its_end(store):
    """Failed and halted runs are reported, by their reason; what a person abandoned, cancelled, or a parent can tell, is not."""
    failed = fail_run(store)
    halted = store.begin()
    store.do(halt(halted, "s1"))
    store.do(DiscardRun(halted.id))
    ended = store.begin()
    store.do(finish(ended))
    parent = store.begin()
    child = store.starting("b", parent=ParentLink(parent.id, "c1", parent.claim), input=b"[1]")
    store.do(child)
    (claimed,) = store.claim().runs
    store.do(fail(claimed))
    (cancelled,) = [store.start()]
    store.do(audited(CancelRun("cmd-9", cancelled.run)))
    assert [
        (failure.run, failure.state, failure.reason, failure.ident) for failure in store.read("ungrouped_failures")
    ] == [
        (failed.id, RunState.FAILED, FailureReason.PERMANENT_ERROR, "s1"),
        (halted.id, RunState.NEEDS_ATTENTION, FailureReason.IN_DOUBT, "s1"),
    ]
    assert store.read("ungrouped_failures")[0].failure == BOOM


def test_failures_are_reported_once(store):
    """Two watchers that saw the same failures count them once, and the second opens nothing."""
    fail_run(store)
    fail_run(store)
    faults = store.read("ungrouped_failures")
    subject = Subject("a", IncidentKind.PERMANENT_ERROR, "f1")
    seqs = tuple(fault.seq for fault in faults)
    for id in ("i1", "i2"):
        evaluate(store, found(subject, id=id, faults=seqs), groups=(group(faults),))
    assert store.read("ungrouped_failures") == []
    (incident,) = store.read("incidents")
    assert (incident.id, incident.number) == ("i1", 2)
    (error,) = store.read("errors")
    assert (error.fingerprint, error.number, error.first_run, error.last_run) == ("f1", 2, faults[0].run, faults[1].run)


def test_later_failures_are_added(store):
    """Of an open incident more failures are counted, and nothing more is reported; after its end they open it again."""
    subject = Subject("a", IncidentKind.PERMANENT_ERROR, "f1")
    for _ in range(2):
        fail_run(store)
        faults = store.read("ungrouped_failures")
        evaluate(store, found(subject, faults=(faults[0].seq,)), groups=(group(faults),))
    assert (store.read("incident", "i1").number, len(report(store))) == (2, 1)
    store.clock.forward(10)
    store.do(audited(ResolveIncident("i1", "ann")))
    fail_run(store)
    faults = store.read("ungrouped_failures")
    evaluate(store, found(subject, faults=(faults[0].seq,)), groups=(group(faults),))
    incident = store.read("incident", "i1")
    assert (incident.state, incident.opened, incident.number) == (IncidentState.OPEN, 2, 1)


def test_run_that_fails_again_after_a_person_continued_it_is_reported_again(store):
    """Each end is a fact of its own."""
    run = fail_run(store)
    store.do(audited(ReopenRun(run.id)))
    store.do(fail(store.claim_one()))
    assert [failure.run for failure in store.read("ungrouped_failures")] == [run.id, run.id]


def test_person_acknowledges_it(store):
    """Who acknowledges is known to all who were notified, and the incident still resolves by itself."""
    evaluate(store, found())
    assert store.do(audited(AcknowledgeIncident("i1", "ann", "on it"))) == DONE
    incident = store.read("incident", "i1")
    assert (incident.state, incident.by, incident.note) == (IncidentState.ACKNOWLEDGED, "ann", "on it")
    assert report(store)[-1] == (NotificationEvent.ACKNOWLEDGED, "ops", "unsent")
    store.clock.forward(1_000)
    evaluate(store, healthy=(SILENT,))
    assert state(store) is IncidentState.RESOLVED


def test_snooze_ends(store):
    """What is snoozed wakes with a reminder once its time is over, not before."""
    evaluate(store, found())
    until = store.clock.now() + 60_000
    assert store.do(audited(SnoozeIncident("i1", until, "ann"))) == DONE
    wake = IncidentReminder("i1", 1, NotificationEvent.REPEATED, 1, TO)
    evaluate(store, reminders=(wake,))
    assert state(store) is IncidentState.SNOOZED
    store.clock.forward(60_000)
    evaluate(store, reminders=(wake,))
    assert state(store) is IncidentState.OPEN
    assert report(store)[-1] == (NotificationEvent.REPEATED, "ops", "unsent")


@pytest.mark.parametrize(
    "act", [AcknowledgeIncident("i1", "ann"), SnoozeIncident("i1", 2**40, "ann"), ResolveIncident("i1", "ann")]
)
def test_operation_on_a_resolved_incident_is_refused(store, act):
    """A person who comes late learns how it stands."""
    assert store.do(act) == Refused("not_found", "there is no incident i1")
    evaluate(store, found())
    store.clock.forward(1_000)
    evaluate(store, healthy=(SILENT,))
    assert store.do(act) == Refused("wrong_state", "incident i1 is resolved")


def test_reminder_is_reported_once_and_only_while_open(store):
    """Each number of a reminder is one alert; acknowledged incidents are not repeated."""
    evaluate(store, found())
    reminder = IncidentReminder("i1", 1, NotificationEvent.ESCALATED, 1, (NotificationTarget(0, "boss"),))
    evaluate(store, reminders=(reminder, reminder))
    assert report(store)[1:] == [(NotificationEvent.ESCALATED, "boss", "unsent")]
    store.do(audited(AcknowledgeIncident("i1", "ann")))
    evaluate(store, reminders=(IncidentReminder("i1", 1, NotificationEvent.REPEATED, 2, TO),))
    assert NotificationEvent.REPEATED not in {about for about, *_ in report(store)}


def test_louder_incident_is_reported_again(store):
    """One that became a page is reported as that, once."""
    evaluate(store, found())
    for _ in range(2):
        evaluate(store, found(severity=Severity.PAGE))
    assert store.read("incident", "i1").severity is Severity.PAGE
    assert [about for about, *_ in report(store)] == [NotificationEvent.OPENED, NotificationEvent.REPEATED]


def test_grouped_incident_is_reported_by_its_parent(store):
    """Only the cause is reported; when that is over and the rest stays, the rest is reported."""
    lost = Subject("", IncidentKind.WORKER_LOST)
    evaluate(store, found(lost, id="w"), found(parent=lost))
    assert (store.read("incident", "i1").parent, [alert.incident for alert in store.read("alerts")]) == ("w", ["w"])
    store.clock.forward(10)
    evaluate(store, found(parent=lost), healthy=(lost,))
    store.clock.forward(10)
    evaluate(store, found())
    assert store.read("incident", "i1").parent is None
    assert [alert.about for alert in store.read("alerts", "i1")] == [NotificationEvent.OPENED]
    unfolded_at = store.clock.now()
    store.clock.forward(10)
    evaluate(store, healthy=(SILENT,))
    (channel,) = store.do(take_alerts("ops")).channels
    own = [alert for alert in channel.alerts if alert.incident.id == "i1"]
    assert [(alert.about, alert.since_at) for alert in own] == [
        (NotificationEvent.OPENED, unfolded_at),
        (NotificationEvent.RESOLVED, unfolded_at),
    ]


def test_incidents_are_read_without_their_parts_by_severity(store):
    """However many parts one has, they stand in no one's way; what is left of one that a person resolved is reported."""
    lost, slow = Subject("", IncidentKind.WORKER_LOST), Subject("b", IncidentKind.TOO_SLOW)
    evaluate(
        store,
        found(slow, id="slow", severity=Severity.DIGEST), found(lost, id="w"),
        *(found(Subject(name, IncidentKind.SILENCE), id=name, parent=lost) for name in "cde"),
        found(Subject("f", IncidentKind.TOO_SLOW), id="f", severity=Severity.PAGE),
    )  # fmt: skip

    def ids(read, *args):
        return [row.id for row in store.read(read, *args)]

    assert ids("open_incidents", 9) == ["f", "w", "slow"]
    assert ids("grouped_incidents", 2) == ["c", "d"]
    assert store.read("count_grouped_incidents") == {"w": 3}
    store.do(AcknowledgeIncident("f", "ann"))
    assert ids("open_incidents", 2) == ["w", "slow"]
    store.do(ResolveIncident("w", "ann"))
    assert ids("open_incidents", 9) == ["c", "d", "e", "slow", "f"]
    assert ids("grouped_incidents", 9) == []


def test_reminder_that_wakes_opens_what_was_acknowledged_once(store):
    """A second watcher's reminder of the same day opens nothing that was acknowledged again."""
    evaluate(store, found())
    store.do(AcknowledgeIncident("i1", "ann"))
    again = IncidentReminder("i1", 1, NotificationEvent.REPEATED, 9, TO)
    evaluate(store, reminders=(again,))
    assert state(store) is IncidentState.ACKNOWLEDGED
    evaluate(store, reminders=(replace(again, wakes=True),))
    assert (state(store), store.read("moves", "i1")[-1].move) == (IncidentState.OPEN, IncidentMove.WAKE)
    store.do(AcknowledgeIncident("i1", "ann"))
    evaluate(store, reminders=(replace(again, wakes=True),))
    assert state(store) is IncidentState.ACKNOWLEDGED


def test_row_of_a_clock_that_was_ahead_delays_nothing(store):
    """Set back by three days it resolves, reopens, and tells who heard of it, as if that had been written now."""
    now = store.clock.now()
    store.clock.at = now + 3 * 24 * 3_600_000
    evaluate(store, found(to=(NotificationTarget(store.clock.now(), "ops"),)))
    store.clock.at = now
    assert store.read("is_alert_due", now)
    evaluate(store, is_back=True)
    incident = store.read("incident", "i1")
    assert (incident.opened_at, incident.changed_at, incident.seen_at) == (now, now, now)
    evaluate(store, healthy=(SILENT,))
    newest = store.read("alerts", "i1")[0]
    assert (newest.about, newest.due_at) == (NotificationEvent.RESOLVED, now)
    store.clock.at = now + 3 * 24 * 3_600_000
    evaluate(store, found())
    evaluate(store, healthy=(SILENT,))
    store.clock.at = now
    evaluate(store, found())
    assert state(store) is IncidentState.OPEN
    evaluate(store, healthy=(SILENT,))
    assert state(store) is IncidentState.RESOLVED


def test_acknowledged_incident_groups_nothing_more(store):
    """No one would hear of what begins after it; what was part of it before stays so, and is reported to no one."""
    lost, other = Subject("", IncidentKind.WORKER_LOST), Subject("b", IncidentKind.SILENCE)
    evaluate(store, found(lost, id="w"), found(parent=lost))
    store.do(AcknowledgeIncident("w", "ann"))
    evaluate(store, found(lost), found(parent=lost), found(other, id="i2", parent=lost))
    assert [store.read("incident", id).parent for id in ("i1", "i2")] == ["w", None]
    assert [alert.incident for alert in store.read("alerts") if alert.about is NotificationEvent.OPENED] == ["i2", "w"]


def test_explaining_incident_ends_before_the_commit(store):
    """Someone resolved it between look and commit: then what was to be part of it is reported itself."""
    lost = Subject("", IncidentKind.WORKER_LOST)
    evaluate(store, found(lost, id="w"))
    store.do(audited(ResolveIncident("w", "ann")))
    evaluate(store, found(parent=lost))
    assert [alert.about for alert in store.read("alerts", "i1")] == [NotificationEvent.OPENED]


def test_incident_notified_on_its_own_stays_ungrouped(store):
    """An explanation that comes later takes nothing back that was reported: except the loss of a process, ten minutes later."""
    lost = Subject("", IncidentKind.WORKER_LOST)
    failing = Subject("a", IncidentKind.PERMANENT_ERROR, "f1")
    evaluate(store, found())
    evaluate(store, found(failing, id="f"), found(parent=failing))
    assert store.read("incident", "i1").parent is None
    store.clock.forward(600_000)
    evaluate(store, found(lost, id="w"), found(parent=lost))
    assert store.read("incident", "i1").parent is None


def test_early_sign_of_a_loss_becomes_part_of_it(store):
    """A silence that was reported a little sooner is reported no second time, neither then nor when it outlasts its cause."""
    lost = Subject("", IncidentKind.WORKER_LOST)
    evaluate(store, found())
    store.clock.forward(599_999)
    evaluate(store, found(lost, id="w"), found(parent=lost))
    assert store.read("incident", "i1").parent == "w"
    store.clock.forward(600_000)
    evaluate(store, found(parent=lost))
    assert store.read("incident", "i1").parent == "w"
    evaluate(store, found(), healthy=(lost,))
    assert store.read("incident", "i1").parent is None
    assert [alert.about for alert in store.read("alerts", "i1")] == [NotificationEvent.OPENED]


def test_moves_are_the_newest(store):
    """However often it came and went, what became of it last is reported, oldest first."""
    for _ in range(2):
        store.clock.forward(10)
        evaluate(store, found())
        store.clock.forward(10)
        evaluate(store, healthy=(SILENT,))
    assert [move.move for move in store.read("moves", "i1", limit=2)] == [IncidentMove.REOPEN, IncidentMove.RESOLVE]


def test_rename_takes_incidents_along(store):
    """What was wrong with an automation is wrong with it under its new name."""
    evaluate(store, found())
    fail_run(store)
    store.do(AnnounceDefinitions("code-2", (AutomationRow("new", "task", 1, "code-2", b"{}", was="a"),), ()))
    assert store.read("incident", "i1").subject.automation == "new"
    assert store.read("ungrouped_failures")[0].automation == "new"


def test_old_incidents_are_pruned(store):
    """What was resolved before its retention goes with all that was sent about it; what is wrong stays."""
    evaluate(store, found(), found(Subject("b", IncidentKind.SILENCE), id="i2"))
    store.deliver_all()
    store.clock.forward(10)
    evaluate(store, healthy=(SILENT,))
    store.deliver_all()
    store.clock.forward(10)
    store.do(ApplyRetention(None, None, None, None, store.clock.now()))
    assert [incident.id for incident in store.read("incidents", unresolved=False)] == ["i2"]
    assert {move.incident for move in store.read("moves", "i1")} == set()


def test_lists_narrow_down(store):
    """Alerts by channel, state and time; errors by automation, beginning of a fingerprint, state and time."""
    run = fail_run(store)
    subject = Subject("a", IncidentKind.PERMANENT_ERROR, "f1")
    faults = store.read("ungrouped_failures")
    to = (NotificationTarget(5, "ops"), NotificationTarget(3, "page"))
    assert store.read("incident_of_run", run.id) is None
    evaluate(store, found(subject, faults=(faults[0].seq,), to=to), groups=(group(faults),))
    now = store.clock.now()
    assert store.read("incident_of_run", run.id) == ("i1", IncidentState.OPEN)
    assert [alert.channel for alert in store.read("alerts", channel="ops")] == ["ops"]
    assert store.read("alerts", state=AlertState.SENT) == []
    assert len(store.read("alerts", state=AlertState.UNSENT, since_at=now)) == 2
    assert store.read("alerts", since_at=now + 1) == []
    assert {(alert.automation, alert.text) for alert in store.read("alerts", "i1")} == {("a", "no success for 2 h")}
    assert [(alert.channel, alert.number, alert.due_at) for alert in store.read("unsent_alerts")] == [
        ("ops", 1, 5),
        ("page", 1, 3),
    ]
    assert len(store.read("errors", "a", error="f", state=RunState.FAILED, since_at=1)) == 1
    for narrow in ({"error": "g"}, {"state": RunState.NEEDS_ATTENTION}, {"since_at": now + 1}, {"automation": "b"}):
        assert store.read("errors", **narrow) == []


def test_run_that_needs_a_person_is_unattended_until_it_is_reported(store):
    """And again when its incident is over while it still waits."""
    run = store.begin()
    store.do(halt(run, "s1"))
    assert store.read("count_stopped_without_incident").number == 1
    faults = store.read("ungrouped_failures")
    subject = Subject("a", IncidentKind.NEEDS_ATTENTION, "f1")
    evaluate(store, found(subject, faults=(faults[0].seq,)), groups=(group(faults),))
    assert store.read("count_stopped_without_incident").number == 0
    store.do(ResolveIncident("i1", "ann"))
    assert store.read("count_stopped_without_incident").number == 1
