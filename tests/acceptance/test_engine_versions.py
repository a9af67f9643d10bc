"""Who may continue a run: its name and declared version decide, the text of the code never does."""

from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.store.read.status.status import automations, blocker
from tests.acceptance.engine_world import AT_ONCE, World

pytestmark = pytest.mark.asyncio


def release(number: int, *, renamed: bool = False, extra: bool = False) -> tuple[Registry, object]:
    """Return a release of one workflow that says which one it is."""
    with Registry() as registry:
        options: Any = {"name": "new_name", "was": "work"} if renamed else {"name": "work"}
        if extra:

            @ms.workflow(version=number, **options)
            async def work(run: ms.Run) -> str:
                await run.receive("go")
                return f"other text, version {number}"
        else:

            @ms.workflow(version=number, **options)
            async def work(run: ms.Run) -> str:
                await run.receive("go")
                return f"version {number}"

    return registry, work


async def waiting_run(world: World) -> str:
    registry, work = release(1)
    async with world.engine(registry, AT_ONCE) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.WAITING)
    return run.id


async def test_run_of_another_declared_version_waits_for_a_worker_that_has_it(tmp_path):
    """It is neither broken nor continued by the wrong code; anyone who looks sees that no one has its version."""
    world = World(tmp_path)
    run = await waiting_run(world)
    registry, _ = release(2)
    async with world.engine(registry, AT_ONCE) as engine:
        await engine.app.signal(run, "go")
        await engine.change(0.2)
        assert engine.view(run).state is RunState.WAITING
        facts = blocker(engine.working.store.reader, run)
        assert facts.run.version == 1
        assert [worker.version for worker in facts.workers] == [2]
        old, _ = release(1)
        async with world.engine(old, AT_ONCE):
            view = await engine.until(run, RunState.SUCCEEDED)
    assert view.result == b'"version 1"'


async def test_changed_code_of_the_same_version_continues_the_run(tmp_path):
    """The fingerprint is on record for "what changed" and never gates."""
    world = World(tmp_path)
    run = await waiting_run(world)
    registry, _ = release(1, extra=True)
    async with world.engine(registry, AT_ONCE) as engine:
        await engine.app.signal(run, "go")
        view = await engine.until(run, RunState.SUCCEEDED)
        (automation,) = automations(engine.working.store.reader)
    assert view.result == b'"other text, version 1"'
    assert automation.deploy == 2


async def test_renamed_automation_carries_its_runs_over(tmp_path):
    """`was=` says what it was called."""
    world = World(tmp_path)
    run = await waiting_run(world)
    registry, _ = release(1, renamed=True)
    async with world.engine(registry, AT_ONCE) as engine:
        await engine.app.signal(run, "go")
        view = await engine.until(run, RunState.SUCCEEDED)
    assert (view.automation, view.result) == ("new_name", b'"version 1"')


async def test_run_that_no_worker_knows_is_left_for_one_that_does(tmp_path):
    """A worker without its automation does not touch it."""
    world = World(tmp_path)
    run = await waiting_run(world)
    async with world.engine(Registry(), AT_ONCE) as engine:
        await engine.app.signal(run, "go")
        await engine.change(0.2)
        assert engine.view(run).state is RunState.WAITING
        assert blocker(engine.working.store.reader, run).workers == []


async def test_notes_of_a_run_can_be_read_while_it_is_unloaded(tmp_path):
    """Tags, published state and progress are on its row."""
    import msgspec

    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            run.tag(customer=7)
            run.publish_state({"phase": "waiting"})
            run.progress(3, 10)
            await run.receive("go")

    async with World(tmp_path).engine(registry, AT_ONCE) as engine:
        view = await engine.until(await engine.start(work), RunState.WAITING)
    assert msgspec.json.decode(view.tags) == {"customer": "7"}
    assert msgspec.json.decode(view.published) == {"phase": "waiting"}
    assert msgspec.json.decode(view.progress) == [3, 10]


async def test_uuid_random_and_now_are_the_same_in_each_replay(tmp_path):
    """They cost no commit and never differ."""
    from tests.acceptance.engine_world import REPLAYING

    seen: list[tuple[str, float, str]] = []
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> int:
            seen.append((str(run.uuid()), run.random(), run.now().isoformat()))
            await run.receive("go")
            return 1

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.WAITING)
        await engine.app.signal(run.id, "go")
        await run.result(60)
        assert len(engine.history(run).outcomes) == 1
    assert len(seen) == 2
    assert seen[0] == seen[1]
