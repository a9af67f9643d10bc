"""Large values in S3: the loop of a worker waits for no network, and no outage of S3 loses or repeats a step."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import mainspring as ms
from mainspring.app.stores.blob_move import move_blobs
from mainspring.app.stores.store_factory import make_store
from mainspring.config.locations import store_url
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.worker_options import WorkerOptions
from tests.acceptance.engine_world import AT_ONCE, REPLAYING, World
from tests.acceptance.sealing_codec import Keystream
from tests.unit.actions.s3.s3_server import BUCKET
from tests.unit.app.test_blob_copies import CLOCK, act
from tests.unit.app.test_blobs_in_s3 import server

__all__ = ["server"]
pytestmark = pytest.mark.asyncio
SIZE = 400_000
SHORT_S = 20


@pytest.fixture(params=["sqlite", "postgres"])
def world(request, tmp_path, server):
    """A world whose store has its blobs in S3."""
    world = World(tmp_path if request.param == "sqlite" else request.getfixturevalue("lent_store"))
    url = world.path if isinstance(world.path, str) else store_url(world.path)
    store = make_store(url, clock=CLOCK)
    store.open()
    store.close()
    move_blobs(
        url,
        f"s3://{BUCKET}/large",
        region="us-east-1",
        endpoint=server.endpoint,
        act=act(),
        clock=CLOCK,
        report=lambda line: None,
    )
    server.requests.clear()
    return world


class RequestHold:
    """Holds the requests of a method at the server until it is opened."""

    def __init__(self, server, method):
        self.opened = threading.Event()
        self.reached = threading.Event()
        self._method = method
        server.fault = self.wait_if_held

    def wait_if_held(self, request):
        if request.startswith(self._method) and "owner" not in request:
            self.reached.set()
            assert self.opened.wait(SHORT_S)


async def make_large() -> str:
    return "m" * SIZE


async def measure(text: str) -> int:
    return len(text)


def declare(registry):
    with registry:

        @ms.workflow
        async def large(run: ms.Run) -> int:
            return await run.step(measure, await run.step(make_large))

        @ms.task
        async def small() -> int:
            return 1

    return large, small


async def test_a_slow_put_delays_no_other_run(world, server):
    """The loop of the worker does not wait for S3."""
    registry = Registry()
    large, small = declare(registry)
    async with world.engine(registry, AT_ONCE) as engine:
        hold = RequestHold(server, "PUT")
        run = await engine.start(large)
        assert await asyncio.to_thread(hold.reached.wait, SHORT_S)
        assert await (await engine.start(small)).result(SHORT_S) == 1
        assert engine.view(run).state is RunState.RUNNING
        hold.opened.set()
        assert await run.result(SHORT_S) == SIZE


async def test_a_slow_read_delays_no_other_run(world, server):
    """The run was unloaded, so its saved result is read when it continues."""
    registry = Registry()
    _, small = declare(registry)
    with registry:

        @ms.workflow
        async def waits(run: ms.Run) -> int:
            text = await run.step(make_large)
            await run.receive("more", within="1h")
            return len(text)

    async with world.engine(registry, REPLAYING) as engine:
        run = await engine.start(waits)
        await engine.until(run, RunState.WAITING)
        hold = RequestHold(server, "GET")
        await run.signal("more")
        assert await asyncio.to_thread(hold.reached.wait, SHORT_S)
        assert await (await engine.start(small)).result(SHORT_S) == 1
        hold.opened.set()
        assert await run.result(SHORT_S) == SIZE


async def test_a_slow_result_of_a_child_delays_no_other_run(world, server):
    """It comes to its parent as a fact, as a signal does."""
    registry = Registry()
    _, small = declare(registry)
    with registry:

        @ms.workflow
        async def child(run: ms.Run) -> str:
            return "c" * SIZE

        @ms.workflow
        async def parent(run: ms.Run) -> int:
            return len(await run.child(child)) + len(await run.receive("more", within="1h", type=str))

    async with world.engine(registry, REPLAYING) as engine:
        hold = RequestHold(server, "GET")
        run = await engine.start(parent)
        assert await asyncio.to_thread(hold.reached.wait, SHORT_S)
        assert await (await engine.start(small)).result(SHORT_S) == 1
        hold.opened.set()
        await run.signal("more", "s" * SIZE)
        assert await run.result(SHORT_S) == 2 * SIZE


@pytest.mark.parametrize("codec", [None, Keystream()], ids=["plain", "sealed"])
async def test_s3_that_is_unreachable_repeats_no_step(world, server, monkeypatch, codec):
    """The value waits in memory, with the later commands of its run; small runs continue."""
    monkeypatch.setattr("mainspring.engine.worker.codec_outage._FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("mainspring.engine.worker.codec_outage._MAX_PAUSE_S", 0.02)
    registry, calls = Registry(), []
    _, small = declare(registry)

    async def fill() -> str:
        calls.append(1)
        return "f" * SIZE

    with registry:

        @ms.workflow
        async def fills(run: ms.Run) -> int:
            texts = await asyncio.gather(*(run.options(key=str(n)).step(fill) for n in range(3)))
            return sum(map(len, texts))

    async with world.engine(registry, AT_ONCE, codec=codec) as engine:
        refused = []

        def refuse(request):
            refused.append(request)
            return 403

        server.fault = refuse
        run = await engine.start(fills)
        await engine.when(lambda: len(refused), lambda count: count > 4)
        if codec is None:  # a worker with a codec claims nothing during an outage
            assert await (await engine.start(small)).result(SHORT_S) == 1
        assert engine.view(run).state is RunState.RUNNING
        server.fault = lambda request: None
        assert await run.result(SHORT_S) == 3 * SIZE
        assert len(calls) == 3


class KeyService:
    """A codec whose service may be away."""

    id = "kms"
    is_unreachable = False

    def encode(self, data):
        if self.is_unreachable:
            raise ConnectionError("no answer")
        return data[::-1]

    decode = encode


async def test_codec_that_is_unreachable_repeats_no_step(world, server, monkeypatch):
    """The bucket answers meanwhile: that ends no outage of the codec, and small values wait too."""
    monkeypatch.setattr("mainspring.engine.worker.codec_outage._FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("mainspring.engine.worker.codec_outage._MAX_PAUSE_S", 0.02)
    registry, codec, calls = Registry(), KeyService(), []

    async def lose_the_codec() -> str:
        calls.append(1)
        codec.is_unreachable = True
        return "small"

    with registry:

        @ms.workflow
        async def loses(run: ms.Run) -> int:
            return len(await run.step(lose_the_codec))

    async with world.engine(registry, AT_ONCE, codec=codec) as engine:
        run = await engine.start(loses)
        await engine.when(lambda: len(calls), bool)
        for _ in range(20):
            await asyncio.sleep(0.01)
        assert engine.view(run).state is RunState.RUNNING
        codec.is_unreachable = False
        assert await run.result(SHORT_S) == 5
        assert calls == [1]


@pytest.mark.parametrize("method", ["PUT", "GET"])
async def test_bucket_that_refuses_one_right_is_one_outage(world, server, monkeypatch, caplog, method):
    """That the bucket can be listed says nothing: the outage ends when the value that waits is stored, or read."""
    monkeypatch.setattr("mainspring.engine.worker.codec_outage._FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("mainspring.engine.worker.codec_outage._MAX_PAUSE_S", 0.02)
    registry = Registry()
    large, _ = declare(registry)
    with registry:

        @ms.workflow
        async def waits(run: ms.Run, text: str) -> int:
            await run.receive("more", within="1h")
            return len(text)

    async with world.engine(registry, REPLAYING) as engine:
        waiting = await engine.start(waits, "t" * SIZE)
        await engine.until(waiting, RunState.WAITING)
        refused = []

        def refuse(request):
            if request.startswith(method) and "list-type" not in request:
                refused.append(request)
                return 403
            return None

        server.fault = refuse
        run = await engine.start(large)
        await waiting.signal("more")
        await engine.when(lambda: len(refused), lambda count: count > 6)
        server.fault = lambda request: None
        assert await run.result(SHORT_S) == SIZE
        assert await waiting.result(SHORT_S) == SIZE
    assert sum("wait for it and continue" in line for line in caplog.messages) == 1


async def test_slow_puts_of_many_runs_delay_no_other_run(world, server):
    """They have threads of their own: the reads of histories and inboxes never queue behind them."""
    registry = Registry()
    large, _ = declare(registry)
    with registry:

        @ms.workflow
        async def waits(run: ms.Run) -> int:
            await run.receive("more", within="1h")
            return 1

    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(5))
    async with world.engine(registry, REPLAYING) as engine:
        waiting = await engine.start(waits)
        await engine.until(waiting, RunState.WAITING)
        hold = RequestHold(server, "PUT")
        runs = [await engine.start(large) for _ in range(8)]
        assert await asyncio.to_thread(hold.reached.wait, SHORT_S)
        await asyncio.sleep(0.5)
        await waiting.signal("more")
        assert await waiting.result(5) == 1
        hold.opened.set()
        for run in runs:
            assert await run.result(60) == SIZE


async def test_worker_claims_no_more_than_it_may_hold_while_s3_is_unreachable(world, server):
    """A run of one step frees its slot while its end is committed, but not while its result waits in memory."""
    registry, calls = Registry(), []
    with registry:

        @ms.task
        async def fill() -> str:
            calls.append(1)
            return "f" * SIZE

    async with world.engine(registry, WorkerOptions(concurrency=4)) as engine:
        server.fault = lambda request: 403
        runs = [await engine.start(fill) for _ in range(30)]
        await engine.when(lambda: len(calls), lambda count: count >= 4)
        await asyncio.sleep(1.5)
        assert len(calls) <= 8
        server.fault = lambda request: None
        for run in runs:
            assert len(await run.result(60)) == SIZE
    assert len(calls) == 30


async def test_read_while_s3_is_unreachable_waits(world, server, monkeypatch):
    """A run that is loaded meanwhile is neither failed nor halted."""
    monkeypatch.setattr("mainspring.engine.worker.codec_outage._FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("mainspring.engine.worker.codec_outage._MAX_PAUSE_S", 0.02)
    registry = Registry()
    with registry:

        @ms.workflow
        async def waits(run: ms.Run, text: str) -> int:
            await run.receive("more", within="1h")
            return len(text)

    async with world.engine(registry, REPLAYING) as engine:
        run = await engine.start(waits, "t" * SIZE)
        await engine.until(run, RunState.WAITING)
        refused = []

        def refuse(request):
            refused.append(request)
            return 403

        server.fault = refuse
        await run.signal("more")
        await engine.when(lambda: len(refused), lambda count: count > 4)
        assert engine.view(run).state is RunState.WAITING or engine.view(run).state is RunState.RUNNING
        server.fault = lambda request: None
        assert await run.result(SHORT_S) == SIZE


async def test_uploads_of_one_run_keep_their_order(world, server):
    """Steps of one run whose values are large and small, all at once: each outcome is saved once."""
    registry, calls = Registry(), []

    async def make(number: int) -> str:
        calls.append(number)
        return str(number) * (SIZE if number % 5 == 0 else 1)

    with registry:

        @ms.workflow
        async def many(run: ms.Run) -> list[int]:
            texts = await asyncio.gather(*(run.options(key=str(n)).step(make, n) for n in range(40)))
            await asyncio.sleep(0.001)
            return [len(text) for text in texts]

    async with world.engine(registry, REPLAYING) as engine:
        lengths = await (await engine.start(many)).result(60)
        assert lengths == [len(str(n)) * (SIZE if n % 5 == 0 else 1) for n in range(40)]
        assert sorted(calls) == list(range(40))
