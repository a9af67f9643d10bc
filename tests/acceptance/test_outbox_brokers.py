"""Steps send to real brokers: what arrives, in which order, and what happens while a broker is away."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.states import RunState
from mainspring.domain.triggers.queues.queue_message import QueueMessage
from mainspring.engine.definitions.registry import Registry
from mainspring.integrations.base.queue_address import resolve_server
from mainspring.integrations.brokers import open_source, parse_broker_queue
from mainspring.store.read.outbox import list_outbox_queues, list_refused_messages
from tests.acceptance.engine_world import Engine, World
from tests.brokers.server import BrokerServer
from tests.brokers.servers import start_broker

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module", params=["nats", "valkey"])
def broker(request: pytest.FixtureRequest) -> Iterator[BrokerServer]:
    server = start_broker(request.param)
    yield server
    server.remove()


def short(url: str) -> tuple[str, str]:
    """The address of a queue as that of its broker, and what a step adds to the broker's name."""
    server, _, options = url.partition("?")
    return server, options.partition("=")[2]


async def received(url: str, count: int) -> list[QueueMessage]:
    """Read as another program would, until so many different ids came."""
    queue = parse_broker_queue(url, prefetch=500)
    source = open_source(queue, resolve_server(queue.server, str), "reader")
    await source.connect()
    found: list[QueueMessage] = []
    async with asyncio.timeout(30):
        while len({message.id for message in found}) < count:
            messages = await source.fetch(500)
            await source.acknowledge(messages)
            found += messages
    await source.close()
    return found


async def all_sent(engine: Engine) -> None:
    async with asyncio.timeout(60):
        while list_outbox_queues(engine.working.store.reader):
            await asyncio.sleep(0.02)


async def test_messages_arrive_as_they_were_sent(broker: BrokerServer, tmp_path):
    """Values as JSON, bytes as bytes, headers as headers, ids as ids; by a broker's name and by a whole address."""
    url = await broker.new_queue()
    server, rest = short(url)
    ids: list[str] = []
    with Registry() as registry:

        @ms.task
        def sends() -> None:
            ids.append(ms.send(f"main/{rest}", {"n": 1}, headers={"x-kind": "order"}))
            ids.append(ms.send(url, b"\x00\xff"))
            ms.send(url, None, key="mine")

    async with World(tmp_path).engine(registry, brokers={"main": server}) as engine:
        await (await engine.start(sends)).result()
        await all_sent(engine)
        # Two names are two queues to the outbox, so only what went by one of them has an order.
        found = {message.id: message for message in await received(url, 3)}
        assert set(found) == {*ids, "mine"}
        assert (found[ids[0]].body, found[ids[0]].headers["x-kind"]) == (b'{"n":1}', "order")
        assert (found[ids[1]].body, found["mine"].body) == (b"\x00\xff", b"null")


async def test_broker_that_is_killed_loses_nothing(broker: BrokerServer, tmp_path):
    """Killed while steps send and started again later, it gets every message, under one id; of steps that fail none."""
    url = await broker.new_queue()
    with Registry() as registry:

        @ms.task
        async def sends(number: int) -> None:
            ms.send(url, {"number": number})

        @ms.task(retry=ms.Retry(attempts=1))
        async def fails(number: int) -> None:
            ms.send(url, {"failed": number})
            raise ms.Permanent("no")

    async with World(tmp_path).engine(registry) as engine:
        handles = []
        for number in range(60):
            handles.append(await engine.start(sends, number))
            if number % 10 == 0:
                await engine.until(await engine.start(fails, number), RunState.FAILED)
            if number == 20:
                broker.kill()
            if number == 40:
                for handle in handles:
                    await handle.result()
                await engine.when(
                    lambda: list_outbox_queues(engine.working.store.reader), lambda queues: queues and queues[0].fault
                )
                broker.start()
        await all_sent(engine)
        found = await received(url, 60)
        bodies = {message.id: message.body for message in found}
        assert sorted(bodies.values()) == sorted(b'{"number":%d}' % number for number in range(60))


async def test_order_of_one_run_is_kept(broker: BrokerServer, tmp_path):
    """What one run sends to one queue arrives in the order in which it was sent."""
    url = await broker.new_queue()
    with Registry() as registry:

        def part(number: int) -> None:
            for letter in "ab":
                ms.send(url, f"{number}{letter}")

        @ms.workflow
        async def parts(run: ms.Run) -> None:
            for number in range(20):
                await run.step(part, number)

    async with World(tmp_path).engine(registry) as engine:
        await (await engine.start(parts)).result()
        found = await received(url, 40)
        assert [message.body.decode() for message in found] == [f'"{number}{x}"' for number in range(20) for x in "ab"]


async def test_message_that_a_broker_refuses_waits_for_a_person(tmp_path):
    """NATS takes no message beyond its max_payload: it stands aside with the reason, and what is behind it goes."""
    nats = start_broker("nats")
    try:
        url = await nats.new_queue()
        with Registry() as registry:

            @ms.task
            def sends() -> None:
                ms.send(url, "x" * 9_000_000)
                ms.send(url, 2)

        async with World(tmp_path).engine(registry, payload_max="16MiB") as engine:
            await (await engine.start(sends)).result()
            await all_sent(engine)
            (refused,) = list_refused_messages(engine.working.store.reader)
            assert "NATS accepts" in str(refused.fault)
            assert [message.body for message in await received(url, 1)] == [b"2"]
    finally:
        nats.remove()


async def test_stream_that_is_not_there_makes_its_queue_wait(tmp_path):
    """A stream that no one made yet: its queue says so and waits; made later, it gets the message."""
    valkey: Any = start_broker("valkey")
    nats: Any = start_broker("nats")
    try:
        url = f"nats://127.0.0.1:{nats.port}/late?subject=late.in"
        with Registry() as registry:

            @ms.task
            def sends() -> None:
                ms.send(url, 1)
                ms.send(f"redis://127.0.0.1:{valkey.port}/0?stream=s", 2)

        async with World(tmp_path).engine(registry) as engine:
            await (await engine.start(sends)).result()
            waiting = await engine.when(
                lambda: list_outbox_queues(engine.working.store.reader),
                lambda queues: len(queues) == 1 and queues[0].fault,
            )
            assert waiting[0].name == url
            client = await nats._client()
            await client.jetstream().add_stream(name="late", subjects=["late.>"])
            await client.close()
            await all_sent(engine)
            assert [message.body for message in await received(url, 1)] == [b"1"]
    finally:
        nats.remove()
        valkey.remove()
