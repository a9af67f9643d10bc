"""What a definition expects of its result: a run whose result does not fit has failed, whichever way it goes."""

from pathlib import Path

import pytest

import mainspring as ms
from mainspring.domain.states import FailureReason, RunState
from mainspring.engine.definitions.registry import Registry
from tests.acceptance.engine_world import AT_ONCE, World

pytestmark = pytest.mark.asyncio

ENDED = (RunState.SUCCEEDED, RunState.FAILED, RunState.NEEDS_ATTENTION)
FILLED = {"type": "object", "properties": {"rows": {"type": "integer", "minimum": 1}}, "required": ["rows"]}


async def test_task_workflow_and_script_are_held_to_it(tmp_path: Path) -> None:
    """The task goes straight from its claim to its end: the check is on that way too. What fits is no worse off.

    Continued, the run is looked at again, and its work is not done again.
    """
    calls: list[int] = []
    with Registry() as registry:

        @ms.task(expect=FILLED)
        def load(rows: int) -> dict[str, int]:
            calls.append(rows)
            return {"rows": rows}

        @ms.workflow(expect=FILLED)
        async def report(run: ms.Run, rows: int) -> dict[str, int]:
            return {"rows": rows}

        ms.script("nightly", ["echo", '{"rows": 0}'], expect=FILLED)
        ms.script("hourly", ["echo", '{"rows": 5}'], expect=FILLED)

    async with World(tmp_path).engine(registry, AT_ONCE) as engine:
        errors = [
            await engine.start(load, 0), await engine.start(report, 0), await engine.start(registry.get("nightly")),
        ]  # fmt: skip
        right = [
            await engine.start(load, 1), await engine.start(report, 1), await engine.start(registry.get("hourly")),
        ]  # fmt: skip
        for run in errors:
            view = await engine.until(run, *ENDED)
            assert (view.state, view.reason) == (RunState.FAILED, FailureReason.NO_OUTPUT)
            assert "$.rows: expected at least 1, got 0" in str(view.failure)
        await engine.app.retry(errors[0].id)
        assert (await engine.until(errors[0], *ENDED)).reason == FailureReason.NO_OUTPUT
        for run in right:
            assert (await engine.until(run, *ENDED)).state is RunState.SUCCEEDED
    assert sorted(calls) == [0, 1]
