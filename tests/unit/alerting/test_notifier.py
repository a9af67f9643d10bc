"""The Notifier over a store and channels that do as a test tells them: leases, order, crashes, channels that are away."""

import asyncio
import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import pytest

from mainspring.alerting.notifier import Notifier
from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import ConfigError, StoreUnavailableError
from mainspring.domain.incidents.incident import Incident, IncidentKind, Severity, Subject
from mainspring.domain.notifications.digest import render_digest
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.notifications.rendering import NotificationContext, render_notification
from mainspring.domain.states import IncidentState
from mainspring.integrations.base.notifier import ChannelFault
from mainspring.integrations.secrets.folder_secrets import FolderSecrets
from mainspring.integrations.slack import SlackLink
from mainspring.resources.error_text import ErrorText
from mainspring.resources.secret_store import ProviderEntry, SecretStore
from mainspring.store import failpoints
from mainspring.store.commands.alerts import DueAlert, LeaseChannels, LeasedChannel, LeasedChannels
from mainspring.store.commands.results import DONE
from tests.unit.alerting.notices import secrets
from tests.unit.alerting.peer import SlackPeer, serving
from tests.unit.integrations.test_slack import link_to

pytestmark = pytest.mark.asyncio
AT = 1_791_162_000_000


def incident(id="i_1", **more):
    fields = {
        "id": id,
        "subject": Subject("backup", IncidentKind.SILENCE),
        "state": IncidentState.OPEN,
        "severity": Severity.PAGE,
        "text": "no success",
        "hint": None,
        "facts": {},
        "since_at": AT,
        "opened_at": AT,
        "changed_at": AT,
        "seen_at": AT,
    }
    return Incident(**(fields | more))


@dataclass
class Waiting:
    """An alert as the store has it."""

    channel: str
    alert: DueAlert
    state: str = "unsent"
    tried: bool = False


@dataclass
class Alerts:
    """The part of a store that a Notifier sees, with its rules: one lease a channel, tried until it is said."""

    rows: list = field(default_factory=list)
    refs: dict = field(default_factory=dict)
    leases: dict = field(default_factory=dict)
    put_off: dict = field(default_factory=dict)
    failures: dict = field(default_factory=dict)
    settled: list = field(default_factory=list)
    away: bool = False

    def add(self, channel, about=NotificationEvent.OPENED, of=None, id=None, opened=1):
        seq = len(self.rows) + 1
        alert = DueAlert(seq=seq, id=id or f"a_{seq}", about=about, opened=opened, at=AT, incident=of or incident())
        self.rows.append(Waiting(channel, alert))

    def is_due(self):
        return any(row.state == "unsent" and row.channel not in self.put_off for row in self.rows)

    def states(self, channel="ops"):
        return [row.state for row in self.rows if row.channel == channel]

    def submit(self, command, on_done):
        if self.away:
            on_done(StoreUnavailableError("the store is away"))
        else:
            on_done(self.take(command) if isinstance(command, LeaseChannels) else self.settle(command))

    def take(self, command):
        found = []
        for name in command.channels:
            rows = [row for row in self.rows if row.channel == name and row.state == "unsent"][: command.most]
            if rows and name not in self.leases and name not in self.put_off:
                self.leases[name] = command.lease
                found.append(LeasedChannel(name, self.failures.get(name, 0), tuple(map(self.due, rows))))
                for row in rows:
                    row.tried = True
        return LeasedChannels(tuple(found))

    def due(self, row):
        key = (row.channel, row.alert.incident.id, row.alert.opened)
        is_notified = any(
            (row.channel, row.alert.incident.id, row.alert.opened) == key and row.state == "sent" for row in self.rows
        )
        fields = {name: getattr(row.alert, name) for name in ("seq", "id", "about", "opened", "at", "incident")}
        return DueAlert(**fields, ref=self.refs.get(key), is_notified=is_notified, is_again=row.tried)

    def settle(self, command):
        self.settled.append(command)
        for state, seqs in (
            ("sent", [alert.seq for alert in command.sent]),
            ("refused", [alert.seq for alert in command.refused]),
            ("dropped", command.dropped),
        ):
            for seq in seqs:
                self.rows[seq - 1].state = state
        for settled_alert in command.sent:
            row = self.rows[settled_alert.seq - 1]
            if settled_alert.ref:
                self.refs[row.channel, row.alert.incident.id, row.alert.opened] = settled_alert.ref
        for seq in command.untried:
            self.rows[seq - 1].tried = False
        if self.leases.get(command.channel) == command.lease:
            del self.leases[command.channel]
            if command.away:
                self.put_off[command.channel] = command.retry_after_ms
                self.failures[command.channel] = self.failures.get(command.channel, 0) + 1
            else:
                self.failures.pop(command.channel, None)
        return DONE


class Link:
    """A channel that shows what it takes; `faults` = what it raises instead, in order."""

    def __init__(self):
        self.visible_messages = []
        self.faults = []
        self.blocker = asyncio.Event()
        self.blocker.set()
        self.closed = 0

    async def send(self, notice, ref, *, is_again=False):
        await self.blocker.wait()
        if self.faults and (fault := self.faults.pop(0)) is not None:
            raise fault
        self.visible_messages.append((notice.about.value, notice.id, ref, is_again))
        return ref or f"ref-{notice.id}"

    async def close(self):
        self.closed += 1


def render(alerts):
    first = alerts[0]
    if first.incident.text == "unspeakable":
        raise ValueError("no words")
    if len(alerts) > 1 or first.incident.severity is Severity.DIGEST:
        return render_digest(first.id, [alert.incident for alert in alerts], first.at, NotificationContext())
    return render_notification(first.id, first.about, first.at, first.incident, NotificationContext())


def notifier(store, links):
    return Notifier(store, store.is_due, links, render, SystemClock(), secrets())


async def send_alerts(store, links, within_s=10.0):
    await notifier(store, links).run_once(within_s)


async def test_alerts_are_sent_in_order_with_the_reference_of_the_channel():
    """Each channel gets its own; a later notice of one opening finds what the first one showed, also within one lease."""
    store, ops, mail = Alerts(), Link(), Link()
    store.add("ops")
    store.add("ops", NotificationEvent.ACKNOWLEDGED)
    store.add("mail")
    await send_alerts(store, {"ops": ops, "mail": mail})
    assert ops.visible_messages == [("opened", "a_1", None, False), ("acknowledged", "a_2", "ref-a_1", False)]
    assert mail.visible_messages == [("opened", "a_3", None, False)]
    store.add("ops", NotificationEvent.RESOLVED, incident(state=IncidentState.RESOLVED, resolved_at=AT + 1))
    await send_alerts(store, {"ops": ops})
    assert ops.visible_messages[-1] == ("resolved", "a_4", "ref-a_1", False)
    assert {row.state for row in store.rows} == {"sent"}
    assert store.leases == {}
    assert ops.closed == 2


async def test_channel_that_is_unreachable_makes_its_alerts_wait_and_no_other():
    """Nothing overtakes and nothing is lost: when it is back all are reported, in order, none of them as if in doubt."""
    store, ops, mail = Alerts(), Link(), Link()
    for _ in range(3):
        store.add("ops", of=incident(f"i_{len(store.rows)}"))
    store.add("mail")
    ops.faults = [None, ChannelFault("no", 7_000)]
    await send_alerts(store, {"ops": ops, "mail": mail})
    assert store.states("ops") == ["sent", "unsent", "unsent"]
    assert store.states("mail") == ["sent"]
    assert store.put_off.pop("ops") >= 7_000
    assert next(settlement.away for settlement in store.settled if settlement.channel == "ops") == "no"
    await send_alerts(store, {"ops": ops})
    assert [message[1] for message in ops.visible_messages] == ["a_1", "a_2", "a_3"]
    assert not any(message[3] for message in ops.visible_messages)


async def test_link_that_holds_the_threads_of_the_loop_silences_no_other():
    """What is due is read, and put into words, in threads that no link can take."""
    store, ops, blocker = Alerts(), Link(), threading.Event()
    store.add("ops")
    with ThreadPoolExecutor(1) as pool:
        asyncio.get_running_loop().set_default_executor(pool)
        pool.submit(blocker.wait, 10)
        try:
            await send_alerts(store, {"ops": ops}, within_s=5.0)
        finally:
            blocker.set()
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor())
    assert store.states() == ["sent"]


@pytest.mark.parametrize(
    ("fault", "is_again"),
    [
        (ChannelFault("broken", is_unknown=True), True),
        (ChannelFault("not there"), False),
        (ConfigError("the secret 'bot' is not set"), False),
        (RuntimeError("a library's"), True),
    ],
)
async def test_only_a_doubtful_alert_is_marked_as_repeated(fault, is_again):
    """A channel that can search is asked to search where the outcome is unknown, and only there."""
    store, ops = Alerts(), Link()
    store.add("ops")
    ops.faults = [fault]
    await send_alerts(store, {"ops": ops})
    store.put_off.clear()
    await send_alerts(store, {"ops": ops})
    assert ops.visible_messages == [("opened", "a_1", None, is_again)]


async def test_doubt_lasts_until_it_is_reported():
    """A certain failure after an uncertain one leaves it uncertain."""
    store, ops = Alerts(), Link()
    store.add("ops")
    ops.faults = [ChannelFault("broken", is_unknown=True), ChannelFault("not there")]
    for _ in range(3):
        store.put_off.clear()
        await send_alerts(store, {"ops": ops})
    assert ops.visible_messages == [("opened", "a_1", None, True)]


async def test_notice_that_is_never_taken_keeps_no_other_waiting():
    """It is set aside with the reason, and so is one that cannot be put into words."""
    store, ops = Alerts(), Link()
    for number in range(3):
        store.add("ops", of=incident(f"i_{number}", text="unspeakable" if number == 1 else "wrong"))
    ops.faults = [ChannelFault("too long", is_final=True)]
    await send_alerts(store, {"ops": ops})
    assert store.states() == ["refused", "refused", "sent"]
    assert [refusal.fault for refusal in store.settled[0].refused] == ["too long", "ValueError: no words"]


async def test_resolved_incident_is_not_sent():
    """An incident that ended while its channel was away is reported by its end alone; one that fixed itself at once by nothing."""
    store, ops = Alerts(), Link()
    over = incident(state=IncidentState.RESOLVED, resolved_at=AT + 300_000)
    brief = incident("i_2", state=IncidentState.RESOLVED, resolved_at=AT + 1_000)
    for about, of in (
        (NotificationEvent.OPENED, over),
        (NotificationEvent.RESOLVED, over),
        (NotificationEvent.OPENED, brief),
        (NotificationEvent.RESOLVED, brief),
    ):
        store.add("ops", about, of)
    await send_alerts(store, {"ops": ops})
    assert [message[0] for message in ops.visible_messages] == ["resolved"]
    assert store.states() == ["dropped", "sent", "dropped", "dropped"]


async def test_digest_is_one_notice():
    """What has the lowest severity is reported together, after what is urgent, and its message is no incident's."""
    store, ops = Alerts(), Link()
    for number in range(3):
        store.add("ops", of=incident(f"i_{number}", severity=Severity.DIGEST))
    store.add("ops")
    await send_alerts(store, {"ops": ops})
    assert [message[0] for message in ops.visible_messages] == ["opened", "digest"]
    assert store.states() == ["sent"] * 4
    assert list(store.refs) == [("ops", "i_1", 1)]


async def test_slow_channel_holds_no_other_and_no_end(monkeypatch):
    """One that does not answer is left when the time is over; the others are notified meanwhile; its alert stays and may have been sent."""
    store, ops, mail = Alerts(), Link(), Link()
    monkeypatch.setattr("mainspring.alerting.notifier._ENDS_WITHIN_S", 0.05)
    ops.blocker.clear()
    store.add("ops")
    store.add("mail")
    alert_notifier = notifier(store, {"ops": ops, "mail": mail})
    task = asyncio.create_task(alert_notifier.run_once(1.0))
    async with asyncio.timeout(60):
        await task
    assert store.states("ops") == ["unsent"]
    assert store.states("mail") == ["sent"]
    assert store.rows[0].tried


async def test_running_notifier_sends_new_alerts_and_outlives_its_store():
    """It is woken by changes, continues after the store was away, and leaves nothing behind when it is closed."""
    store, ops = Alerts(), Link()
    alert_notifier = notifier(store, {"ops": ops})
    alert_notifier.start()
    store.add("ops")
    alert_notifier.changed()
    await until(lambda: store.states() == ["sent"])
    store.away = True
    store.add("ops", NotificationEvent.ACKNOWLEDGED)
    alert_notifier.changed()
    await asyncio.sleep(0)
    store.away = False
    await until(lambda: store.states() == ["sent", "sent"])
    await alert_notifier.close()
    assert ops.closed == 1


async def test_two_notifiers_report_each_alert_once():
    """A channel is one Notifier's at a time."""
    store, ops = Alerts(), Link()
    for number in range(20):
        store.add("ops", of=incident(f"i_{number}"))
    await asyncio.gather(*(send_alerts(store, {"ops": ops}) for _ in range(3)))
    assert [message[1] for message in ops.visible_messages] == [f"a_{number}" for number in range(1, 21)]


PLACES = ["notifier.leased", "notifier.accepted", "notifier.sent", "notifier.settled"]


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("place", PLACES)
async def test_death_at_any_place_displays_one_message(place):
    """Anyone who dies between taking, telling and settling: the next Notifier leaves exactly one visible message, with its details."""
    store = Alerts()
    store.add("ops")
    async with serving(SlackPeer()) as peer:
        failpoints.install(lambda name: _die() if name == place else None)
        link = link_to(peer)
        try:
            with contextlib.suppress(Killed):
                await send_alerts(store, {"ops": link})
        finally:
            failpoints.install(None)
        await link.close()
        store.leases.clear()  # they end with the session
        other_link: SlackLink = link_to(peer)
        await send_alerts(store, {"ops": other_link})
        assert len(peer.visible_messages) == len(peer.threads) == 1
        assert store.states() == ["sent"]


def _die():
    raise Killed


async def until(is_so):
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.005)


class GuardedLink(Link):
    """A channel that accepts one token, and reads the present one for each notice."""

    def __init__(self, faults, accepted):
        super().__init__()
        self._read_token, self.accepted, self.tokens = partial(faults.get, "TOKEN"), accepted, []

    async def send(self, notice, ref, *, is_again=False):
        self.tokens.append(self._read_token())
        if self.tokens[-1] != self.accepted:
            raise ChannelFault("the server answers 401")
        return await super().send(notice, ref, is_again=is_again)


async def test_refused_secret_is_read_again_once(tmp_path):
    """A token that was rotated at its provider delays no notification; the same token is a fault after one request."""
    folder = FolderSecrets(tmp_path / "secrets")
    folder.write("TOKEN", "the-old-token-1")
    faults = ErrorText(SecretStore([ProviderEntry(folder, is_local=False)]))
    store, link = Alerts(), GuardedLink(faults, "the-new-token-2")
    store.add("ops")
    faults.get("TOKEN")
    folder.write("TOKEN", "the-new-token-2")
    await Notifier(store, store.is_due, {"ops": link}, render, SystemClock(), faults).run_once(10.0)
    assert (link.tokens, store.states()) == (["the-old-token-1", "the-new-token-2"], ["sent"])
    link.accepted = "another-token-3"
    store.add("ops")
    await Notifier(store, store.is_due, {"ops": link}, render, SystemClock(), faults).run_once(10.0)
    assert (len(link.tokens), store.states()) == (3, ["sent", "unsent"])
