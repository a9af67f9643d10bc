"""Queues with a limit whose runs need different workers: the end of a run wakes the worker that can take the next one."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from typing import Any

import pytest

import mainspring as ms
from mainspring.engine.definitions.registry import Registry
from mainspring.store.commands.automations import SetQueue
from tests.acceptance.test_engine_queues import Blocker
from tests.service_calls import call_service

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(180)]

LONGEST_S = 60.0
NEVER = 10**9


@pytest.fixture(params=["postgres", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """A store whose workers claim at news only: no heartbeat and no regular check on the server comes to their help."""
    monkeypatch.setattr("mainspring.engine.worker.worker._ROUNDS_PER_BEAT", NEVER)
    monkeypatch.setattr("mainspring.store.postgres.change_notifications.POLL_EVERY_S", float(NEVER))
    if request.param == "sqlite":
        return str(tmp_path / "state.db")
    postgres = request.getfixturevalue("postgres")
    monkeypatch.setattr(postgres, "front", None)  # behind a pooler no one is notified of anything
    return str(postgres.new_store())


def narrow(blocker: Blocker, name: str = "work") -> Registry:
    """A task in a queue that runs one at a time."""
    with Registry() as registry:

        @ms.task(name=name, queue="one")
        async def work(label: str) -> str:
            return await blocker.enter(label)

    return registry


@contextlib.asynccontextmanager
async def running(store: str, registry: Registry, *tags: str) -> AsyncIterator[ms.App]:
    """A worker of its own session."""
    app = ms.App(store, registry=registry, tags=tags)
    async with app.running():
        await call_service(app, lambda to, *, act: to.apply(SetQueue("one", concurrency=1)))
        yield app


async def inside(blocker: Blocker, *names: str) -> None:
    """Return once these went in."""
    async with asyncio.timeout(LONGEST_S):
        while not set(names) <= set(blocker.entered):
            await asyncio.sleep(0.01)


async def idle(*apps: ms.App) -> None:
    """Return once no worker of these has anything to claim or to tell."""
    async with asyncio.timeout(LONGEST_S):
        while not all(_is_idle(app._runtime) for app in apps):
            await asyncio.sleep(0.01)


def _is_idle(working: Any) -> bool:
    claims = working.worker.claimer
    return working.store._database.poll_in == math.inf and not claims._may_be_ready and not claims._open_claims


async def test_end_wakes_the_worker_whose_tag_the_next_run_carries(store):
    """Nothing else happens meanwhile that would wake it."""
    blocker = Blocker()
    registry = narrow(blocker)
    async with running(store, registry, "cpu") as cpu, running(store, registry, "gpu") as gpu:
        await cpu.options(tag="gpu").start("work", "first")
        await inside(blocker, "first")
        then = await cpu.options(tag="cpu").start("work", "second")
        await idle(cpu, gpu)
        blocker.open.set()
        assert await then.result(LONGEST_S) == "second"


async def test_end_wakes_the_worker_that_has_loaded_the_next_automation(store):
    """The one that ends has other code."""
    blocker = Blocker()
    async with running(store, narrow(blocker, "one")) as app, running(store, narrow(blocker, "two")) as other:
        await app.start("one", "first")
        await inside(blocker, "first")
        then = await other.start("two", "second")
        await idle(app, other)
        blocker.open.set()
        assert await then.result(LONGEST_S) == "second"


async def test_end_on_a_draining_worker_wakes_another_one(store):
    """It could take the next run, but takes nothing more."""
    blocker = Blocker()
    registry = narrow(blocker)
    async with contextlib.AsyncExitStack() as leaving, running(store, registry) as app:
        drained = await leaving.enter_async_context(running(store, registry, "old"))
        await app.options(tag="old").start("work", "first")
        await inside(blocker, "first")
        then = await app.start("work", "second")
        worker = drained._runtime.worker
        draining = asyncio.create_task(leaving.aclose())
        while not worker.draining:
            await asyncio.sleep(0)
        await idle(app)
        blocker.open.set()
        assert await then.result(LONGEST_S) == "second"
        await draining


async def test_steady_load_of_one_tag_does_not_keep_the_other_waiting(store):
    """Runs go in the order of the queue, no matter who can take them."""
    blocker = Blocker()
    registry = narrow(blocker)
    async with running(store, registry, "cpu") as cpu, running(store, registry, "gpu"):
        on_gpu = cpu.options(tag="gpu")
        await on_gpu.start("work", "first")
        await inside(blocker, "first")
        for n in range(5):
            await on_gpu.start("work", f"before {n}")
        await cpu.options(tag="cpu").start("work", "other")
        last = [await on_gpu.start("work", f"after {n}") for n in range(40)][-1]
        blocker.open.set()
        await last.result(LONGEST_S)
    assert blocker.most == 1
    assert blocker.entered.index("other") < blocker.entered.index("after 20")
