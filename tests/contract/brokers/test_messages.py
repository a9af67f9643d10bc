"""What is sent is what arrives, whatever it is made of, and once where the broker can tell: the same for every broker."""

import pytest

from mainspring.domain.errors import ConfigError
from mainspring.integrations.base.queue_address import resolve_server
from mainspring.integrations.brokers import open_source, parse_broker_queue
from tests.brokers.server import Sent
from tests.contract.brokers.consumers import GROUP, RunningConsumers

pytestmark = pytest.mark.asyncio
_DEDUPLICATES = ("nats", "sqs", "postgresql")


async def test_awkward_bodies_arrive_as_they_were_sent(consumers: RunningConsumers):
    """Nothing, one byte zero, all bytes, text of other alphabets and almost a megabyte are accepted byte by byte, with their headers."""
    queue = await consumers.queue(body="bytes")
    bodies = {
        "empty": b"",
        "nul": b"\0",
        "binary": bytes(range(256)),
        "text": "Größe 漢字 \U0001f600\r\n\t".encode(),
        "large": b'{"x": "' + b"a" * 700_000 + b'"}',
        "large-binary": bytes(range(256)) * 2_800,
    }
    await consumers.send(queue, *(Sent(name, body, {"kind": name, "wide": "ü漢"}) for name, body in bodies.items()))
    consumer = consumers.open(queue)
    await consumer.wait_for_accepted(len(bodies))
    await consumer.stop()
    assert {key: delivery.body for key, delivery in consumer.intake.first.items()} == bodies
    assert all(delivery.headers["kind"] == key for key, delivery in consumer.intake.first.items())
    assert all(delivery.headers["wide"] == "ü漢" for delivery in consumer.intake.first.values())
    assert await consumers.left(queue) == 0


async def test_a_foreign_program_may_send_headers_that_are_no_text(consumers: RunningConsumers):
    """A header with bytes that are not UTF-8 neither stops the consumer nor is it lost; the message counts under its sender's id."""
    queue = await consumers.queue()
    raw = Sent("foreign", b'{"n": 1}')
    await consumers.broker.send_raw(queue, raw)
    consumer = consumers.open(queue)
    await consumer.wait_for_accepted(1)
    await consumer.stop()
    [delivery] = consumer.intake.all
    assert delivery.body == raw.body
    assert delivery.headers["x-odd"].isprintable()
    assert delivery.key == "foreign" or consumers.broker.name == "sqs"
    assert await consumers.left(queue) == 0


async def test_message_published_twice_under_one_key_counts_once(consumers: RunningConsumers):
    """Where the broker can tell it has one message; elsewhere both come with one key."""
    queue = await consumers.queue(ordered=True)
    await consumers.send(queue, Sent("twice", b"1"), Sent("twice", b"1"), Sent("other", b"2"))
    consumer = consumers.open(queue)
    await consumer.wait_for_accepted(2)
    await consumer.until_settled()
    await consumer.until(lambda: len(consumer.intake.all) >= (2 if consumers.broker.name in _DEDUPLICATES else 3))
    await consumer.until_settled()
    await consumer.stop()
    assert len(consumer.intake.all) == (2 if consumers.broker.name in _DEDUPLICATES else 3)
    assert set(consumer.intake.first) == {"twice", "other"}
    assert await consumers.left(queue) == 0


async def test_missing_queue_is_reported_with_the_command_to_create_it(consumers: RunningConsumers):
    """Where someone has to make the queue, the consumer says so by name, and continues trying."""
    queue = await consumers.queue()
    known = queue.name
    missing = parse_broker_queue(consumers.url.replace(known, "nowhere"), ack_wait="2s")
    source = open_source(missing, resolve_server(missing.server, lambda name: name), GROUP)
    if consumers.broker.name == "valkey":  # a stream is made by anyone who reads it first
        await source.connect()
        await source.close()
        return
    with pytest.raises(ConfigError, match="nowhere") as refused:
        await source.connect()
    await source.close()
    assert refused.value.hint


async def test_two_consumers_share_a_queue(consumers: RunningConsumers):
    """Two processes of one group accept each message once between them, by its key."""
    queue = await consumers.queue(prefetch=5)
    await consumers.send(queue, *(Sent(f"m{n}", b"{}") for n in range(40)))
    first = consumers.open(queue)
    other = consumers.open(queue, first.intake)
    await first.wait_for_accepted(40)
    await other.until_settled()
    await first.stop()
    await other.stop()
    assert len(first.intake.first) == 40
    assert len(first.intake.all) == 40 or consumers.broker.name == "postgresql"
    assert await consumers.left(queue) == 0


async def test_password_is_a_secret_that_only_the_broker_hears(consumers: RunningConsumers):
    """A wrong one is reported without being repeated, and when the right one is there the queue is read."""
    plain = await consumers.queue()
    await consumers.send(plain, Sent("one", b"{}"))
    queue = parse_broker_queue(await consumers.broker.with_user(consumers.url), ack_wait="2s")
    consumers.secrets["BROKER"] = "s3cr/t"
    consumer = consumers.open(queue)
    if consumers.broker.name not in ("sqs", "postgresql"):  # these let everyone in here
        await consumer.until(lambda: bool(consumer.states))
        assert not consumer.consumer.state.connected
        assert "s3cr" not in consumer.consumer.state.reason
    consumers.secrets["BROKER"] = consumers.broker.password
    await consumer.wait_for_accepted(1)
    await consumer.stop()
    assert all("p@s" not in str(state) and "s3cr" not in str(state) for state in consumer.states)
