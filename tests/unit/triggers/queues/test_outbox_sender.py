"""The Sender before brokers that take, refuse, hang and go away as a test tells them."""

import asyncio
import contextlib
from collections import defaultdict

import pytest

from mainspring.app.stores.store_factory import make_store
from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import ConfigError, OptionError, ValueRefusedError
from mainspring.domain.runs.outbox import QueuedMessage
from mainspring.domain.values.codec import encode
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.resources.error_text import ErrorText
from mainspring.store.commands.automations import AnnounceDefinitions, AutomationRow
from mainspring.store.commands.outbox import RetryMessage, SettleQueue
from mainspring.store.commands.runs import ClaimRuns, CompleteRun, StartRun
from mainspring.store.read.outbox import list_outbox_queues, list_refused_messages
from mainspring.triggers.queues import broker_connections, outbox_sender
from mainspring.triggers.queues.broker_connections import BrokerConnections
from mainspring.triggers.queues.outbox_sender import OutboxSender
from tests.acceptance.sealing_codec import Keystream

pytestmark = pytest.mark.asyncio
BROKERS = {"b": "redis://u:{secret:PASS}@h/0"}


class NoSecrets:
    def get(self, name):
        return "hush"


class Source:
    """A link of the fake broker."""

    def __init__(self, broker, queue):
        self.broker = broker
        self.queue = queue

    async def connect(self):
        self.broker.connects += 1
        if self.broker.away:
            raise ConnectionError(self.broker.away)

    async def publish(self, key, body, headers):
        self.broker.tried[self.queue.name] += 1
        if self.broker.away:
            raise ConnectionError(self.broker.away)
        if self.broker.fault is not None:
            raise self.broker.fault
        if b"big" in body:
            raise ValueRefusedError("a message", "$", "it is too large")
        if self.broker.hangs:
            await asyncio.sleep(3600)
        self.broker.accepted[self.queue.name].append((key, body, headers))

    async def close(self):
        self.broker.closed += 1
        await self.broker.may_close.wait()


class FakeBroker:
    def __init__(self):
        self.accepted = defaultdict(list)
        self.tried = defaultdict(int)
        self.away = ""
        self.hangs = False
        self.fault = None
        self.connects = self.closed = 0
        self.may_close = asyncio.Event()
        self.may_close.set()

    def opens(self, queue, server, group):
        assert group is None
        assert server.password == "hush"
        return Source(self, queue)


class SlowLoop:
    """The part of a store that a Sender submits to; its loop hears that the first queue was settled only together with the next answer."""

    def __init__(self, store):
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._unreported = []
        self.settled = 0

    def submit(self, command, on_done):
        def done(result):
            self._unreported.append((on_done, result))
            if isinstance(command, SettleQueue):
                self.settled += 1
                if self.settled == 1:
                    return
            unreported, self._unreported = self._unreported, []
            self._loop.call_soon_threadsafe(lambda: [callback(result) for callback, result in unreported])

        self._store.submit(command, done)


class Outbox:
    """A store into which steps have put messages, and Senders before one fake broker."""

    def __init__(self, folder, sealing=PLAIN_SEALING):
        self.sealing = sealing
        self.broker = FakeBroker()
        self.clock = SystemClock()
        self.store = make_store(folder / "state.db", clock=self.clock)
        self.store.open()
        self.store.open_session("worker")
        self.store.apply(AnnounceDefinitions("f", (AutomationRow("a", "task", 1, "f", b"{}"),), ()))
        self._senders = []
        self._count = 0

    def post(self, *sent):
        """Let a step send: (id, queue, value)."""
        self._count += 1
        run = f"r{self._count}"
        self.store.apply(
            StartRun(id=run, automation="a", kind="task", version=1, input=b"[]", codec="json", trigger="t")
        )
        (claimed,) = self.store.apply(ClaimRuns(f"c{self._count}", 1)).runs
        seal = self.sealing.seal
        messages = tuple(
            QueuedMessage(id, queue, seal(encode(value)), isinstance(value, bytes), headers=seal(b'{"h":"v"}'))
            for id, queue, value in sent
        )
        self.store.apply(CompleteRun(run, claimed.claim, "a", "s", "s", 1, 2, 3, b"[]", b"1", posts=messages))

    def sender(self, brokers=BROKERS, sealing=None, store=None):
        faults = ErrorText(NoSecrets())
        links = BrokerConnections(brokers, faults.get, opens=self.broker.opens)
        loop = asyncio.get_running_loop()
        store = store or self.store
        found = OutboxSender(loop, store, self.store.reader, self.clock, sealing or self.sealing, links, faults)
        self._senders.append(found)
        found.start()
        return found

    async def until(self, is_so):
        async with asyncio.timeout(60):
            while not is_so():
                await asyncio.sleep(0.005)

    async def until_empty(self):
        await self.until(lambda: not list_outbox_queues(self.store.reader))

    @property
    def queues(self):
        return {queue.name: queue for queue in list_outbox_queues(self.store.reader)}

    async def close(self):
        for sender in self._senders:
            await sender.close()
        await asyncio.to_thread(self.store.close)


@contextlib.asynccontextmanager
async def outbox(folder, **options):
    found = Outbox(folder, **options)
    try:
        yield found
    finally:
        await found.close()


async def test_messages_are_sent_in_order_and_forgotten(tmp_path):
    """Each queue gets its own in the order of the commits: values as JSON, bytes as they are, with id and headers."""
    async with outbox(tmp_path) as box:
        box.post(("m1", "b/q", {"n": 1}), ("m2", "b/p", b"\x00raw"))
        box.post(("m3", "b/q", 3))
        box.sender()
        await box.until_empty()
        assert box.broker.accepted == {
            "q": [("m1", b'{"n":1}', {"h": "v"}), ("m3", b"3", {"h": "v"})],
            "p": [("m2", b"\x00raw", {"h": "v"})],
        }


async def test_later_messages_use_the_same_link(tmp_path):
    """A link that did well is kept for what comes next; what comes is sent soon after it was reported."""
    async with outbox(tmp_path) as box:
        sender = box.sender()
        for n in range(3):
            box.post((f"m{n}", "b/q", n))
            sender.changed()
            await box.until(lambda n=n: len(box.broker.accepted["q"]) == n + 1)
        await box.until_empty()
        assert box.broker.connects == 1
        await sender.close()
        assert box.broker.closed == 1


async def test_queue_that_is_taken_again_before_its_end_was_heard_of_is_served(tmp_path):
    """A busy loop hears at once that the queue was given back and leased again: what came meanwhile waits for no lease to end."""
    async with outbox(tmp_path) as box:
        store = SlowLoop(box.store)
        box.post(("m1", "b/q", 1))
        sender = box.sender(store=store)
        await box.until(lambda: store.settled == 1)
        box.post(("m2", "b/q", 2))
        sender.changed()
        await box.until_empty()
        assert [key for key, _, _ in box.broker.accepted["q"]] == ["m1", "m2"]


async def test_several_senders_send_each_message_once(tmp_path):
    """Senders at once share the queues; undisturbed, none sends what another one sends."""
    async with outbox(tmp_path) as box:
        for n in range(40):
            box.post(*((f"m{n}-{q}", f"b/q{q}", n) for q in range(5)))
        for _ in range(3):
            box.sender()
        await box.until_empty()
        for q in range(5):
            assert [key for key, _, _ in box.broker.accepted[f"q{q}"]] == [f"m{n}-{q}" for n in range(40)]


async def test_refused_message_is_skipped(tmp_path):
    """What the broker will not take waits for a person and holds no one up; sent again by hand it goes, if it may then."""
    async with outbox(tmp_path) as box:
        box.post(("m1", "b/q", 1), ("m2", "b/q", "big"), ("m3", "b/q", 3))
        sender = box.sender()
        await box.until_empty()
        assert [key for key, _, _ in box.broker.accepted["q"]] == ["m1", "m3"]
        (refused,) = list_refused_messages(box.store.reader)
        assert refused.id == "m2"
        assert "it is too large" in refused.fault
        box.store.apply(RetryMessage("m2"))
        sender.changed()
        await box.until(lambda: box.broker.tried["q"] == 4)
        await box.until_empty()
        assert [message.id for message in list_refused_messages(box.store.reader)] == ["m2"]


async def test_broker_that_is_unreachable_is_tried_for_ever(tmp_path, monkeypatch):
    """Nothing is lost while a broker is away; since when and why is reported, without its secrets; other queues continue."""
    monkeypatch.setattr(outbox_sender, "_CHECK_EVERY_S", 0.02)
    async with outbox(tmp_path) as box:
        box.broker.away = "nobody at redis://u:hush@h"
        box.post(("m1", "b/q", 1), ("m2", "b/q", 2))
        before = box.clock.now()
        box.sender()
        await box.until(lambda: box.queues["b/q"].failures >= 3)
        outbox_queue = box.queues["b/q"]
        assert outbox_queue.fault == "ConnectionError: nobody at redis://u:***@h"
        assert before <= outbox_queue.since_at <= box.clock.now()
        box.broker.away = ""
        await box.until_empty()
        assert [key for key, _, _ in box.broker.accepted["q"]] == ["m1", "m2"]
        assert box.broker.closed >= 3


async def test_unknown_broker_waits_for_its_configuration(tmp_path):
    """A queue whose broker is not configured here is kept, and says how to configure it; a Sender that knows it sends."""
    async with outbox(tmp_path) as box:
        box.post(("m1", "b/q", 1))
        first = box.sender(brokers={})
        await box.until(lambda: box.queues["b/q"].failures >= 1)
        assert "[brokers]" in box.queues["b/q"].fault
        await first.close()
        box.sender()
        await box.until_empty()


async def test_address_that_leads_nowhere_is_refused(tmp_path):
    """Messages to what is no queue on its broker wait for a person."""
    async with outbox(tmp_path) as box:
        box.post(("m1", "n/a.*", 1))
        box.sender(brokers={"n": "nats://h/S d"})
        await box.until(lambda: list_refused_messages(box.store.reader))
        assert box.queues == {}


async def test_broker_that_hangs_is_left(tmp_path, monkeypatch):
    """A broker that acknowledges nothing is abandoned after a while, and the message sent again by another link."""
    monkeypatch.setattr(outbox_sender, "_ACK_TIMEOUT_S", 0.3)
    monkeypatch.setattr(outbox_sender, "_CHECK_EVERY_S", 0.02)
    async with outbox(tmp_path) as box:
        box.broker.hangs = True
        box.post(("m1", "b/q", 1))
        box.sender()
        await box.until(lambda: box.broker.tried["q"] >= 2)
        box.broker.hangs = False
        await box.until_empty()
        assert [key for key, _, _ in box.broker.accepted["q"]] == ["m1"]


async def test_sealed_messages_are_opened_when_they_are_sent(tmp_path):
    """What lies sealed in the store goes out open; a Sender without the codec lets it wait and sends nothing sealed."""
    sealing = Sealing(Keystream())
    async with outbox(tmp_path, sealing=sealing) as box:
        box.post(("m1", "b/q", {"n": 1}), ("m2", "b/q", b"raw"))
        blind = box.sender(sealing=PLAIN_SEALING)
        await box.until(lambda: box.queues["b/q"].failures >= 1)
        assert "keystream" in box.queues["b/q"].fault
        assert box.broker.accepted == {}
        await blind.close()
        box.sender()
        await box.until_empty()
        assert [body for _, body, _ in box.broker.accepted["q"]] == [b'{"n":1}', b"raw"]


async def test_link_that_hangs_when_it_is_closed_keeps_no_lease(tmp_path, monkeypatch):
    """What was sent is settled before idle links are closed, or another Sender would send it again meanwhile."""
    monkeypatch.setattr(broker_connections, "_IDLE_S", -1.0)
    monkeypatch.setattr(broker_connections, "_CLOSE_TIMEOUT_S", 3600)
    async with outbox(tmp_path) as box:
        box.broker.may_close.clear()
        box.post(("m1", "b/q", 1))
        box.sender()
        await box.until_empty()
        await box.until(lambda: box.broker.closed == 1)
        assert box.queues == {}, "nothing of it is leased while the link hangs"
        assert [key for key, _, _ in box.broker.accepted["q"]] == ["m1"]
        box.broker.may_close.set()


async def test_fault_of_one_message_refuses_no_other(tmp_path):
    """Only an address that leads nowhere condemns a whole queue; whatever a library raises while it sends is tried again."""
    async with outbox(tmp_path) as box:
        box.broker.fault = OptionError("a header that this broker does not know")
        box.post(("m1", "b/q", 1), ("m2", "b/q", 2))
        box.sender()
        await box.until(lambda: box.queues["b/q"].failures >= 1)
        assert list_refused_messages(box.store.reader) == []
        assert "a header" in box.queues["b/q"].fault
        box.broker.fault = None
        await box.until_empty()


async def test_closing_waits_for_no_broker(tmp_path, monkeypatch):
    """A Sender that ends while its broker hangs ends within its bound; the message stays."""
    monkeypatch.setattr(outbox_sender, "_CLOSE_TIMEOUT_S", 0.1)
    async with outbox(tmp_path) as box:
        box.broker.hangs = True
        box.post(("m1", "b/q", 1))
        sender = box.sender()
        await box.until(lambda: box.broker.tried["q"] == 1)
        async with asyncio.timeout(30):
            await sender.close()
        assert list(box.queues) == ["b/q"]


async def test_secret_that_is_not_set_makes_its_queue_wait(tmp_path):
    """A secret that is missing is reported by its name, and the queue tried again until it is there."""
    async with outbox(tmp_path) as box:
        box.post(("m1", "b/q", 1))

        def no_channel(name):
            raise ConfigError(f"the secret {name!r} is not set")

        faults = ErrorText(NoSecrets())
        links = BrokerConnections(BROKERS, no_channel, opens=box.broker.opens)
        loop = asyncio.get_running_loop()
        sender = OutboxSender(loop, box.store, box.store.reader, box.clock, PLAIN_SEALING, links, faults)
        sender.start()
        await box.until(lambda: box.queues["b/q"].failures >= 1)
        assert box.queues["b/q"].fault == "the secret 'PASS' is not set"
        await sender.close()
        box.sender()
        await box.until_empty()
