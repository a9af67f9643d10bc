"""How a run meets what it has behind it: replay, drift, generations, what is no longer asked for, unloading."""

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

import mainspring as ms
from mainspring.domain.states import FailureReason, RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.service.runs import run_recovery
from tests.acceptance.engine_world import REPLAYING, World

pytestmark = pytest.mark.asyncio


@dataclass
class Order:
    """An input that may change."""

    number: int


class Calls:
    """Counts calls by name; remembers keys."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.keys: list[str] = []

    async def work(self, name: str) -> str:
        self.names.append(name)
        self.keys.append(ms.idempotency_key())
        return name.upper()


def version(calls: Calls, *names: str, inputs: dict[str, str] | None = None) -> tuple[Registry, object]:
    """Return a release of a workflow: steps of these names, then a wait for a signal."""
    with Registry() as registry:

        @ms.workflow(name="shop")
        async def shop(run: ms.Run) -> str:
            done = [await run.options(name=n).step(calls.work, (inputs or {}).get(n, n)) for n in names]
            return "".join(done) + await run.receive("go", str)

    return registry, shop


async def moved_on(world: World, calls: Calls, before: tuple[str, ...]) -> str:
    """Let a first release wait for its signal, then go away."""
    registry, shop = version(calls, *before)
    async with world.engine(registry) as engine:
        run = await engine.start(shop)
        await engine.until(run, RunState.WAITING)
    return run.id


async def test_suspended_run_continues_without_replay_and_an_unloaded_one_replays(tmp_path):
    """With no room to park, the body restarts and is handed its history; no step is called again."""
    for number, (settings, entries) in enumerate(((None, 1), (REPLAYING, 2))):
        calls, entered = Calls(), []
        with Registry() as registry:

            @ms.workflow
            async def work(run: ms.Run) -> str:
                entered.append(1)  # noqa: B023
                first = await run.step(calls.work, "a")  # noqa: B023
                return first + await run.receive("go", str)

        folder = tmp_path / str(number)
        folder.mkdir()
        async with World(folder).engine(registry, settings) as engine:
            run = await engine.start(work)
            await engine.until(run, RunState.WAITING)
            await engine.app.signal(run.id, "go", "!")
            assert await run.result(60) == "A!"
        assert len(entered) == entries
        assert calls.names == ["a"]


async def test_steps_may_be_added_and_moved_while_a_run_is_in_flight(tmp_path):
    """PEERS 16: identity is a name, not a position."""
    world, calls = World(tmp_path), Calls()
    run = await moved_on(world, calls, ("a", "b"))
    registry, _ = version(calls, "b", "new", "a")
    async with world.engine(registry) as engine:
        await engine.app.signal(run, "go", "!")
        view = await engine.until(run, RunState.SUCCEEDED)
    assert view.result == b'"BNEWA!"'
    assert calls.names == ["a", "b", "new"]


async def test_peer_temporal_516_saved_step_with_another_input_needs_attention_with_a_diff(tmp_path):
    """PEERS 16: drift is a stop that shows what differs, never a hang and never a wrong answer."""
    world, calls = World(tmp_path), Calls()
    run = await moved_on(world, calls, ("a", "b"))
    registry, _ = version(calls, "a", "b", inputs={"b": "changed"})
    async with world.engine(registry) as engine:
        await engine.app.signal(run, "go", "!")
        view = await engine.until(run, RunState.NEEDS_ATTENTION)
    assert view.reason == FailureReason.DRIFT
    assert view.failed_ident == "b#1"
    assert view.failure is not None
    (change,) = view.failure.data
    assert (change["path"], change["was"], change["now"]) == ("$.name", '"b"', '"changed"')
    assert calls.names == ["a", "b"]


async def test_accepted_drift_keeps_the_saved_result(tmp_path):
    """The step is not called again; the run continues."""
    world, calls = World(tmp_path), Calls()
    run = await moved_on(world, calls, ("a", "b"))
    registry, _ = version(calls, "a", "b", inputs={"b": "changed"})
    async with world.engine(registry) as engine:
        await engine.app.signal(run, "go", "!")
        await engine.until(run, RunState.NEEDS_ATTENTION)
        await engine.act(run_recovery.accept_drift, run)
        view = await engine.until(run, RunState.SUCCEEDED)
    assert view.result == b'"AB!"'
    assert calls.names == ["a", "b"]


async def test_drifted_step_can_be_run_again_with_its_new_input(tmp_path):
    """It runs in a new generation, under another key."""
    world, calls = World(tmp_path), Calls()
    run = await moved_on(world, calls, ("a", "b"))
    registry, _ = version(calls, "a", "b", inputs={"b": "changed"})
    async with world.engine(registry) as engine:
        await engine.app.signal(run, "go", "!")
        await engine.until(run, RunState.NEEDS_ATTENTION)
        await engine.act(run_recovery.run_again, run)
        view = await engine.until(run, RunState.SUCCEEDED, RunState.WAITING)
        if view.state is RunState.WAITING:  # the signal was asked for after the step: superseded with it
            await engine.app.signal(run, "go", "!")
            view = await engine.until(run, RunState.SUCCEEDED)
    assert view.result == b'"ACHANGED!"'
    assert calls.names == ["a", "b", "changed"]
    assert len(set(calls.keys)) == 3


async def test_new_field_with_a_default_is_no_drift(tmp_path):
    """Inputs are compared after the saved one was read by today's type."""
    world = World(tmp_path)

    @dataclass
    class Wider:
        number: int
        colour: str = "red"

    async def ship_old(order: Order) -> int:
        return order.number

    async def ship_new(order: Wider) -> int:
        return order.number

    def release(step, make):
        with Registry() as registry:

            @ms.workflow(name="ship")
            async def ship(run: ms.Run) -> int:
                number = await run.options(name="ship").step(step, make(7))
                await run.receive("go")
                return number

        return registry, ship

    registry, ship = release(ship_old, Order)
    async with world.engine(registry) as engine:
        run = await engine.start(ship)
        await engine.until(run, RunState.WAITING)
    registry, _ = release(ship_new, Wider)
    async with world.engine(registry) as engine:
        await engine.app.signal(run.id, "go")
        assert (await engine.until(run.id, RunState.SUCCEEDED, RunState.NEEDS_ATTENTION)).state is RunState.SUCCEEDED


async def test_outcomes_that_new_code_no_longer_requests_are_listed_on_the_run(tmp_path):
    """They are no error, but no one should have to guess."""
    world, calls = World(tmp_path), Calls()
    run = await moved_on(world, calls, ("a", "b", "c"))
    registry, _ = version(calls, "a")
    async with world.engine(registry) as engine:
        await engine.app.signal(run, "go", "!")
        view = await engine.until(run, RunState.SUCCEEDED)
    assert msgspec.json.decode(view.detail)["unasked"] == ["b#1", "c#1"]


async def test_run_continued_from_a_step_opens_a_generation(tmp_path):
    """What was asked for from there on is superseded, listed and kept; keys are new, what came before stays."""
    calls, fail = Calls(), True

    async def last() -> str:
        if fail:
            raise ms.Permanent("no")
        return "!"

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            done = [await run.options(name=n).step(calls.work, n) for n in ("a", "b")]
            return "".join(done) + await run.step(last)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.FAILED)
        fail = False
        await engine.act(run_recovery.retry_from, run.id, "b")
        view = await engine.until(run, RunState.SUCCEEDED)
        history = engine.history(run)
    assert calls.names == ["a", "b", "b"]
    assert calls.keys[1] != calls.keys[2]
    assert view.generation == 1
    superseded = [(o.ident, o.superseded) for o in history.outcomes if o.superseded is not None]
    assert superseded == [("b#1", 1), ("last#1", 1)]
    assert [o.ident for o in history.outcomes if o.superseded is None] == ["a#1", "b#1", "last#1"]


async def test_unloading_runs_neither_finally_nor_async_with(tmp_path):
    """A body that is put away writes nothing, calls nothing, and is not cancelled as far as its run is concerned."""
    calls = Calls()
    seen: list[str] = []

    class Held:
        run: Any = None

        async def __aenter__(self) -> None:
            return None

        async def __aexit__(self, *_: object) -> None:
            await self.run.step(calls.work, "exit")
            seen.append("exit done")

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            held = Held()
            held.run = run  # type: ignore[attr-defined]
            try:
                async with held:
                    return await run.receive("go", str)
            finally:
                await run.step(calls.work, "finally")
                seen.append("finally done")

    world = World(tmp_path)
    async with world.engine(registry, REPLAYING) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.WAITING)
        await engine.when(lambda: engine.working.worker.active, lambda active: active == 0)
        assert calls.names == []
        assert engine.history(run).outcomes == []
        await engine.app.signal(run.id, "go", "!")
        assert await run.result(60) == "!"
    assert calls.names == ["exit", "finally"]
    assert seen == ["exit done", "finally done"]


async def test_one_name_used_twice_in_a_branch_is_a_hint_on_the_run(tmp_path):
    """It works by counting; a key would survive changes of the code."""
    calls = Calls()
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await run.step(calls.work, "a")
            await run.step(calls.work, "b")
            await run.receive("go")

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.WAITING)
        assert msgspec.json.decode(engine.view(run).detail)["hints"] == ["work"]
        await engine.app.signal(run.id, "go")
        await run.result(60)
        assert msgspec.json.decode(engine.view(run).detail)["hints"] == ["work"]


async def test_many_waiting_runs_keep_only_so_many_bodies(tmp_path):
    """The longest parked are put away; all of them still continue."""
    from mainspring.engine.worker.worker_options import WorkerOptions

    entered: list[str] = []
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run, n: int) -> int:
            entered.append(run.id)
            await run.receive("go")
            return n

    async with World(tmp_path).engine(registry, WorkerOptions(max_suspended=2, suspend_after_ms=0)) as engine:
        runs = [await engine.start(work, n) for n in range(5)]
        for run in runs:
            await engine.until(run, RunState.WAITING)
        await engine.when(lambda: engine.working.worker.active, lambda active: active == 0)
        for run in runs:
            await engine.app.signal(run.id, "go")
        assert await asyncio.gather(*[run.result(60) for run in runs]) == list(range(5))
    assert 5 < len(entered) <= 10


async def test_peer_temporal_450_body_may_use_pathlib_environ_and_warnings(tmp_path):
    """PEERS 17: there is no sandbox; plain Python in a body works and replays."""
    import os
    import warnings
    from pathlib import Path

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                warnings.warn("old", DeprecationWarning, stacklevel=1)
            place = Path(os.environ.get("HOME", "/")) / "x"
            await run.receive("go")
            return place.name

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.WAITING)
        await engine.app.signal(run.id, "go")
        assert await run.result(60) == "x"


async def test_from_step_runs_again_what_was_abandoned_because_of_it(tmp_path):
    """A step that was cancelled because its neighbour failed has no result: it is done then, not answered with nothing."""
    broken, calls = True, []
    keys: dict[str, list[str]] = {"slow": [], "fast": []}
    started = asyncio.Event()

    async def slow() -> str:
        calls.append("slow")
        keys["slow"].append(ms.idempotency_key())
        started.set()
        if broken:
            await asyncio.Event().wait()
        return "slow is done"

    async def fast() -> str:
        await started.wait()
        keys["fast"].append(ms.idempotency_key())
        if broken:
            raise ms.Permanent("no")
        return "fast is done"

    async def clean_up() -> None:
        calls.append("clean up")

    with Registry() as registry:

        @ms.workflow
        async def pair(run: ms.Run) -> list[str]:
            try:
                async with asyncio.TaskGroup() as group:
                    first, second = group.create_task(run.step(slow)), group.create_task(run.step(fast))
            except* ms.StepFailed:
                await run.step(clean_up)
                raise
            return [first.result(), second.result()]

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(pair)
        await engine.until(run, RunState.FAILED)
        broken = False
        await engine.act(run_recovery.retry_from, run.id, "fast")
        await engine.until(run, RunState.SUCCEEDED)
        assert await run.result() == ["slow is done", "fast is done"]
    assert calls == ["slow", "clean up", "slow"]
    # What was asked for before the chosen step is no part of the new generation: the called one must recognise the second call.
    assert len(set(keys["slow"])) == 1
    assert len(set(keys["fast"])) == 2
