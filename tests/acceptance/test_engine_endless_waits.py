"""`within=None`: a wait that ends only with what it waits for, over replays and years."""

from datetime import timedelta

import pytest

import mainspring as ms
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.testing.clock import FakeClock
from tests.acceptance.engine_world import REPLAYING, World

pytestmark = pytest.mark.asyncio


async def test_waits_without_limit_end_with_what_they_wait_for(tmp_path):
    """A signal, any of two, an event and an answer, each after two years; nothing is due in between, and people see no limit."""
    clock = FakeClock()
    with Registry() as registry:

        @ms.workflow
        async def patient(run: ms.Run) -> list[object]:
            first = await run.receive("go", int, within=None)
            second = await run.receive_any(["left", "right"], within=None)
            event = await run.event("paid", where={"order": 7}, within=None)
            answer = await run.ask("Ship it?", within=None)
            return [first, second[0], event.amount, answer]

    async with World(tmp_path, clock).engine(registry, REPLAYING) as engine:
        run = await engine.start(patient)
        for kind in ("signal", "any", "event", "answer"):
            view = await engine.until(run, RunState.WAITING)
            assert view.due_at is None
            await engine.pass_time(timedelta(days=730))
            assert (await engine.until(run, RunState.WAITING)).due_at is None
            assert "until" not in " ".join(engine.explain(run).what)
            if kind == "signal":
                await engine.app.signal(run.id, "go", 1)
            elif kind == "any":
                await engine.app.signal(run.id, "right")
            elif kind == "event":
                await engine.app.publish("paid", {"order": 7, "amount": 12})
            else:
                await engine.app.answer(run.id, "yes")
            await engine.when(
                lambda: len(engine.history(run).outcomes),
                lambda n, kind=kind: n > ["signal", "any", "event", "answer"].index(kind),
            )
        assert await run.result() == [1, "right", 12, "yes"]


async def test_step_without_a_limit_of_attempts_succeeds_one_day(tmp_path):
    """The attempts are retried beyond the default of five."""
    calls: list[int] = []
    with Registry() as registry:

        @ms.step(retry=ms.Retry(attempts=None, initial="1ms", max="1ms"))
        async def call() -> int:
            calls.append(1)
            if len(calls) < 12:
                raise ms.Transient("not yet")
            return len(calls)

        @ms.workflow
        async def order(run: ms.Run) -> int:
            return await run.step(call)

    async with World(tmp_path).engine(registry) as engine:
        assert await (await engine.start(order)).result() == 12
