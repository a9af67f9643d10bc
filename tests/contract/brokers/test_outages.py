"""Desks that are killed, brokers that are killed and come back: nothing is lost, and each key counts once. The same for every broker."""

import asyncio
import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from tests.brokers.server import Sent
from tests.contract.brokers.consumers import RunningConsumer, RunningConsumers

pytestmark = pytest.mark.asyncio
_KILLED_AFTER = (20, 60, 120, 200) if os.environ.get("TESTS_LONG") else (100,)
_ROOT = Path(__file__).resolve().parents[3]


async def test_messages_of_a_killed_consumer_are_redelivered(consumers: RunningConsumers):
    """A process that held ten messages and acknowledged none is killed: all come to the next one, before what is behind them."""
    queue = await consumers.queue(ordered=True, partition="{body.p}")
    messages = [Sent(f"m{n}", b'{"n": %d, "p": 1}' % n) for n in range(12)]
    await consumers.send(queue, *messages)
    words = [sys.executable, "-m", "tests.contract.brokers.consumer_process", consumers.url]
    with subprocess.Popen(words, cwd=_ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == b"m0\n"
        process.kill()
    consumer = consumers.open(queue)
    await consumer.wait_for_accepted(12)
    await consumer.stop()
    keys = [delivery.key for delivery in consumer.intake.all]
    assert (
        keys == [sent.key for sent in messages] or consumers.broker.name == "sqs"
    )  # moto mixes what becomes visible again
    assert sorted(keys) == sorted(sent.key for sent in messages)
    assert consumer.intake.first["m0"].redelivered or consumers.broker.name == "postgresql"
    assert await consumers.left(queue) == 0


async def test_broker_killed_under_load_loses_and_doubles_nothing(consumers: RunningConsumers):
    """The broker is killed and started again while messages are sent and read: each that it accepted is accepted, under one key."""
    queue = await consumers.queue(ordered=True, partition="{body.p}", prefetch=50)
    consumer = consumers.open(queue)
    sending = asyncio.create_task(_send_for_certain(consumers, queue, 300))
    for count in _KILLED_AFTER:
        await consumer.wait_for_accepted(count)
        await asyncio.to_thread(consumers.broker.kill)
        await consumer.until(lambda: not consumer.consumer.state.connected)
        assert consumer.consumer.state.reason
        consumers.broker.start()  # here: a server ends with the thread that started it
    await sending
    await consumer.wait_for_accepted(300)
    assert await consumers.left(queue) == 0  # what it accepted and could not report comes once more
    await consumer.stop()
    assert set(consumer.intake.first) == {f"m{n}" for n in range(300)}
    assert [state.connected for state in consumer.states].count(False) >= len(_KILLED_AFTER)
    if consumers.broker.name != "sqs":  # moto mixes what becomes visible again
        _assert_in_order(consumer)


def _assert_in_order(consumer: RunningConsumer) -> None:
    """Each partition's messages count in the order in which they were sent; one that comes again does not count."""
    for name in ("p0", "p1", "p2"):
        numbers = [int(key[1:]) for key, delivery in consumer.intake.first.items() if delivery.partition == name]
        assert numbers == sorted(numbers), name


async def _send_for_certain(consumers: RunningConsumers, queue: BrokerQueue, count: int) -> None:
    """Publish each message until the broker says that it has it."""
    source = await consumers.publisher(queue)
    for n in range(count):
        body = b'{"n": %d, "p": "p%d"}' % (n, n % 3)
        while True:
            try:
                async with asyncio.timeout(60):
                    await source.publish(f"m{n}", body, {})
            except Exception:
                source = await _connect_again(consumers, queue, source)
            else:
                break
    await source.close()


async def _connect_again(consumers: RunningConsumers, queue: BrokerQueue, source):
    while True:
        with contextlib.suppress(Exception):
            await source.close()
        try:
            return await consumers.publisher(queue)
        except Exception:
            await asyncio.sleep(0.05)


async def test_a_consumer_that_starts_without_its_broker_waits_for_it(consumers: RunningConsumers):
    """It says since when and why it is away, tries again for ever, and reads when the broker is there."""
    queue = await consumers.queue()
    await consumers.send(queue, Sent("one", b"{}"))
    await asyncio.to_thread(consumers.broker.kill)
    consumer = consumers.open(queue)
    started_at = consumer.consumer.state.since_at
    await consumer.until(lambda: bool(consumer.states))
    assert not consumer.consumer.state.connected
    assert consumer.consumer.state.since_at == started_at
    assert consumer.consumer.state.reason not in ("", "it has not connected yet")
    consumers.broker.start()  # here: a server ends with the thread that started it
    await consumer.wait_for_accepted(1)
    assert consumer.consumer.state.connected
    await consumer.stop()


async def test_deleted_queue_is_reported(consumers: RunningConsumers):
    """A reader whose queue is deleted does not wait for messages that cannot come: it is away, with the reason."""
    queue = await consumers.queue()
    consumer = consumers.open(queue)
    await consumer.until(lambda: consumer.consumer.state.connected)
    await consumers.broker.delete(queue)
    await consumer.until(lambda: not consumer.consumer.state.connected)
    assert consumer.consumer.state.reason
    await consumer.stop()
