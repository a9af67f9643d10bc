"""`concurrency=` and `per=` of a definition: at most so many of its runs, or of its runs with one key, run at once."""

import asyncio
from collections import Counter
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.errors import OptionError
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from tests.acceptance.engine_world import REPLAYING, World

pytestmark = pytest.mark.asyncio


class Meeting:
    """Runs that are inside a step, by customer, and the most that were there at once."""

    def __init__(self) -> None:
        self.inside: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.opened = asyncio.Event()

    async def enter(self, customer: str) -> str:
        self.inside[customer] += 1
        self.most[customer] = max(self.most[customer], self.inside[customer])
        await self.opened.wait()
        self.inside[customer] -= 1
        return customer


def build(meeting: Meeting, **options: Any) -> tuple[Registry, Any]:
    async def enter(customer: str) -> str:
        return await meeting.enter(customer)

    with Registry() as registry:

        @ms.workflow(**options)
        async def sync(run: ms.Run, customer: str) -> str:
            await run.step(enter, customer)
            await run.receive("go")
            return await run.step(enter, customer)

    return registry, sync


@pytest.mark.parametrize("settings", [None, REPLAYING])
async def test_slots_are_held_only_while_runs_run(tmp_path, settings):
    """Two runs of a customer run at once; one that waits frees its slot, and takes one again when it continues."""
    meeting = Meeting()
    registry, sync = build(meeting, concurrency=2, per="{customer}")
    async with World(tmp_path).engine(registry, settings) as engine:
        runs = [await engine.start(sync, customer) for customer in ("ann", "ann", "ann", "ann", "bob")]
        await engine.when(lambda: dict(meeting.inside), lambda inside: inside == {"ann": 2, "bob": 1})
        explained = engine.explain(runs[3])
        text = " ".join([*explained.what, *explained.why, *explained.next])
        assert "2 runs of sync with key 'ann' may run at once" in text
        assert f"{runs[0].id}" in text
        assert "It is number 2 in line." in text
        meeting.opened.set()
        for run in runs:
            await engine.until(run, RunState.WAITING)
        for run in runs:
            await engine.app.signal(run.id, "go")
        for run in runs:
            await engine.until(run, RunState.SUCCEEDED)
    assert meeting.most == {"ann": 2, "bob": 1}


async def test_limit_without_per_counts_all_runs(tmp_path):
    """A task has it too."""
    meeting = Meeting()
    meeting.opened.set()
    with Registry() as registry:

        @ms.task(concurrency=1)
        async def report(customer: str) -> str:
            return await meeting.enter("all")

    async with World(tmp_path).engine(registry) as engine:
        runs = [await engine.start(report, str(n)) for n in range(5)]
        assert [await run.result() for run in runs] == ["all"] * 5
    assert meeting.most == {"all": 1}


async def test_child_of_the_same_key_gets_the_slot_of_its_waiting_parent(tmp_path):
    """A parent that waits for its child holds no slot, so that they do not wait for each other."""
    with Registry() as registry:

        @ms.workflow(concurrency=1)
        async def tree(run: ms.Run, depth: int) -> int:
            return 0 if depth == 0 else 1 + await run.child(tree, depth - 1)

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        assert await (await engine.start(tree, 3)).result() == 3


async def test_key_of_a_template_that_is_empty_is_the_key_of_all(tmp_path):
    """The runs without a value share the slots of the automation."""
    with Registry() as registry:

        @ms.task(concurrency=1, per="{customer}")
        async def report(customer: str = "") -> str:
            return customer

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(report)
        await run.result()
        assert engine.view(run).concurrency_key == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"per": "{customer}"}, "option per='{customer}' has no effect without concurrency="),
        ({"concurrency": 0}, "option 'concurrency'"),
        ({"concurrency": 1_001}, "option 'concurrency'"),
        ({"concurrency": 2, "per": "{nothing}"}, "nothing"),
    ],
)
async def test_options_that_cannot_be_used_are_named(options, message):
    """At the declaration, with the place."""
    with pytest.raises(ms.MainspringError) as raised, Registry() as registry:

        @ms.task(**options)
        async def report(customer: str) -> str:
            return customer

        _ = registry.get("report").definition
    assert message in str(raised.value)
    assert isinstance(raised.value, ms.MainspringError | OptionError)
