"""A Notifier on every store, before a real server: a channel that is down, connections that end after the message, two who tell at once."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from mainspring.alerting.notices import NoticeRenderer
from mainspring.alerting.notifier import Notifier
from mainspring.domain.incidents.incident import Finding, IncidentKind, Severity, Subject
from mainspring.domain.incidents.incident_filter import IncidentAttributes
from mainspring.domain.notifications.maintenance_window import read_maintenance_window
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.rendering import NotificationContext
from mainspring.domain.notifications.routing import NotificationRouting, NotificationTarget, read_route
from mainspring.integrations.notifiers import read_channel_address
from mainspring.integrations.standard_webhooks import WebhookLink
from mainspring.store.commands.incidents import EvaluatedFinding, RecordEvaluation
from tests.unit.alerting.notices import secrets
from tests.unit.alerting.peer import DROP_AFTER, DROP_BEFORE, Peer, serving

pytestmark = pytest.mark.asyncio
MINUTE = 60_000
SECRETS = secrets(told="whsec_" + "QUJD" * 8)


class Hook(Peer):
    """Shows a message once for each id, as receivers of webhooks do; `is_down` = it answers that it has an error."""

    def __init__(self):
        super().__init__()
        self.is_down = False
        self.visible_messages = {}

    def answer(self, path, headers, body):
        if self.is_down:
            return 503, {}, {}
        self.visible_messages.setdefault(headers["webhook-id"], json.loads(body)["data"]["automation"])
        return 200, {}, {}

    @property
    def names(self):
        return list(self.visible_messages.values())


class Answering:
    """The part of a store that a Notifier needs."""

    def __init__(self, store):
        self._store = store

    def submit(self, command, on_done):
        on_done(self._store.do(command))


def notifier(store, peer):
    address = peer.url.replace("http", "webhook+http", 1) + "/t?secret=told"
    link = WebhookLink(read_channel_address(address), SECRETS, store.clock)
    notices = NoticeRenderer(lambda _name: None, lambda _definition, _incident: None, tuple, NotificationContext())
    return Notifier(Answering(store), lambda: is_due(store), {"ops": link}, notices, store.clock, SECRETS)


def is_due(store):
    return store.read("is_alert_due", store.clock.now())


async def send_alerts(store, peer):
    await notifier(store, peer).run_once(20.0)


def open_incidents(store, *names, severity=Severity.PAGE, routing=None):
    """Open an incident of each name, and let it be reported: at once, or as the routes say."""
    now, found = store.clock.now(), []
    for name in names:
        subject = Subject(name, IncidentKind.SILENCE)
        attributes = IncidentAttributes(subject=subject, severity=severity)
        to = (
            (NotificationTarget(0, "ops"),)
            if routing is None
            else routing.targets(attributes, NotificationEvent.OPENED, now)
        )
        finding = Finding(subject=subject, severity=severity, text="no success", since_at=1)
        found.append(EvaluatedFinding(id=store.name("i"), finding=finding, to=to))
    store.do(RecordEvaluation(started_at=now, found=tuple(found)))


async def test_channel_that_is_down_for_ten_minutes_hears_all_in_order(store):
    """Nothing is lost or doubled, and it is not asked more often than twice a minute for long."""
    async with serving(Hook()) as peer:
        peer.is_down = True
        names = []
        for number in range(60):
            names.append(f"job{number:02}")
            open_incidents(store, names[-1])
            await send_alerts(store, peer)
            store.clock.forward(MINUTE // 6)
        request_count = len(peer.requests)
        assert 10 <= request_count <= 45
        peer.is_down = False
        store.clock.forward(MINUTE // 2)
        await send_alerts(store, peer)
        assert peer.names == names
        assert len(peer.requests) <= request_count + len(names)
        assert not is_due(store)


@pytest.mark.parametrize("reason", ["quiet hours", "maintenance"])
async def test_postponed_alert_is_sent_at_the_end_and_a_page_at_once(store, reason):
    """From seven to nine, and it is eight: nothing is lost, nothing comes early, and the highest severity does not wait."""
    started_at = datetime.fromtimestamp(store.clock.now() // 1000, UTC).replace(tzinfo=None)
    hours = (started_at - timedelta(hours=1), started_at + timedelta(hours=1))
    route, windows = {"to": "ops"}, []
    if reason == "quiet hours":
        route["quiet"] = f"{hours[0]:%H:%M}-{hours[1]:%H:%M}"
    else:
        windows = [{"from": hours[0].isoformat(), "to": hours[1].isoformat()}]
    routing = NotificationRouting(
        channels=("ops",),
        routes=(read_route(route),),
        maintenance=tuple(map(read_maintenance_window, windows)),
        group_wait_ms=0,
    )
    async with serving(Hook()) as peer:
        open_incidents(store, "first", severity=Severity.NOTIFY, routing=routing)
        open_incidents(store, "second", severity=Severity.NOTIFY, routing=routing)
        open_incidents(store, "loud", severity=Severity.PAGE, routing=routing)
        for _ in range(59):
            await send_alerts(store, peer)
            store.clock.forward(MINUTE)
        assert peer.names == ["loud"]
        store.clock.forward(MINUTE)
        await send_alerts(store, peer)
        assert peer.names == ["loud", "first", "second"]
        assert len(peer.requests) == 3


@pytest.mark.parametrize("fault", [DROP_BEFORE, DROP_AFTER])
async def test_connection_that_ends_without_an_answer(store, fault):
    """Whether it was taken is not known: it is sent again under its id, before what is behind it, and seen once."""
    async with serving(Hook()) as peer:
        open_incidents(store, "a", "b", "c")
        peer.faults = [("", fault)] * 4
        for _ in range(8):
            await send_alerts(store, peer)
            store.clock.forward(MINUTE)
        assert peer.names == ["a", "b", "c"]
        ids = [headers["webhook-id"] for _, headers, _ in peer.requests]
        assert len(ids) == 7
        assert len(set(ids[:5])) == 1


async def test_two_notifiers_at_once_send_once(store, second):
    """Each message is sent by one of them, without a second request."""
    names = [f"job{number:02}" for number in range(20)]
    async with serving(Hook()) as peer:
        for name in names:
            open_incidents(store, name)
            await asyncio.gather(send_alerts(store, peer), send_alerts(second, peer))
        assert peer.names == names
        assert len(peer.requests) == len(names)
