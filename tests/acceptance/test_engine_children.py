"""Other runs: children and their ends, fan-out, spread steps, runs that restart."""

import asyncio

import msgspec
import pytest

import mainspring as ms
from mainspring.domain.rollouts.rollout import InFlightPolicy
from mainspring.domain.states import RolloutMove, RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.store.commands.rollouts import MoveRollout, StartRollout
from mainspring.store.commit_and_wait import commit_and_wait
from tests.acceptance import engine_steps
from tests.acceptance.engine_world import AT_ONCE, REPLAYING, World

pytestmark = pytest.mark.asyncio


async def test_child_gives_its_result_to_its_parent_also_after_unloading(tmp_path):
    """The parent waits as a row and continues when the child ends."""
    with Registry() as registry:

        @ms.workflow
        async def child(run: ms.Run, n: int) -> int:
            return n + await run.receive("n", int)

        @ms.workflow
        async def parent(run: ms.Run) -> int:
            return await run.child(child, 1) * 10

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(parent)
        (kid,) = await engine.when(lambda: engine.history(run).children, bool)
        await engine.until(kid.id, RunState.WAITING)
        assert await run.status() is RunState.WAITING
        await engine.app.signal(kid.id, "n", 2)
        assert await run.result(60) == 30


async def test_child_may_be_named_by_its_name(tmp_path):
    """It is one of those that were loaded with its parent, wherever in the body it is asked for."""
    with Registry() as registry:

        @ms.workflow
        async def child(run: ms.Run, n: int) -> int:
            return n

        @ms.workflow
        async def parent(run: ms.Run) -> list[int]:
            async def in_a_task(n: int) -> int:
                return await run.child("child", n)

            await asyncio.sleep(0.01)
            return await asyncio.gather(run.child("child", 1), in_a_task(2))

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        assert await (await engine.start(parent)).result(60) == [1, 2]


async def test_child_by_name_takes_the_arguments_of_any_version(tmp_path):
    """The body cannot know the version in force. The old version ignores an argument that only the new one has."""
    with Registry() as registry:

        @ms.workflow(name="child")
        async def child(run: ms.Run, n: int) -> int:
            return n

        @ms.workflow(name="child", version=2, rollout=True)
        async def new_child(run: ms.Run, n: int, more: int = 0) -> int:
            return n + more

        @ms.workflow
        async def parent(run: ms.Run) -> list[int]:
            started = await run.start("child", 1, more=20)
            assert started.created
            return [await run.child("child", 1, more=20), await run.child("child", 1)]

        @ms.workflow
        async def misspelled(run: ms.Run) -> int:
            return await run.child("child", 1, most=2)

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        old = await engine.start(parent)
        assert await old.result(60) == [1, 1]
        rollout = StartRollout(
            automation="child", new_version=2, steps=(1_000_000,), hold_ms=1_000, in_flight=InFlightPolicy.FINISH,
            age_ms=1_000, margin=50_000,
        )  # fmt: skip
        store = await engine.app.opened_store()
        await commit_and_wait(store, rollout)
        await commit_and_wait(store, MoveRollout(automation="child", move=RolloutMove.FINISH))
        new = await engine.start(parent)
        assert await new.result(60) == [21, 1]
        with pytest.raises(ms.RunFailed, match="most"):
            await (await engine.start(misspelled)).result(60)


async def test_failed_child_is_an_error_where_it_was_awaited(tmp_path):
    """The parent sees the child's own failure and may continue."""
    with Registry() as registry:

        @ms.workflow
        async def child(run: ms.Run) -> None:
            raise ms.Permanent("broken leg", hint="rest")

        @ms.workflow
        async def parent(run: ms.Run) -> str:
            try:
                await run.child(child)
            except ms.StepFailed as error:
                return error.failure.message
            return "?"

    async with World(tmp_path).engine(registry) as engine:
        assert "broken leg" in await (await engine.start(parent)).result(60)


@pytest.mark.parametrize("close", ["cancel", "keep"])
async def test_close_policy_states_what_the_parents_end_does_to_a_child(tmp_path, close):
    """Cancelled with it by default; kept, it lives on."""
    with Registry() as registry:

        @ms.workflow
        async def child(run: ms.Run) -> str:
            return await run.receive("go", str)

        @ms.workflow
        async def parent(run: ms.Run) -> None:
            await run.options(close=close).child(child)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(parent)
        (kid,) = await engine.when(lambda: engine.history(run).children, bool)
        await engine.until(kid.id, RunState.WAITING)
        await engine.app.cancel(run.id)
        await engine.until(run, RunState.CANCELLED)
        if close == "cancel":
            await engine.until(kid.id, RunState.CANCELLED)
        else:
            await engine.app.signal(kid.id, "go", "alone")
            assert (await engine.until(kid.id, RunState.SUCCEEDED)).result == b'"alone"'


async def test_invalid_close_policy_is_refused_where_it_is_stated(tmp_path):
    """A word that is not known would be taken for "keep" when the parent ends."""
    with Registry() as registry:

        @ms.workflow
        async def parent(run: ms.Run) -> None:
            await run.options(close="abandon").child(parent)  # type: ignore[arg-type]

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(parent), RunState.FAILED)
    assert "close='abandon' is not valid" in view.failure.message
    assert 'close="keep"' in view.failure.hint


async def test_child_with_a_run_key_is_shared_by_two_parents(tmp_path):
    """One child, two results."""
    made: list[str] = []

    async def make() -> str:
        made.append("x")
        return "made"

    with Registry() as registry:

        @ms.workflow
        async def child(run: ms.Run) -> str:
            await run.receive("go")
            return await run.step(make)

        @ms.workflow
        async def parent(run: ms.Run) -> str:
            return await run.options(run_key="one").child(child)

    async with World(tmp_path).engine(registry) as engine:
        runs = [await engine.start(parent) for _ in range(2)]
        (kid,) = await engine.when(lambda: engine.history(runs[0]).children or engine.history(runs[1]).children, bool)
        for run in (*runs, kid.id):
            await engine.until(run, RunState.WAITING)
        await engine.app.signal(kid.id, "go")
        assert await asyncio.gather(*[run.result(60) for run in runs]) == ["made", "made"]
    assert made == ["x"]


async def test_map_keeps_the_order_and_its_window(tmp_path):
    """Results stand where their items stood; never more than `concurrency` at once."""
    inside = most = 0

    async def work(n: int) -> int:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        return n * n

    with Registry() as registry:

        @ms.workflow
        async def fan(run: ms.Run) -> list[int]:
            return await run.map(work, range(30), concurrency=4)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(fan)
        assert await run.result(60) == [n * n for n in range(30)]
        assert msgspec.json.decode(engine.view(run).progress) == [30, 30]
    assert most <= 4


async def test_map_that_collects_marks_failed_items_and_finishes_the_rest(tmp_path):
    """A failed item's place holds an `ItemFailed` with its index."""
    with Registry() as registry:

        @ms.workflow
        async def fan(run: ms.Run) -> list[str]:
            found = await run.map(engine_steps.double, [1, -2, 3], on_error="collect")
            return [f"{r.index}:{r.failure.message}" if isinstance(r, ms.ItemFailed) else str(r) for r in found]

    async with World(tmp_path).engine(registry) as engine:
        assert await (await engine.start(fan)).result(60) == ["2", "1:-2 is negative", "6"]


async def test_map_that_stops_fails_with_the_first_bad_item(tmp_path):
    """The message names the item; items that were not begun are not begun."""
    started: list[int] = []

    async def work(n: int) -> int:
        started.append(n)
        if n == 1:
            raise ms.Permanent("bad")
        return n

    with Registry() as registry:

        @ms.workflow
        async def fan(run: ms.Run) -> list[int]:
            return await run.map(work, range(50), concurrency=1)

    async with World(tmp_path).engine(registry) as engine:
        view = await engine.until(await engine.start(fan), RunState.FAILED)
    assert started == [0, 1]
    assert view.failed_ident == "work#1[1]"


async def test_spread_items_are_runs_of_their_own(tmp_path):
    """Any worker may take one; the parent gets results and failures as from its own steps."""
    with Registry() as registry:

        @ms.workflow
        async def fan(run: ms.Run) -> list[int]:
            found = await run.map(engine_steps.double, [1, -2, 3], spread=True, on_error="collect")
            return [-1 if isinstance(r, ms.ItemFailed) else r for r in found]

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(fan)
        assert await run.result(60) == [2, -1, 6]
        kids = engine.history(run).children
    assert sorted(kid.state for kid in kids) == [RunState.FAILED, RunState.SUCCEEDED, RunState.SUCCEEDED]
    assert {kid.kind for kid in kids} == {"step"}


async def test_step_with_a_tag_waits_for_a_worker_that_carries_it(tmp_path):
    """The owner's own worker leaves it alone."""
    world = World(tmp_path)
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> int:
            return await run.options(tag="gpu").step(engine_steps.double, 4)

    async with world.engine(registry) as engine:
        run = await engine.start(work)
        (kid,) = await engine.when(lambda: engine.history(run).children, bool)
        await engine.until(run, RunState.WAITING)
        assert engine.view(kid.id).state is RunState.QUEUED
        async with world.engine(registry, WorkerOptions(tags=("gpu",))):
            assert await run.result(60) == 8


async def test_endless_run_restarts_under_its_key_and_its_parent_gets_the_last_result(tmp_path):
    """Each go is a run of its own with a short journal; key and parent move along."""
    with Registry() as registry:

        @ms.workflow
        async def poll(run: ms.Run, n: int) -> int:
            await run.step(engine_steps.double, n)
            if n < 4:
                run.restart(n + 1)
            return n

        @ms.workflow
        async def parent(run: ms.Run) -> int:
            return await run.options(run_key="poller").child(poll, 0)

    async with World(tmp_path).engine(registry, AT_ONCE) as engine:
        assert await (await engine.start(parent)).result(60) == 4
        handle = await engine.app.options(key="other").start(poll, 2)
        assert await handle.result(60) == 4
        polls = engine.reads.list_runs(name="poll").runs
    assert len(polls) == 8
    assert all(r.state is RunState.SUCCEEDED for r in polls)


async def test_as_completed_yields_in_the_order_of_ends(tmp_path):
    """Chosen by rank, so a replay sees the same order."""
    blockers = {name: asyncio.Event() for name in "abc"}

    async def work(name: str) -> str:
        await blockers[name].wait()
        return name

    with Registry() as registry:

        @ms.workflow
        async def race(run: ms.Run) -> str:
            seen = ""
            async for name in run.as_completed([run.options(key=n).step(work, n) for n in "abc"]):
                seen += name
            await run.receive("go")
            return seen

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(race)
        for number, name in enumerate("cab", start=1):
            blockers[name].set()
            await engine.when(lambda: len(engine.history(run).outcomes), lambda n, want=number: n == want)
        await engine.until(run, RunState.WAITING)
        await engine.app.signal(run.id, "go")
        assert await run.result(60) == "cab"


async def test_child_that_is_abandoned_is_cancelled_while_its_parent_continues(tmp_path):
    """`asyncio.timeout` around a child ends the child as well."""
    with Registry() as registry:

        @ms.workflow
        async def child(run: ms.Run) -> None:
            await run.receive("never")

        @ms.workflow
        async def parent(run: ms.Run) -> str:
            try:
                async with asyncio.timeout(0.02):
                    await run.child(child)
            except TimeoutError:
                return await run.receive("go", str)
            return "?"

    async with World(tmp_path).engine(registry, AT_ONCE) as engine:
        run = await engine.start(parent)
        (kid,) = await engine.when(lambda: engine.history(run).children, bool)
        await engine.until(kid.id, RunState.CANCELLED)
        await engine.app.signal(run.id, "go", "on")
        assert await run.result(60) == "on"


async def test_child_that_restarted_is_cancelled_when_it_is_abandoned(tmp_path):
    """Not the run that ended long ago, but the one that continues for it."""
    with Registry() as registry:

        @ms.workflow
        async def poll(run: ms.Run, n: int) -> None:
            if n < 2:
                run.restart(n + 1)
            await run.receive("never")

        @ms.workflow
        async def parent(run: ms.Run) -> str:
            child = asyncio.ensure_future(run.child(poll, 0))
            await run.receive("enough")
            child.cancel()
            return await run.receive("go", str)

    async with World(tmp_path).engine(registry, AT_ONCE) as engine:
        run = await engine.start(parent)
        polls = await engine.when(
            lambda: engine.reads.list_runs(name="poll").runs,
            lambda found: len(found) == 3 and found[0].state is RunState.WAITING,
        )
        await engine.app.signal(run.id, "enough")
        await engine.until(polls[0].id, RunState.CANCELLED)
        await engine.app.signal(run.id, "go", "on")
        assert await run.result(60) == "on"


async def test_spread_items_are_cancelled_with_their_parent(tmp_path):
    """No one waits for their results any more."""
    with Registry() as registry:

        @ms.workflow
        async def fan(run: ms.Run) -> None:
            await run.options(tag="nobody").map(engine_steps.double, [1, 2])

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(fan)
        kids = await engine.when(lambda: engine.history(run).children, lambda found: len(found) == 2)
        await engine.app.cancel(run.id)
        await engine.until(run, RunState.CANCELLED)
        ended = [await engine.until(kid.id, RunState.CANCELLED) for kid in kids]
        assert [kid.state for kid in ended] == [RunState.CANCELLED] * 2
