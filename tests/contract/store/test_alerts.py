"""Alerts on their way: a channel is one Notifier's at a time, in order, and what it took is reported once."""

from mainspring.alerting.always_on import evaluate_channels
from mainspring.alerting.watchdog_ping import find_stuck_work
from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.notifications.routing import NotificationTarget
from mainspring.domain.states import AlertState
from mainspring.store.commands.alerts import RefusedAlert, SentAlert, SettleAlerts
from mainspring.store.commands.incidents import RecordEvaluation
from mainspring.store.commands.results import DONE
from mainspring.store.commands.sessions import DeclareSessionDead
from mainspring.store.read.incidents import UnsentAlerts
from tests.contract.store.process import take_alerts
from tests.contract.store.test_incidents import found


def open_incidents(store, *names, to=None):
    to = to or (NotificationTarget(0, "ops"),)
    every = tuple(found(Subject("a", IncidentKind.PERMANENT_ERROR, name), id=name, to=to) for name in names)
    store.do(RecordEvaluation(started_at=store.clock.now(), found=every))


def leased_alerts(answer):
    return {channel.name: [alert.incident.id for alert in channel.alerts] for channel in answer.channels}


def settle(take, channel="ops", **options):
    return SettleAlerts(lease=take.lease, channel=channel, **options)


def states(store):
    return {alert.incident: alert.state for alert in store.read("alerts")}


def test_channel_is_one_notifiers_at_a_time(store, new_process):
    """While a lease lasts no one else gets the channel; when it ends they do, and learn that it may have been shown."""
    open_incidents(store, "i1", "i2")
    other = new_process().open()
    first = store.do(take_alerts("ops"))
    assert leased_alerts(first) == {"ops": ["i1", "i2"]}
    assert not first.channels[0].alerts[0].is_again
    assert leased_alerts(other.do(take_alerts("ops"))) == {}
    store.clock.forward(1_000)
    again = other.do(take_alerts("ops"))
    assert [alert.is_again for alert in again.channels[0].alerts] == [True, True]


def test_lease_ends_with_its_session(store, new_process):
    """What a dead process took is taken over at once."""
    other = new_process().open()
    open_incidents(store, "i1")
    other.do(take_alerts("ops", lease_ms=10**9))
    store.do(DeclareSessionDead(other.session))
    assert leased_alerts(store.do(take_alerts("ops"))) == {"ops": ["i1"]}


def test_digest_is_taken_whole(store):
    """It is one notice, however many are reported one by one before it; those are taken some at a time."""
    every = [(f"i{number}", Severity.DIGEST if number % 2 else Severity.NOTIFY) for number in range(8)]
    for name, severity in every:
        subject = Subject("a", IncidentKind.PERMANENT_ERROR, name)
        finding = found(subject, id=name, to=(NotificationTarget(0, "ops"),), severity=severity)
        store.do(RecordEvaluation(started_at=store.clock.now(), found=(finding,)))
    take = take_alerts("ops", most=2)
    (channel,) = store.do(take).channels
    assert [alert.incident.id for alert in channel.alerts] == ["i0", "i2", "i1", "i3", "i5", "i7"]
    store.do(settle(take, sent=tuple(SentAlert(alert.seq) for alert in channel.alerts)))
    assert leased_alerts(store.do(take_alerts("ops", most=2))) == {"ops": ["i4", "i6"]}


def test_take_whose_answer_was_lost_is_the_same(store):
    """The same take sent again gets what it got."""
    open_incidents(store, "i1")
    assert leased_alerts(store.twice(take_alerts("ops"))) == {"ops": ["i1"]}


def test_sent_alert_is_settled(store):
    """It is never handed out again; by its reference later alerts of the opening find what was shown."""
    open_incidents(store, "i1")
    take = take_alerts("ops")
    (channel,) = store.do(take).channels
    assert store.do(settle(take, sent=(SentAlert(channel.alerts[0].seq, "ts-1"),))) == DONE
    assert leased_alerts(store.do(take_alerts("ops"))) == {}
    assert states(store) == {"i1": AlertState.SENT}
    store.clock.forward(10)
    store.do(
        RecordEvaluation(started_at=store.clock.now(), healthy=(Subject("a", IncidentKind.PERMANENT_ERROR, "i1"),))
    )
    (channel,) = store.do(take_alerts("ops")).channels
    assert [(alert.ref, alert.is_notified) for alert in channel.alerts] == [("ts-1", True)]
    (view,) = store.read("channels")
    assert (view.name, view.fault, view.accepted_at) == ("ops", None, store.clock.now() - 10)


def test_alert_sent_under_an_ended_lease_counts_as_sent(store, new_process):
    """A Notifier that slept past its lease says what it told, and takes nothing from anyone who has the channel now."""
    open_incidents(store, "i1")
    slow, other = take_alerts("ops"), new_process().open()
    (channel,) = store.do(slow).channels
    store.clock.forward(1_000)
    other.do(take_alerts("ops", lease_ms=60_000))
    store.do(settle(slow, sent=(SentAlert(channel.alerts[0].seq),)))
    assert states(store) == {"i1": AlertState.SENT}
    open_incidents(store, "i2")
    assert leased_alerts(store.do(take_alerts("ops"))) == {}


def test_channel_that_is_unreachable_keeps_its_alerts_in_order(store):
    """It is left alone for a while; then all that waits comes, oldest first, and its failures were counted."""
    open_incidents(store, "i1")
    for number in range(2):
        take = take_alerts("ops")
        (channel,) = store.do(take).channels
        assert channel.failures == number
        open_incidents(store, f"j{number}")
        untried = tuple(alert.seq for alert in channel.alerts)
        store.do(settle(take, untried=untried, away="it answers 503", retry_after_ms=5_000))
        assert leased_alerts(store.do(take_alerts("ops"))) == {}
        store.clock.forward(5_000)
    (view,) = store.read("channels")
    assert (view.failures, view.fault, view.since_at) == (2, "it answers 503", store.clock.now() - 10_000)
    (channel,) = store.do(take_alerts("ops")).channels
    assert [(alert.incident.id, alert.is_again) for alert in channel.alerts] == [
        ("i1", False),
        ("j0", False),
        ("j1", False),
    ]


def test_refused_and_dropped_alerts_are_over(store):
    """Neither holds up the others of its channel."""
    open_incidents(store, "i1", "i2", "i3")
    take = take_alerts("ops")
    seqs = [alert.seq for alert in store.do(take).channels[0].alerts]
    store.do(settle(take, refused=(RefusedAlert(seqs[0], "no such channel"),), dropped=(seqs[1],)))
    assert states(store) == {"i1": AlertState.REFUSED, "i2": AlertState.DROPPED, "i3": AlertState.UNSENT}
    assert leased_alerts(store.do(take_alerts("ops"))) == {"ops": ["i3"]}


def test_channel_that_refuses_all_is_reported(store):
    """It answers, but no one hears of what it should have told: that is wrong with it until it takes something."""
    open_incidents(store, "i1")
    take = take_alerts("ops")
    (channel,) = store.do(take).channels
    store.do(settle(take, refused=(RefusedAlert(channel.alerts[0].seq, "it answers 400"),)))
    store.clock.forward(120_000)
    (evaluated,) = evaluate_channels(store.read("channels"), ("ops",), store.clock.now())
    found = evaluated.finding
    assert found is not None
    assert found.text == "channel ops accepts nothing: it answers 400"
    open_incidents(store, "i2")
    take = take_alerts("ops")
    (channel,) = store.do(take).channels
    store.do(settle(take, sent=(SentAlert(channel.alerts[0].seq),)))
    assert [channel.finding for channel in evaluate_channels(store.read("channels"), ("ops",), store.clock.now())] == [
        None
    ]


def test_alert_waits_for_its_time(store):
    """What a quiet hour holds back is not due, and channels that no one can reach are left alone."""
    now = store.clock.now()
    open_incidents(store, "i1", to=(NotificationTarget(now + 1_000, "ops"), NotificationTarget(now, "other")))
    assert leased_alerts(store.do(take_alerts("ops"))) == {}
    store.clock.forward(1_000)
    assert leased_alerts(store.do(take_alerts("ops"))) == {"ops": ["i1"]}


def test_postponed_alert_does_not_count_as_unsent(store):
    """A digest of tomorrow, or what quiet hours put off, is no sign that a channel is stuck."""
    open_incidents(store, "i1")
    take = take_alerts("ops")
    (channel,) = store.do(take).channels
    store.do(settle(take, sent=(SentAlert(channel.alerts[0].seq),)))
    later = store.clock.now() + 12 * 3_600_000
    open_incidents(store, "i2", to=(NotificationTarget(later, "ops"),))
    store.clock.forward(3_600_000)
    assert [channel.oldest_at for channel in store.read("channels")] == [later]
    assert find_stuck_work(MonitorInputs(), store.read("unsent_alerts"), store.clock.now(), None) is None


def test_waiting_alerts_are_counted_by_channel(store):
    """With the first due time of each; a channel that took all stays, with nothing."""
    assert (store.read("count_open_incidents"), store.read("unsent_alerts")) == ({}, [])
    open_incidents(store, "i1", "i2", to=(NotificationTarget(0, "ops"), NotificationTarget(9_000, "mail")))
    assert store.read("count_open_incidents") == {("notify", "permanent_error"): 2}
    waiting = [UnsentAlerts("mail", 2, 9_000), UnsentAlerts("ops", 2, 0)]
    assert store.read("unsent_alerts") == waiting
    take = take_alerts("ops")
    reported = tuple(SentAlert(alert.seq) for alert in store.do(take).channels[0].alerts)
    store.do(settle(take, sent=reported))
    assert store.read("unsent_alerts") == [waiting[0], UnsentAlerts("ops", 0, None)]


def test_channel_that_a_clock_postponed_while_it_was_ahead_is_reported_now(store):
    """What was made then is due, and the channel is left alone no longer; an hour at most it is whatever it asks for."""
    now = store.clock.now()
    store.clock.at = now + 3 * 24 * 3_600_000
    open_incidents(store, "i1", to=(NotificationTarget(store.clock.now(), "ops"),))
    take = take_alerts("ops")
    assert leased_alerts(store.do(take)) == {"ops": ["i1"]}
    store.do(settle(take, away="refused", retry_after_ms=30_000))
    store.clock.at = now
    assert store.read("is_alert_due", now)
    take = take_alerts("ops")
    assert leased_alerts(store.do(take)) == {"ops": ["i1"]}
    store.do(settle(take, away="refused", retry_after_ms=24 * 3_600_000))
    assert store.read("channels")[0].since_at == now
    assert not store.read("is_alert_due", now)
    store.clock.forward(3_600_000)
    assert store.read("is_alert_due", store.clock.now())


def test_alerts_are_listed_part_by_part(store):
    """Newest first, each once, behind the place where the last part ended."""
    open_incidents(store, "i1", "i2", "i3")
    first = store.read("alerts", limit=2)
    rest = store.read("alerts", limit=2, cursor=first[-1].seq)
    assert [alert.incident for alert in (*first, *rest)] == ["i3", "i2", "i1"]
    assert store.read("alerts", cursor=rest[-1].seq) == []
    assert store.read("alerts", channel="nobody") == []
