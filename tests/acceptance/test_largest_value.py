"""The largest value is chosen once and obeyed wherever a value crosses."""

from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.errors import OptionError, ValueRefusedError
from mainspring.domain.states import FailureReason, RunState
from mainspring.engine.definitions.registry import Registry
from tests.acceptance.engine_steps import fill, fill_checkpoint
from tests.acceptance.engine_world import World

pytestmark = pytest.mark.asyncio
BIG = 300_000
"""More than 256 KiB, less than 1 MiB."""


def automations() -> tuple[Registry, Any, Any, Any, Any]:
    registry = Registry()
    with registry:

        async def fill_here(size: int) -> str:
            return "x" * size

        async def take(text: str) -> int:
            return len(text)

        @ms.workflow
        async def fills(run: ms.Run, size: int, method: Any) -> int:
            if method == "loop":
                return len(await run.step(fill_here, size))
            if method == "checkpoint":
                return await run.options(isolate="process").step(fill_checkpoint, size)
            return len((await run.options(isolate=method).step(fill, size))["rows"][0])

        @ms.workflow
        async def requests(run: ms.Run, size: int, method: str) -> int:
            big = "x" * size
            if method == "step":
                return await run.step(take, big)
            if method == "map":
                return sum(await run.map(take, [big]))
            if method == "child":
                return await run.child(counts, big)
            if method == "state":
                run.publish_state(big)
            if method == "ask":
                await run.ask(big, within="0s", otherwise="no")
            return size

        @ms.workflow
        async def counts(run: ms.Run, text: str) -> int:
            return len(text)

        @ms.workflow
        async def returns(run: ms.Run, size: int) -> str:
            return "x" * size

    return registry, fills, requests, counts, returns


@pytest.mark.parametrize("method", ["loop", "thread", "process", "checkpoint"])
async def test_result_obeys_the_limit_wherever_a_step_runs(tmp_path, method):
    """Loop, thread and child process: raised it passes, lowered it is refused and never done twice."""
    registry, fills, *_ = automations()
    async with World(tmp_path).engine(registry, payload_max="1MiB") as engine:
        assert await (await engine.start(fills, BIG, method)).result(60) == BIG
    async with World(tmp_path).engine(registry, payload_max="1kB") as engine:
        assert await (await engine.start(fills, 100, method)).result(60) == 100
        run = await engine.start(fills, 2_000, method)
        view = await engine.until(run, RunState.NEEDS_ATTENTION, RunState.FAILED)
    assert view.failure is not None
    if method != "checkpoint":
        assert view.reason == FailureReason.VALUE_REFUSED
    for part in ("step 'fill", "bytes of JSON, the limit is 1,000"):
        assert part in view.failure.message
    assert "[store] payload_max" in str(view.failure.hint)
    if method in ("thread", "process"):
        assert "at $.rows[0]" in view.failure.message


@pytest.mark.parametrize("method", ["step", "map", "child", "state", "ask"])
async def test_values_of_a_body_obey_the_limit(tmp_path, method):
    """Arguments, items, children, published states and questions."""
    registry, _, requests, *_ = automations()
    async with World(tmp_path).engine(registry, payload_max="1MiB") as engine:
        assert await (await engine.start(requests, BIG, method)).result(60) == BIG
    async with World(tmp_path).engine(registry, payload_max="1kB") as engine:
        view = await engine.until(await engine.start(requests, 2_000, method), RunState.FAILED)
    assert view.reason == FailureReason.VALUE_REFUSED
    assert view.failure is not None
    assert "the limit is 1,000" in view.failure.message


async def test_starts_results_signals_and_events_obey_the_limit(tmp_path):
    """What goes in and what comes out of a run."""
    registry, _, _, counts, returns = automations()
    big = "x" * BIG
    async with World(tmp_path).engine(registry, payload_max="1MiB") as engine:
        assert await (await engine.start(counts, big)).result(60) == BIG
        assert len(await (await engine.start(returns, BIG)).result(60)) == BIG
        await engine.app.publish("big", big)
    async with World(tmp_path).engine(registry, payload_max="256KiB") as engine:
        view = await engine.until(await engine.start(returns, BIG), RunState.FAILED)
        assert view.reason == FailureReason.VALUE_REFUSED
        with pytest.raises(ValueRefusedError, match=r"counts .*\n?at \$\.text") as refused:
            await engine.start(counts, big)
        assert "the limit is 262,144" in refused.value.message
        with pytest.raises(ValueRefusedError, match="event big"):
            await engine.app.publish("big", big)
        with pytest.raises(ValueRefusedError, match="signal big"):
            await engine.app.signal("r_0", "big", big)


@pytest.mark.parametrize("size", ["0B", "257MiB", "lots", -1])
async def test_app_refuses_a_limit_that_cannot_be(tmp_path, size):
    """The error names the option."""
    with pytest.raises(OptionError, match=r"App\(payload_max=\.\.\.\)"):
        ms.App(tmp_path / "s.db", payload_max=size)
