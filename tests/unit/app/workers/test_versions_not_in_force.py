"""A worker says which of the versions in its code take no run, although their author may expect it."""

import pytest

import mainspring as ms
from mainspring.app.workers.worker_runtime import WorkerRuntime
from mainspring.domain.clock import SystemClock
from mainspring.domain.states import RolloutMove
from mainspring.engine.definitions.registry import Registry
from mainspring.service.actor import Actor, operation_context
from mainspring.service.rollout import RolloutPlan, move_rollout, start_rollout

pytestmark = pytest.mark.asyncio


def declare(*, is_candidate):
    with Registry() as registry:

        @ms.task(name="tidy", version=1)
        def old() -> None: ...

        if is_candidate:

            @ms.task(name="tidy", version=2, rollout=True)
            def new() -> None: ...

    return registry


async def start_worker(path, registry):
    worker = WorkerRuntime(path, registry)
    await worker.open()
    return worker


async def test_only_candidate_is_reported(tmp_path, caplog):
    """It has no schedule and no trigger, and no list shows it."""
    with Registry() as registry:

        @ms.task(name="lonely", rollout=True, every="1h")
        def lonely() -> None: ...

    worker = await start_worker(tmp_path / "state.db", registry)
    await worker.close()
    assert "version 1 of lonely waits for a rollout, and no other version is in force: nothing starts it" in caplog.text
    assert "Remove rollout=True" in caplog.text


async def test_candidate_next_to_a_version_in_force_is_not_reported(tmp_path, caplog):
    """It waits for its rollout as it should."""
    worker = await start_worker(tmp_path / "state.db", declare(is_candidate=True))
    await worker.close()
    assert "tidy" not in caplog.text


async def test_plain_version_that_was_aborted_is_reported(tmp_path, caplog):
    """It is deployed without rollout=True, and takes no run all the same."""
    worker = await start_worker(tmp_path / "state.db", declare(is_candidate=True))
    act = operation_context(Actor.cli("ann", "box"), SystemClock())
    start_rollout(worker.store, worker.store.reader, "tidy", 2, RolloutPlan((1_000_000,), hold_ms=1_000), act=act)
    act = operation_context(Actor.cli("ann", "box"), SystemClock())
    move_rollout(worker.store, "tidy", RolloutMove.ABORT, act=act)
    with Registry() as registry:

        @ms.task(name="tidy", version=2)
        def new() -> None: ...

    other = await start_worker(tmp_path / "state.db", registry)
    assert "version 2 of tidy is not in force, although it has no rollout=True: version 1 is" in caplog.text
    await other.close()
    await worker.close()
