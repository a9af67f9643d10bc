"""Policies of run keys through an app: joined, replaced and repeated starts, with real cleanup."""

import asyncio
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.errors import KeyConflictError, OptionError
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from tests.acceptance.engine_world import REPLAYING, World

pytestmark = pytest.mark.asyncio


async def note(text: str) -> str:
    return text


def build() -> tuple[Registry, Any]:
    with Registry() as registry:

        @ms.workflow(name="sync")
        async def sync(run: ms.Run, n: int) -> int:
            try:
                return n + await run.receive("n", int)
            finally:
                await run.step(note, "cleaned")
                await run.receive("cleaned", within="1h")

    return registry, sync


async def test_replace_lets_the_first_run_clean_up_before_the_new_one_begins(tmp_path):
    """The new run is queued with a reason; the first one ends with its cleanup; then the new one begins."""
    registry, sync = build()
    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        first = await engine.app.options(key="k").start(sync, 1)
        await engine.until(first, RunState.WAITING)
        second = await engine.app.options(key="k", key_policy="replace").start(sync, 2)
        await engine.when(lambda: [o.name for o in engine.history(first).outcomes], lambda names: "note" in names)
        assert await second.status() is RunState.QUEUED
        assert f"It begins after the end of run {first.id}" in "".join(engine.explain(second).why)
        await engine.app.signal(first.id, "cleaned")
        await engine.until(first, RunState.CANCELLED)
        await engine.until(second, RunState.WAITING)
        await engine.app.signal(second.id, "n", 5)
        await engine.app.signal(second.id, "cleaned")
        assert await second.result(60) == 7


async def test_one_live_run_is_joined(tmp_path):
    """The same input gets the live run, another one an error or, on request, the live run; after the end a new one begins."""
    registry, sync = build()
    async with World(tmp_path).engine(registry) as engine:
        live = engine.app.options(key="k", key_policy="one_live")
        first = await live.start(sync, 1)
        again = await live.start(sync, 1)
        assert (again.id, again.created) == (first.id, False)
        with pytest.raises(KeyConflictError):
            await live.start(sync, 2)
        joined = await engine.app.options(key="k", key_policy="one_live", join="any").start(sync, 2)
        assert joined.id == first.id
        for name in ("n", "cleaned"):
            await engine.app.signal(first.id, name, 1)
        assert await first.result(60) == 2
        assert (await live.start(sync, 2)).created


async def test_repeated_request_gets_its_run_also_after_the_end(tmp_path):
    """A caller that lost its answer never starts a second run."""
    registry, sync = build()
    async with World(tmp_path).engine(registry) as engine:
        request = engine.app.options(key="k", key_policy="one_live", request_id="req-1")
        first = await request.start(sync, 1)
        for name in ("n", "cleaned"):
            await engine.app.signal(first.id, name, 1)
        assert await first.result(60) == 2
        assert (await request.start(sync, 1)).id == first.id
        assert await asyncio.wait_for((await request.start(sync, 1)).result(), 60) == 2


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"key": "k", "key_policy": "newest"}, "key policy 'newest' does not exist"),
        ({"key_policy": "one_live"}, "has no effect without a key"),
        ({"key": "k", "join": "any"}, 'join="any" has no effect on key_policy="reuse"'),
        ({"key": "k", "key_policy": "one_live", "join": "some"}, "join='some' is not valid"),
        ({"request_id": "a\nb"}, "request_id='a\\\\nb' cannot be used"),
    ],
)
async def test_options_that_cannot_work_are_errors(tmp_path, options, fault):
    """Each names the option and its fix."""
    registry, sync = build()
    async with World(tmp_path).engine(registry) as engine:
        with pytest.raises(OptionError, match=fault) as refused:
            await engine.app.options(**options).start(sync, 1)
        assert refused.value.hint
