"""What is sent is what arrives, whatever it is made of, and once where the broker can tell: the same for every broker."""

import pytest

from mainspring.domain.errors import ConfigError
from mainspring.domain.triggers.queues.queue_address import resolve_server
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.triggers.queues.queue_sources import open_source
from tests.brokers.server import Sent
from tests.contract.brokers.desks import GROUP, Desks

pytestmark = pytest.mark.asyncio
_DEDUPLICATES = ("nats", "sqs", "postgresql")


async def test_awkward_bodies_arrive_as_they_were_sent(desks: Desks):
    """Nothing, one byte zero, all bytes, text of other alphabets and almost a megabyte are taken in byte by byte, with their headers."""
    queue = await desks.queue(body="bytes")
    bodies = {
        "empty": b"",
        "nul": b"\0",
        "binary": bytes(range(256)),
        "text": "Größe 漢字 \U0001f600\r\n\t".encode(),
        "large": b'{"x": "' + b"a" * 700_000 + b'"}',
        "large-binary": bytes(range(256)) * 2_800,
    }
    await desks.send(queue, *(Sent(name, body, {"kind": name, "wide": "ü漢"}) for name, body in bodies.items()))
    desk = desks.open(queue)
    await desk.until_taken_in(len(bodies))
    await desk.stop()
    assert {key: delivery.body for key, delivery in desk.intake.first.items()} == bodies
    assert all(delivery.headers["kind"] == key for key, delivery in desk.intake.first.items())
    assert all(delivery.headers["wide"] == "ü漢" for delivery in desk.intake.first.values())
    assert await desks.left(queue) == 0


async def test_a_foreign_program_may_send_headers_that_are_no_text(desks: Desks):
    """A header with bytes that are not UTF-8 neither stops the desk nor is it lost; the message counts under its sender's id."""
    queue = await desks.queue()
    raw = Sent("foreign", b'{"n": 1}')
    await desks.broker.send_raw(queue, raw)
    desk = desks.open(queue)
    await desk.until_taken_in(1)
    await desk.stop()
    [delivery] = desk.intake.all
    assert delivery.body == raw.body
    assert delivery.headers["x-odd"].isprintable()
    assert delivery.key == "foreign" or desks.broker.name == "sqs"
    assert await desks.left(queue) == 0


async def test_what_is_published_twice_under_one_key_counts_once(desks: Desks):
    """Where the broker can tell it has one message; elsewhere both come with one key."""
    queue = await desks.queue(ordered=True)
    await desks.send(queue, Sent("twice", b"1"), Sent("twice", b"1"), Sent("other", b"2"))
    desk = desks.open(queue)
    await desk.until_taken_in(2)
    await desk.until_settled()
    await desk.until(lambda: len(desk.intake.all) >= (2 if desks.broker.name in _DEDUPLICATES else 3))
    await desk.until_settled()
    await desk.stop()
    assert len(desk.intake.all) == (2 if desks.broker.name in _DEDUPLICATES else 3)
    assert set(desk.intake.first) == {"twice", "other"}
    assert await desks.left(queue) == 0


async def test_a_queue_that_is_not_there_is_told_with_the_way_to_make_it(desks: Desks):
    """Where somebody has to make the queue, the desk says so by name, and goes on trying."""
    queue = await desks.queue()
    known = queue.name
    missing = BrokerQueue.parse(desks.url.replace(known, "nowhere"), ack_wait="2s")
    source = open_source(missing, resolve_server(missing.server, lambda name: name), GROUP)
    if desks.broker.name == "valkey":  # a stream is made by whoever reads it first
        await source.connect()
        await source.close()
        return
    with pytest.raises(ConfigError, match="nowhere") as refused:
        await source.connect()
    await source.close()
    assert refused.value.hint


async def test_two_desks_share_a_queue(desks: Desks):
    """Two processes of one group take in each message once between them, by its key."""
    queue = await desks.queue(prefetch=5)
    await desks.send(queue, *(Sent(f"m{n}", b"{}") for n in range(40)))
    one = desks.open(queue)
    other = desks.open(queue, one.intake)
    await one.until_taken_in(40)
    await other.until_settled()
    await one.stop()
    await other.stop()
    assert len(one.intake.first) == 40
    assert len(one.intake.all) == 40 or desks.broker.name == "postgresql"
    assert await desks.left(queue) == 0


async def test_password_is_a_secret_that_only_the_broker_hears(desks: Desks):
    """A wrong one is told without being repeated, and when the right one is there the queue is read."""
    plain = await desks.queue()
    await desks.send(plain, Sent("one", b"{}"))
    queue = BrokerQueue.parse(await desks.broker.with_user(desks.url), ack_wait="2s")
    desks.secrets["BROKER"] = "s3cr/t"
    desk = desks.open(queue)
    if desks.broker.name not in ("sqs", "postgresql"):  # these let everybody in here
        await desk.until(lambda: bool(desk.states))
        assert not desk.desk.state.connected
        assert "s3cr" not in desk.desk.state.why
    desks.secrets["BROKER"] = desks.broker.password
    await desk.until_taken_in(1)
    await desk.stop()
    assert all("p@s" not in str(state) and "s3cr" not in str(state) for state in desk.states)
