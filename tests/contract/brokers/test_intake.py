"""What arrives on a queue is taken in once, in order, and acknowledged after the commit: the same for every broker."""

import pytest

from mainspring.domain.triggers.incoming_delivery import IncomingDelivery
from mainspring.store.commands.results import Refused
from tests.brokers.server import Sent
from tests.contract.brokers.desks import Desks, Intake

pytestmark = pytest.mark.asyncio
_PARTITIONS = 5


def orders(count: int) -> list[Sent]:
    return [Sent(f"m{n}", b'{"n": %d, "p": "p%d"}' % (n, n % _PARTITIONS)) for n in range(count)]


async def test_each_message_is_taken_in_once_and_in_the_order_of_its_partition(desks: Desks):
    """Sixty messages of five partitions: each key once, each partition in order, and nothing is left with the broker."""
    queue = await desks.queue(ordered=True, partition="{body.p}", prefetch=20)
    await desks.send(queue, *orders(60))
    desk = desks.open(queue)
    await desk.until_taken_in(60)
    await desk.stop()
    assert sorted(desk.intake.first) == sorted(sent.key for sent in orders(60))
    assert len(desk.intake.all) == 60
    for name in {delivery.partition for delivery in desk.intake.all}:
        bodies = [delivery.body for delivery in desk.intake.all if delivery.partition == name]
        assert bodies == [sent.body for sent in orders(60) if f'"{name}"'.encode() in sent.body]
    assert await desks.left(queue) == 0


async def test_a_message_is_sent_again_where_the_answer_of_the_store_was_lost(desks: Desks):
    """A commit of unknown outcome is asked for again with the same key, and nothing is doubled or lost."""
    queue = await desks.queue()
    await desks.send(queue, *orders(4))
    intake = Intake()
    intake.away = 3
    desk = desks.open(queue, intake)
    await desk.until_taken_in(4)
    assert len(intake.first) == 4
    assert len(intake.all) == 7
    assert any("store" in state.waits_for for state in desk.states)
    await desk.stop()
    assert await desks.left(queue) == 0


async def test_busy_store_stops_the_fetching(desks: Desks):
    """While the store is busy one batch is held, longer than the broker's patience; another desk gets the rest and none of it."""
    queue = await desks.queue(prefetch=4, ack_wait="1s")
    await desks.send(queue, *orders(12))
    intake = Intake()
    intake.refuses = lambda _: Refused("busy", "the backlog is full", 150)
    desk = desks.open(queue, intake)
    await desk.until(lambda: len(intake.refused) >= 1)
    other = desks.open(queue)
    await other.until_taken_in(8)
    await desk.until(lambda: len(intake.refused) >= 40)
    assert len(set(intake.refused)) <= 4
    if desks.broker.name != "postgresql":  # there two desks read the same rows, and each counts once
        assert not set(intake.refused) & set(other.intake.first)
    assert desk.desk.state.waits_for == "the backlog is full"
    assert desk.desk.state.connected
    intake.refuses = lambda _: None
    await desk.until(lambda: len(set(intake.first) | set(other.intake.first)) == 12)
    await desk.until_settled()
    await desk.stop()
    await other.stop()
    assert set(intake.first) | set(other.intake.first) == {sent.key for sent in orders(12)}
    assert max(delivery.redelivered for delivery in intake.all) == 0
    assert await desks.left(queue) == 0


async def test_a_value_that_cannot_be_taken_in_is_set_aside_after_its_chances(desks: Desks):
    """It is offered `max_deliveries` times, then leaves the queue; the others are not held up, and the desk says why."""
    queue = await desks.queue(max_deliveries=3)
    await desks.send(queue, Sent("good", b"{}"), Sent("bad", b'{"n": "x"}'), Sent("fine", b"{}"))

    def refuse(delivery: IncomingDelivery) -> Refused | None:
        return Refused("bad_value", "n is no number") if delivery.key == "bad" else None

    intake = Intake()
    intake.refuses = refuse
    desk = desks.open(queue, intake)
    await desk.until(lambda: desk.desk.state.refused == 1)
    await desk.until_taken_in(2)
    await desk.until(lambda: intake.refused.count("bad") == 3)
    assert "bad: bad_value: n is no number" in desk.desk.state.last_refusal
    await desk.until_settled()
    await desk.stop()
    assert sorted(intake.first) == ["fine", "good"]
    assert await desks.left(queue) == 0
    assert await desks.broker.aside(queue) in (1, None)


async def test_a_key_with_another_body_is_reported_and_done_with(desks: Desks):
    """The store's `other_body` ends the matter for the broker, and is seen on the desk."""
    queue = await desks.queue()
    await desks.send(queue, Sent("one", b"1"))
    intake = Intake()
    intake.refuses = lambda _: Refused("other_body", "it came before with another body")
    desk = desks.open(queue, intake)
    await desk.until(lambda: bool(intake.shown))
    await desk.until_settled()
    assert await desks.left(queue) == 0, desk.states
    await desk.stop()
    assert "other_body" in desk.desk.state.last_refusal
    assert set(intake.shown) == {("other_body", "one")}, (
        desk.states
    )  # it comes again where the broker did not hear of its end
    assert await desks.left(queue) == 0


async def test_a_desk_that_is_stopped_gives_back_what_it_holds(desks: Desks):
    """What was fetched and not taken in comes to the next desk at once, not after the broker's patience."""
    queue = await desks.queue(ack_wait="1h")
    await desks.send(queue, *orders(3))
    intake = Intake()
    intake.refuses = lambda _: Refused("busy", "", 60_000)
    desk = desks.open(queue, intake)
    await desk.until(lambda: len(intake.refused) == 3)
    await desk.stop()
    second = desks.open(queue)
    await second.until_taken_in(3)
    await second.stop()
    assert await desks.left(queue) == 0
