"""What becomes due is looked at, no matter who said so and whatever news of it was lost."""

import datetime
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.service.runs import run
from tests.acceptance.engine_world import World
from tests.service_calls import call_service

pytestmark = pytest.mark.asyncio
SHORT_WAIT = datetime.timedelta(milliseconds=700)


def _program() -> tuple[Registry, Any]:
    with Registry() as registry:

        @ms.workflow
        async def once(run: ms.Run) -> int:
            return 1

    return registry, once


async def test_a_start_for_later_made_by_the_working_process_itself_is_started_when_it_is_due(tmp_path):
    """Promise 4: app.options(at=...).start(...) inside app.running(), with nothing else continuing."""
    registry, workflow = _program()
    app = ms.App(tmp_path / "state.db", registry=registry)
    async with app.running():
        handle = await app.options(at=datetime.datetime.now(datetime.UTC) + SHORT_WAIT).start(workflow)
        assert await handle.result(timeout=60) == 1
        view = await handle.view()
    assert view.started_at - view.created_at >= datetime.timedelta(milliseconds=500)


async def test_a_retry_for_later_made_by_the_working_process_itself_is_started_when_it_is_due(tmp_path):
    """The same holds for a run that is continued at an instant to come."""
    failing = [True]
    with Registry() as registry:

        @ms.workflow
        async def once(run: ms.Run) -> int:
            if failing:
                raise ms.Permanent("not yet")
            return 1

    async with World(tmp_path).engine(registry) as engine:
        handle = await engine.start(once)
        await engine.until(handle, RunState.FAILED)
        failing.clear()
        due_at = engine.app.clock.now() + 700
        await call_service(engine.app, lambda store, act: run.retry(store, handle.id, act=act, due_at=due_at))
        view = await engine.until(handle, RunState.SUCCEEDED)
    assert view.finished_at >= due_at


async def test_the_scan_finds_what_is_due_though_no_news_of_it_ever_came(tmp_path):
    """Recovery is a steady scan: a worker whose timer and news are lost begins a due run all the same."""
    registry, workflow = _program()
    async with World(tmp_path).engine(registry) as engine:
        first = await engine.start(workflow)
        await engine.until(first, RunState.SUCCEEDED)
        engine.working.worker.changed = lambda changes: None
        engine.working.worker.claimer.plan = lambda due_at: None
        later = await engine.app.options(at=datetime.datetime.now(datetime.UTC) + SHORT_WAIT).start(workflow)
        now = await engine.start(workflow)
        assert await now.result(timeout=60) == await later.result(timeout=10) == 1
