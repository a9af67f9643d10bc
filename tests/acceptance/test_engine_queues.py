"""Where runs wait: priorities, limits of a queue, partition keys, run keys, backlog."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.errors import BusyError, KeyConflictError
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.service import queue
from mainspring.store.commands.automations import SetQueue
from mainspring.testing.clock import FakeClock
from tests.acceptance.engine_world import AT_ONCE, World
from tests.service_calls import call_service

pytestmark = pytest.mark.asyncio


class Blocker:
    """Steps go in one after the other and wait to be let out."""

    def __init__(self) -> None:
        self.entered: list[str] = []
        self.inside = 0
        self.most = 0
        self.open = asyncio.Event()

    async def enter(self, name: str) -> str:
        self.entered.append(name)
        self.inside += 1
        self.most = max(self.most, self.inside)
        try:
            await self.open.wait()
        finally:
            self.inside -= 1
        return name


def gated(blocker: Blocker, **options: Any) -> tuple[Registry, object]:
    with Registry() as registry:

        @ms.workflow(**options)
        async def work(run: ms.Run, name: str) -> str:
            return await run.step(blocker.enter, name)

    return registry, work


async def test_higher_priority_goes_first_and_equals_go_in_order_of_commit(tmp_path):
    """With one place, what waits is taken by priority, then by age."""
    blocker = Blocker()
    registry, work = gated(blocker)
    async with World(tmp_path).engine(registry, WorkerOptions(concurrency=1)) as engine:
        runs = [await engine.start(work, "first")]
        await engine.when(lambda: blocker.entered, bool)
        for name, priority in (("b1", 0), ("b2", 0), ("low", -5), ("high", 5)):
            runs.append(await engine.app.options(priority=priority).start(work, name))
        blocker.open.set()
        for run in runs:
            await run.result(60)
    assert blocker.entered == ["first", "high", "b1", "b2", "low"]


async def test_queue_concurrency_bounds_what_runs_at_once(tmp_path):
    """Over all its runs; a place is given on as soon as one is free."""
    blocker = Blocker()
    registry, work = gated(blocker, queue="narrow")
    async with World(tmp_path).engine(registry, queues=(SetQueue("narrow", concurrency=2),)) as engine:
        runs = [await engine.start(work, str(n)) for n in range(5)]
        await engine.when(lambda: blocker.inside, lambda inside: inside == 2)
        states = [engine.view(run).state for run in runs]
        assert states.count(RunState.QUEUED) == 3
        blocker.open.set()
        for run in runs:
            await run.result(60)
    assert blocker.most == 2


async def test_waiting_run_frees_its_place_in_the_queue(tmp_path):
    """A place is held only while running: a run that waits for a person blocks no one."""
    with Registry() as registry:

        @ms.workflow(queue="narrow")
        async def requests(run: ms.Run) -> str:
            return await run.ask("?")

    async with World(tmp_path).engine(registry, AT_ONCE, queues=(SetQueue("narrow", concurrency=1),)) as engine:
        runs = [await engine.start(requests) for _ in range(3)]
        for run in runs:
            await engine.until(run, RunState.WAITING)
        assert [engine.view(run).state for run in runs] == [RunState.WAITING] * 3


async def test_queue_rate_bounds_starts_per_span(tmp_path):
    """The third of two a minute starts when the span allows it."""
    clock = FakeClock(datetime(2026, 5, 1, tzinfo=UTC))
    blocker = Blocker()
    blocker.open.set()
    registry, work = gated(blocker, queue="slow")
    limited = (SetQueue("slow", rate_count=2, rate_per_ms=60_000),)
    async with World(tmp_path, clock).engine(registry, AT_ONCE, queues=limited) as engine:
        runs = [await engine.start(work, str(n)) for n in range(3)]
        for run in runs[:2]:
            await run.result(60)
        assert await runs[2].status() is RunState.QUEUED
        await engine.pass_time(timedelta(seconds=61))
        await runs[2].result(60)
    assert blocker.entered == ["0", "1", "2"]


async def test_full_backlog_refuses_a_start_and_states_when_to_return(tmp_path):
    """Nothing of the refused start is left."""
    blocker = Blocker()
    registry, work = gated(blocker, queue="small")
    async with World(tmp_path).engine(
        registry, WorkerOptions(concurrency=1), queues=(SetQueue("small", max_backlog=2),)
    ) as engine:
        first = await engine.start(work, "0")
        await engine.when(lambda: blocker.entered, bool)
        waiting = [await engine.start(work, str(n)) for n in (1, 2)]
        with pytest.raises(BusyError) as refused:
            await engine.start(work, "3")
        assert refused.value.retry_after > timedelta(0)
        blocker.open.set()
        for run in (first, *waiting):
            await run.result(60)
    assert blocker.entered == ["0", "1", "2"]


async def test_paused_queue_keeps_its_runs_until_it_is_resumed(tmp_path):
    """They may still be put into it."""
    blocker = Blocker()
    blocker.open.set()
    registry, work = gated(blocker, queue="q")
    async with World(tmp_path).engine(registry, queues=(SetQueue("q"),)) as engine:
        await call_service(engine.app, lambda store, act: queue.pause(store, "q", act=act))
        run = await engine.start(work, "x")
        await engine.change(0.1)
        assert await run.status() is RunState.QUEUED
        await call_service(engine.app, lambda store, act: queue.resume(store, "q", act=act))
        assert await run.result(60) == "x"


async def test_runs_of_one_partition_go_one_after_the_other(tmp_path):
    """In the order of their starts, waiting included; another partition is not held up."""
    order: list[str] = []

    async def note(name: str) -> None:
        order.append(name)

    with Registry() as registry:

        @ms.workflow(partition="{account}")
        async def work(run: ms.Run, account: str, name: str) -> None:
            await run.step(note, f"{name} in")
            await run.receive("go")
            await run.options(name="out").step(note, f"{name} out")

    async with World(tmp_path).engine(registry, AT_ONCE) as engine:
        a1 = await engine.start(work, "a", "a1")
        a2 = await engine.start(work, "a", "a2")
        b1 = await engine.start(work, "b", "b1")
        await engine.until(a1, RunState.WAITING)
        await engine.until(b1, RunState.WAITING)
        assert engine.view(a2).state is RunState.QUEUED
        assert engine.view(a2).blocked == "partition"
        for run in (a1, a2, b1):
            await engine.app.signal(run.id, "go")
            await run.result(60)
    assert [name for name in order if name.startswith("a")] == ["a1 in", "a1 out", "a2 in", "a2 out"]
    assert order.index("b1 in") < order.index("a1 out")


@pytest.mark.parametrize("choice", ["hold", "pass"])
async def test_on_blocked_chooses_whether_a_stuck_run_holds_its_partition(tmp_path, choice):
    """By default order matters more than continuing."""

    async def maybe(name: str) -> str:
        if name == "bad":
            raise ValueError("in doubt")
        return name

    with Registry() as registry:

        @ms.workflow(partition="p", on_blocked=choice)
        async def work(run: ms.Run, name: str) -> str:
            return await run.options(delivery="at_most_once").step(maybe, name)

    async with World(tmp_path).engine(registry) as engine:
        bad = await engine.start(work, "bad")
        await engine.until(bad, RunState.NEEDS_ATTENTION)
        good = await engine.start(work, "good")
        if choice == "pass":
            assert await good.result(60) == "good"
        else:
            await engine.change(0.1)
            assert await good.status() is RunState.QUEUED
            await engine.app.cancel(bad.id)
            assert await good.result(60) == "good"


async def test_same_run_key_finds_the_run_and_another_input_is_refused(tmp_path):
    """PEERS 22: start it three times, it runs once."""
    blocker = Blocker()
    blocker.open.set()
    registry, work = gated(blocker)
    async with World(tmp_path).engine(registry) as engine:
        handles = [await engine.app.options(key="k").start(work, "x") for _ in range(3)]
        assert len({handle.id for handle in handles}) == 1
        assert [handle.created for handle in handles] == [True, False, False]
        assert await handles[2].result(60) == "x"
        with pytest.raises(KeyConflictError):
            await engine.app.options(key="k").start(work, "another")
    assert blocker.entered == ["x"]


@pytest.mark.parametrize("policy", ["reuse", "restart"])
async def test_peer_triggerdev_4819_key_of_a_failed_run_follows_its_policy(tmp_path, policy):
    """PEERS 22: a key bound to a dead run either answers with it or restarts, as was said."""
    calls: list[int] = []

    async def fail_once() -> str:
        calls.append(1)
        if len(calls) == 1:
            raise ms.Permanent("first")
        return "second"

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            return await run.step(fail_once)

    async with World(tmp_path).engine(registry) as engine:
        first = await engine.app.options(key="k").start(work)
        await engine.until(first, RunState.FAILED)
        again = await engine.app.options(key="k", key_policy=policy).start(work)
        assert again.created is (policy == "restart")
        assert (again.id == first.id) is (policy == "reuse")
        if policy == "restart":
            assert await again.result(60) == "second"


async def test_peer_hatchet_666_webhook_delivered_three_times_is_one_run(tmp_path):
    """PEERS 22: with a key template the definition itself guards the door."""
    blocker = Blocker()
    blocker.open.set()
    registry, work = gated(blocker, key="hook-{name}")
    async with World(tmp_path).engine(registry) as engine:
        runs = await asyncio.gather(*[engine.start(work, "d1") for _ in range(3)])
        await runs[0].result(60)
    assert len({run.id for run in runs}) == 1
    assert blocker.entered == ["d1"]


async def test_peer_restate_5196_key_of_a_suspended_run_can_be_seen_and_freed(tmp_path):
    """PEERS 23: what a waiting run holds is on record with its holder, and ends with it."""
    from mainspring.store.read.status.status import blocker

    with Registry() as registry:

        @ms.workflow(partition="p")
        async def work(run: ms.Run) -> None:
            await run.receive("never")

    async with World(tmp_path).engine(registry, AT_ONCE) as engine:
        first = await engine.start(work)
        await engine.until(first, RunState.WAITING)
        second = await engine.start(work)
        facts = blocker(engine.working.store.reader, second.id)
        assert facts.holder == first.id
        assert facts.run.blocked == "partition"
        await engine.app.cancel(first.id)
        await engine.until(second, RunState.WAITING)


async def test_run_with_a_due_time_starts_then(tmp_path):
    """Until then it is queued and holds nothing."""
    clock = FakeClock(datetime(2026, 5, 1, tzinfo=UTC))
    blocker = Blocker()
    blocker.open.set()
    registry, work = gated(blocker)
    async with World(tmp_path, clock).engine(registry) as engine:
        run = await engine.app.options(at=datetime(2026, 5, 1, 1, tzinfo=UTC)).start(work, "x")
        await engine.pass_time(timedelta(minutes=59))
        assert await run.status() is RunState.QUEUED
        await engine.pass_time(timedelta(minutes=1))
        assert await run.result(60) == "x"
