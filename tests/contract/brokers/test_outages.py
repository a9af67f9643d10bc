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
from tests.contract.brokers.desks import Desk, Desks

pytestmark = pytest.mark.asyncio
_KILLED_AFTER = (20, 60, 120, 200) if os.environ.get("TESTS_LONG") else (100,)
_ROOT = Path(__file__).resolve().parents[3]


async def test_what_a_killed_desk_did_not_acknowledge_comes_again(desks: Desks):
    """A process that held ten messages and acknowledged none is killed: all come to the next one, before what is behind them."""
    queue = await desks.queue(ordered=True, partition="{body.p}")
    messages = [Sent(f"m{n}", b'{"n": %d, "p": 1}' % n) for n in range(12)]
    await desks.send(queue, *messages)
    words = [sys.executable, "-m", "tests.contract.brokers.desk_process", desks.url]
    with subprocess.Popen(words, cwd=_ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert await asyncio.to_thread(process.stdout.readline) == b"m0\n"
        process.kill()
    desk = desks.open(queue)
    await desk.until_taken_in(12)
    await desk.stop()
    keys = [delivery.key for delivery in desk.intake.all]
    assert (
        keys == [sent.key for sent in messages] or desks.broker.name == "sqs"
    )  # moto mixes what becomes visible again
    assert sorted(keys) == sorted(sent.key for sent in messages)
    assert desk.intake.first["m0"].redelivered or desks.broker.name == "postgresql"
    assert await desks.left(queue) == 0


async def test_broker_killed_under_load_loses_and_doubles_nothing(desks: Desks):
    """The broker is killed and started again while messages are sent and read: each that it accepted is taken in, under one key."""
    queue = await desks.queue(ordered=True, partition="{body.p}", prefetch=50)
    desk = desks.open(queue)
    sending = asyncio.create_task(_send_for_certain(desks, queue, 300))
    for taken in _KILLED_AFTER:
        await desk.until_taken_in(taken)
        await asyncio.to_thread(desks.broker.kill)
        await desk.until(lambda: not desk.desk.state.connected)
        assert desk.desk.state.why
        desks.broker.start()  # here: a server ends with the thread that started it
    await sending
    await desk.until_taken_in(300)
    await desk.stop()
    assert set(desk.intake.first) == {f"m{n}" for n in range(300)}
    assert [state.connected for state in desk.states].count(False) >= len(_KILLED_AFTER)
    if desks.broker.name != "sqs":  # moto mixes what becomes visible again
        _assert_in_order(desk)
    assert await desks.left(queue) == 0


def _assert_in_order(desk: Desk) -> None:
    """Each partition's messages count in the order in which they were sent; one that comes again does not count."""
    for name in ("p0", "p1", "p2"):
        numbers = [int(key[1:]) for key, delivery in desk.intake.first.items() if delivery.partition == name]
        assert numbers == sorted(numbers), name


async def _send_for_certain(desks: Desks, queue: BrokerQueue, count: int) -> None:
    """Publish each message until the broker says that it has it."""
    source = await desks.publisher(queue)
    for n in range(count):
        body = b'{"n": %d, "p": "p%d"}' % (n, n % 3)
        while True:
            try:
                async with asyncio.timeout(60):
                    await source.publish(f"m{n}", body, {})
            except Exception:
                source = await _connect_again(desks, queue, source)
            else:
                break
    await source.close()


async def _connect_again(desks: Desks, queue: BrokerQueue, source):
    while True:
        with contextlib.suppress(Exception):
            await source.close()
        try:
            return await desks.publisher(queue)
        except Exception:
            await asyncio.sleep(0.05)


async def test_a_desk_that_starts_without_its_broker_waits_for_it(desks: Desks):
    """It says since when and why it is away, tries again for ever, and reads when the broker is there."""
    queue = await desks.queue()
    await desks.send(queue, Sent("one", b"{}"))
    await asyncio.to_thread(desks.broker.kill)
    desk = desks.open(queue)
    began = desk.desk.state.since_at
    await desk.until(lambda: bool(desk.states))
    assert not desk.desk.state.connected
    assert desk.desk.state.since_at == began
    assert desk.desk.state.why not in ("", "it has not connected yet")
    desks.broker.start()  # here: a server ends with the thread that started it
    await desk.until_taken_in(1)
    assert desk.desk.state.connected
    await desk.stop()


async def test_a_queue_that_is_taken_away_is_told(desks: Desks):
    """A reader whose queue is deleted does not wait for messages that cannot come: it is away, with the reason."""
    queue = await desks.queue()
    desk = desks.open(queue)
    await desk.until(lambda: desk.desk.state.connected)
    await desks.broker.delete(queue)
    await desk.until(lambda: not desk.desk.state.connected)
    assert desk.desk.state.why
    await desk.stop()
