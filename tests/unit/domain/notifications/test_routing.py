"""Routes: who learns what, and when."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.incidents.incident import IncidentKind, Severity, Subject
from mainspring.domain.incidents.incident_filter import IncidentAttributes
from mainspring.domain.notifications.digest_schedule import next_digest_at
from mainspring.domain.notifications.maintenance_window import read_maintenance_window
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.routing import NotificationRouting, NotificationTarget, check_routes, read_route
from mainspring.domain.time.cron import to_local
from mainspring.domain.time.quiet_hours import next_clock_time, postpone

BERLIN = ZoneInfo("Europe/Berlin")
NOW = round(datetime(2026, 10, 5, 21, 0, tzinfo=UTC).timestamp() * 1000)  # 23:00 in Berlin
MORNING = NOW + 8 * 3_600_000


def attributes(severity="notify", kind="silence", name="backup", fingerprint="", **more):
    return IncidentAttributes(
        subject=Subject(name, IncidentKind(kind), fingerprint), severity=Severity(severity), **more
    )


def routing(*routes, channels=("ops", "page", "mail"), maintenance=(), **more):
    return NotificationRouting(
        channels=channels,
        routes=tuple(read_route(route) for route in routes),
        maintenance=tuple(read_maintenance_window(window) for window in maintenance),
        zone=BERLIN,
        **more,
    )


def names(found):
    return [target.channel for target in found]


@pytest.mark.parametrize(
    ("match", "incident", "fits"),
    [
        ({"severity": "page"}, attributes("page"), True),
        ({"severity": ["page", "notify"]}, attributes("digest"), False),
        ({"team": "billing"}, attributes(team="billing"), True),
        ({"team": "billing"}, attributes(), False),
        ({"tag": "nightly"}, attributes(tags={"nightly": ""}), True),
        ({"tag": "team=data"}, attributes(tags={"team": "data"}), True),
        ({"tag": "team=data"}, attributes(tags={"team": "ops"}), False),
        ({"automation": "billing-*"}, attributes(name="billing-day"), True),
        ({"automation": "billing-*"}, attributes(name="backup"), False),
        ({"owner": "ana", "kind": "silence"}, attributes(owner="ana"), True),
        ({"owner": "ana", "kind": "silence"}, attributes(owner="ana", kind="storm"), False),
        ({}, attributes(), True),
    ],
)
def test_route_is_for_what_it_states(match, incident, fits):
    """All that is stated has to fit, of several values one; what is left out is not looked at."""
    found = routing({"match": match, "to": "mail"}).targets(incident, NotificationEvent.OPENED, NOW)
    assert names(found) == (["mail"] if fits else ["mail", "ops", "page"])


def test_incident_without_a_route_goes_to_every_channel():
    """Every incident reaches a channel: all of them, and without any the terminal."""
    only = {"match": {"team": "x"}, "to": ["ops"]}
    assert names(routing(only).targets(attributes(), NotificationEvent.OPENED, NOW)) == ["mail", "ops", "page"]
    assert names(routing(channels=()).targets(attributes(), NotificationEvent.OPENED, NOW)) == ["terminal"]


def test_channel_of_several_routes_is_reported_once_and_early():
    """All routes that fit count; of two times for one channel the earlier one."""
    found = routing({"to": "ops", "quiet": "22:00-07:00"}, {"to": ["ops", "mail"]}).targets(
        attributes(), NotificationEvent.OPENED, NOW
    )
    assert found == (NotificationTarget(NOW + 30_000, "mail"), NotificationTarget(NOW + 30_000, "ops"))


def test_severity_states_how_soon():
    """A page at once, a notice after the time in which a group gathers, a digest at its time."""
    rules = routing({"to": "ops", "digest": "09:00"})
    assert rules.targets(attributes("page"), NotificationEvent.OPENED, NOW) == (NotificationTarget(NOW, "ops"),)
    assert rules.targets(attributes("notify"), NotificationEvent.OPENED, NOW) == (
        NotificationTarget(NOW + 30_000, "ops"),
    )
    assert rules.targets(attributes("notify"), NotificationEvent.RESOLVED, NOW) == (NotificationTarget(NOW, "ops"),)
    assert rules.targets(attributes("digest"), NotificationEvent.OPENED, NOW) == (
        NotificationTarget(MORNING + 2 * 3_600_000, "ops"),
    )


def test_quiet_hours_postpone_all_but_a_page():
    """At night a notice waits for the morning, a page does not."""
    rules = routing({"to": "ops", "quiet": "22:00-07:00"})
    assert rules.targets(attributes("notify"), NotificationEvent.OPENED, NOW) == (NotificationTarget(MORNING, "ops"),)
    assert rules.targets(attributes("page"), NotificationEvent.OPENED, NOW) == (NotificationTarget(NOW, "ops"),)


def test_maintenance_puts_off_what_it_is_for():
    """What it matches waits for its end, and then for the end of quiet hours; a page and all others do not."""
    window = {"from": "2026-10-05T22:00", "to": "2026-10-06T01:00", "match": {"automation": "back*"}, "reason": "move"}
    rules = routing({"to": "ops"}, maintenance=[window])
    end = NOW + 2 * 3_600_000
    assert rules.targets(attributes(), NotificationEvent.OPENED, NOW) == (NotificationTarget(end, "ops"),)
    assert rules.targets(attributes(name="other"), NotificationEvent.OPENED, NOW) == (
        NotificationTarget(NOW + 30_000, "ops"),
    )
    assert rules.targets(attributes("page"), NotificationEvent.OPENED, NOW) == (NotificationTarget(NOW, "ops"),)
    quiet = routing({"to": "ops", "quiet": "00:00-07:00"}, maintenance=[window])
    assert quiet.targets(attributes(), NotificationEvent.OPENED, NOW) == (NotificationTarget(MORNING, "ops"),)


def test_escalation_goes_where_the_routes_state():
    """It reaches the channels named for it and no one else; where none is named, no one."""
    rules = routing({"to": "ops", "escalate": ["page"]})
    assert names(rules.targets(attributes(), NotificationEvent.ESCALATED, NOW)) == ["page"]
    assert routing({"to": "ops"}).targets(attributes(), NotificationEvent.ESCALATED, NOW) == ()


def test_broken_channel_does_not_report_itself():
    """The others do, whatever the routes say; where there is no other, the terminal."""
    broken = attributes(kind="notifier_broken", name="", fingerprint="ops")
    assert names(routing({"to": ["ops", "mail"]}).targets(broken, NotificationEvent.OPENED, NOW)) == ["mail"]
    assert names(routing({"to": ["ops"]}).targets(broken, NotificationEvent.OPENED, NOW)) == ["mail", "page"]
    assert names(routing({"to": ["ops"]}, channels=("ops",)).targets(broken, NotificationEvent.OPENED, NOW)) == [
        "terminal"
    ]


@given(
    st.integers(1_600_000_000_000, 1_800_000_000_000),
    st.sampled_from(list(Severity)),
    st.sampled_from([NotificationEvent.OPENED, NotificationEvent.REPEATED, NotificationEvent.RESOLVED]),
    st.sampled_from([None, "22:00-07:00", "01:30-02:30", "08:00-07:59"]),
    st.booleans(),
)
def test_nothing_is_dropped_and_a_page_never_waits(now, severity, about, quiet, in_maintenance):
    """Each has a time from now on and never in a quiet hour; a page has this very instant."""
    start = datetime.fromtimestamp(now // 1000, BERLIN).replace(tzinfo=None, microsecond=0)
    window = {"from": start.isoformat(), "to": f"{start.year + 1}-01-01T12:00"}
    rules = routing({"to": "ops"} | ({"quiet": quiet} if quiet else {}), maintenance=[window] if in_maintenance else [])
    (found,) = rules.targets(attributes(severity), about, now)
    assert found.due_at >= now
    if severity is Severity.PAGE:
        assert found.due_at == now
    elif quiet:
        assert postpone(quiet, BERLIN, found.due_at) == found.due_at


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ({"match": {}}, "names no channel"),
        ({"to": []}, "expected a text or a list of texts"),
        ({"to": [""]}, "not empty"),
        ({"to": "a", "tos": "b"}, "key of a route 'tos'"),
        ({"to": "a", "match": {"sverity": "page"}}, "Did you mean 'severity'"),
        ({"to": "a", "match": {"severity": "loud"}}, "unknown severity 'loud'"),
        ({"to": "a", "match": {"kind": "silnce"}}, "Did you mean 'silence'"),
        ({"to": "a", "match": "page"}, "not a table"),
        ({"to": "a", "quiet": "night"}, "not a valid range of quiet hours"),
        ("ops", "a route must be a table"),
    ],
)
def test_route_that_cannot_be_used_is_refused(written, reason):
    """The error names the key, and the nearest known one."""
    with pytest.raises((OptionError, UnknownNameError)) as caught:
        read_route(written)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ({"from": "2026-10-05T22:00"}, "lacks its start or its end"),
        ({"from": "2026-10-05T22:00", "to": "2026-10-05T21:00"}, "ends before it begins"),
        ({"from": "tonight", "to": "2026-10-05T21:00"}, "not a date and time"),
        ({"from": "2026-10-05T22:00", "to": "2026-10-05T23:00", "why": "x"}, "key of a maintenance window"),
    ],
)
def test_window_that_cannot_be_used_is_refused(written, reason):
    """A window that would never count is no window."""
    with pytest.raises((OptionError, UnknownNameError), match=reason):
        read_maintenance_window(written)


def test_routes_lead_to_channels_that_there_are():
    """A name that was misspelt would be reported to no one; the terminal is always there."""
    check_routes([read_route({"to": ["ops", "terminal"]})], ["ops"])
    with pytest.raises(UnknownNameError, match="unknown channel 'osp'"):
        check_routes([read_route({"to": ["ops"], "escalate": ["osp"]})], ["ops"])


def test_weekly_digest_of_a_route_is_reported_on_its_day():
    """What [notify] says holds for the others."""
    rules = routing({"to": "ops", "digest": "weekly friday 9:00"}, {"match": {"severity": "digest"}, "to": "mail"})
    found = {
        target.channel: to_local(target.due_at, BERLIN)
        for target in rules.targets(attributes("digest"), NotificationEvent.OPENED, NOW)
    }
    assert f"{found['ops']:%a %H:%M}" == "Fri 09:00"
    assert f"{found['mail']:%H:%M}" == "08:30"
    friday = next_digest_at("friday 09:00", BERLIN, NOW)
    assert [target.channel for _, target in rules.digests(friday, 0, 0)] == ["ops"]
    assert rules.digest_window_ms(friday) == 7 * 24 * 3_600_000


def test_early_warning_digests_follow_routes_by_severity():
    """Else to every channel; each at its route's time, put off by its quiet hours, and only while that is near."""
    hour = 3_600_000
    at = next_clock_time("08:30", BERLIN, NOW)
    bare = routing(channels=("ops", "mail"))
    assert bare.digests(at, 0, 0) == ((at, NotificationTarget(at, "mail")), (at, NotificationTarget(at, "ops")))
    assert bare.digests(at - 60_001, hour, 60_000) == ()
    assert len(bare.digests(at + hour, hour, 60_000)) == 2
    assert bare.digests(at + hour + 1, hour, 60_000) == ()
    routes = (
        {"match": {"severity": "page"}, "to": "page"},
        {"match": {"team": "billing"}, "to": "page"},
        {"match": {"severity": "digest"}, "to": "ops", "quiet": "08:00-09:00"},
    )
    assert routing(*routes).digests(at, 0, 0) == ((at, NotificationTarget(at + hour // 2, "ops")),)
    assert routing(channels=()).digests(at, 0, 0) == ((at, NotificationTarget(at, "terminal")),)
