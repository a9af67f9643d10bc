"""What arrives on a queue is accepted once, in order, and acknowledged after the commit: the same for every broker."""

import pytest

from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.store.commands.results import Refused
from tests.brokers.server import Sent
from tests.contract.brokers.consumers import Intake, RunningConsumers

pytestmark = pytest.mark.asyncio
_PARTITIONS = 5


def orders(count: int) -> list[Sent]:
    return [Sent(f"m{n}", b'{"n": %d, "p": "p%d"}' % (n, n % _PARTITIONS)) for n in range(count)]


async def test_each_message_is_accepted_once_and_in_the_order_of_its_partition(consumers: RunningConsumers):
    """Sixty messages of five partitions: each key once, each partition in order, and nothing is left with the broker."""
    queue = await consumers.queue(ordered=True, partition="{body.p}", prefetch=20)
    await consumers.send(queue, *orders(60))
    consumer = consumers.open(queue)
    await consumer.wait_for_accepted(60)
    await consumer.stop()
    assert sorted(consumer.intake.first) == sorted(sent.key for sent in orders(60))
    assert len(consumer.intake.all) == 60
    for name in {delivery.partition for delivery in consumer.intake.all}:
        bodies = [delivery.body for delivery in consumer.intake.all if delivery.partition == name]
        assert bodies == [sent.body for sent in orders(60) if f'"{name}"'.encode() in sent.body]
    assert await consumers.left(queue) == 0


async def test_a_message_is_sent_again_where_the_answer_of_the_store_was_lost(consumers: RunningConsumers):
    """A commit of unknown outcome is asked for again with the same key, and nothing is doubled or lost."""
    queue = await consumers.queue()
    await consumers.send(queue, *orders(4))
    intake = Intake()
    intake.away = 3
    consumer = consumers.open(queue, intake)
    await consumer.wait_for_accepted(4)
    assert len(intake.first) == 4
    assert len(intake.all) == 7
    assert any("store" in state.waits_for for state in consumer.states)
    await consumer.stop()
    assert await consumers.left(queue) == 0


async def test_busy_store_stops_the_fetching(consumers: RunningConsumers):
    """While the store is busy one batch is held, longer than the broker's patience; another consumer gets the rest and none of it."""
    queue = await consumers.queue(prefetch=4, ack_wait="1s")
    await consumers.send(queue, *orders(12))
    intake = Intake()
    intake.refuses = lambda _: Refused("busy", "the backlog is full", 150)
    consumer = consumers.open(queue, intake)
    await consumer.until(lambda: len(intake.refused) >= 1)
    other = consumers.open(queue)
    await other.wait_for_accepted(8)
    await consumer.until(lambda: len(intake.refused) >= 40)
    assert len(set(intake.refused)) <= 4
    if consumers.broker.name != "postgresql":  # there two consumers read the same rows, and each counts once
        assert not set(intake.refused) & set(other.intake.first)
    assert consumer.consumer.state.waits_for == "the backlog is full"
    assert consumer.consumer.state.connected
    intake.refuses = lambda _: None
    await consumer.until(lambda: len(set(intake.first) | set(other.intake.first)) == 12)
    await consumer.until_settled()
    await consumer.stop()
    await other.stop()
    assert set(intake.first) | set(other.intake.first) == {sent.key for sent in orders(12)}
    assert max(delivery.redelivered for delivery in intake.all) == 0
    assert await consumers.left(queue) == 0


async def test_unacceptable_value_is_dead_lettered_after_its_attempts(consumers: RunningConsumers):
    """It is offered `max_deliveries` times, then leaves the queue; the others are not held up, and the consumer says why."""
    queue = await consumers.queue(max_deliveries=3)
    await consumers.send(queue, Sent("good", b"{}"), Sent("bad", b'{"n": "x"}'), Sent("fine", b"{}"))

    def refuse(delivery: IncomingDelivery) -> Refused | None:
        return Refused("bad_value", "n is no number") if delivery.key == "bad" else None

    intake = Intake()
    intake.refuses = refuse
    consumer = consumers.open(queue, intake)
    await consumer.until(lambda: consumer.consumer.state.refused == 1)
    await consumer.wait_for_accepted(2)
    await consumer.until(lambda: intake.refused.count("bad") == 3)
    assert "bad: bad_value: n is no number" in consumer.consumer.state.last_refusal
    await consumer.until_settled()
    await consumer.stop()
    assert sorted(intake.first) == ["fine", "good"]
    assert await consumers.left(queue) == 0
    assert await consumers.broker.count_rejected(queue) in (1, None)


async def test_a_key_with_another_body_is_reported_and_done_with(consumers: RunningConsumers):
    """The store's `other_body` ends the matter for the broker, and is seen on the consumer."""
    queue = await consumers.queue()
    await consumers.send(queue, Sent("one", b"1"))
    intake = Intake()
    intake.refuses = lambda _: Refused("other_body", "it came before with another body")
    consumer = consumers.open(queue, intake)
    await consumer.until(lambda: bool(intake.reported))
    await consumer.until_settled()
    assert await consumers.left(queue) == 0, consumer.states
    await consumer.stop()
    assert "other_body" in consumer.consumer.state.last_refusal
    assert set(intake.reported) == {("other_body", "one")}, (
        consumer.states
    )  # it comes again where the broker did not hear of its end
    assert await consumers.left(queue) == 0


async def test_stopped_consumer_returns_its_messages(consumers: RunningConsumers):
    """What was fetched and not accepted comes to the next consumer at once, not after the broker's patience."""
    queue = await consumers.queue(ack_wait="1h")
    await consumers.send(queue, *orders(3))
    intake = Intake()
    intake.refuses = lambda _: Refused("busy", "", 60_000)
    consumer = consumers.open(queue, intake)
    await consumer.until(lambda: len(intake.refused) == 3)
    await consumer.stop()
    second = consumers.open(queue)
    await second.wait_for_accepted(3)
    await second.stop()
    assert await consumers.left(queue) == 0
