"""Automations with limits of runs and starts, and a workflow that changes from release to release."""

import atexit
import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

from mainspring.domain.failures.retry import Retry
from mainspring.engine.attempts.step_context import attempt, idempotency_key
from mainspring.engine.body.run import Run
from mainspring.engine.definitions.decorators import step, task, workflow
from mainspring.engine.definitions.module_loader import load_module
from mainspring.engine.definitions.registry import Registry
from tests.simulation.stores import FOLDER
from tests.simulation.workload import NODE, REGISTRY, carry_out

CONCURRENCY = {"keyed": 2, "family": 1, "latest": 1, "brief": 1}
"""Automations with concurrency keys, and how many runs of a key may have a slot."""
RATES = {"paced": (2, 2_000), "paced_together": (3, 2_000)}
"""Automations with a rate: how many runs of a key may be due in this many ms."""
THROTTLES = {"throttled": (2, 3_000)}
DEBOUNCED = "settled"
DEBOUNCE_WITHIN_MS = 2_500
CHANGED = "changed"
RELEASES = 3
SIDES = ("old", "new", "newest")


async def _affect(name: str, seconds: float = 0.15) -> str:
    """Have an effect, after a while."""
    node = NODE.get()
    node.world.effects.start(node, idempotency_key(), attempt())
    await node.sleep(seconds)
    node.world.effects.happens(idempotency_key())
    return name


with Registry() as LIMITED:

    @workflow(concurrency=2, per="{customer}")
    async def keyed(run: Run, customer: str, tree: list) -> Any:
        return await carry_out(run, tree)

    @workflow(concurrency=1, per="{customer}")
    async def family(run: Run, customer: str, tree: list, children: int) -> Any:
        """Wait for a child that needs the only slot of its key."""
        if children:
            await run.child(family, customer, ["notes", "child"], children - 1)
        return await carry_out(run, tree)

    @workflow(concurrency=1, per="{customer}", cancel_in_progress=True)
    async def latest(run: Run, customer: str, tree: list) -> Any:
        return await carry_out(run, tree)

    @workflow(concurrency=1, per="{customer}", deadline="2s")
    async def brief(run: Run, customer: str, tree: list) -> Any:
        return await carry_out(run, tree)

    @task(rate="2/2s", per="{customer}")
    async def paced(customer: str, tree: list) -> str:
        return await _affect(tree[1])

    @task(rate="3/2s")
    async def paced_together(customer: str, tree: list) -> str:
        return await _affect(tree[1])

    @task(debounce="1s", debounce_within="2500ms", per="{customer}")
    async def settled(customer: str, tree: list) -> str:
        return await _affect(tree[1])

    @task(throttle="2/3s", per="{customer}")
    async def throttled(customer: str, tree: list) -> str:
        return await _affect(tree[1])


async def pay(run: str, side: str) -> str:
    """Have the effect of one side of the change, which no run may have of both."""
    NODE.get().world.begin_side(NODE.get(), run, side)
    return await _affect(side, NODE.get().world.dice.choice((0.15, 0.15, 0.9, 5.0)))


pay_old, pay_new, pay_newest = (
    step(retry=Retry(3, initial="50ms", max="1s"), name=f"pay_{side}")(pay) for side in SIDES
)

_CHOICES = (
    "    await run.step(pay_old, run.id, 'old')",
    """
    version = await run.version("pay", 2)
    await (run.step(pay_old, run.id, 'old') if version == 1 else run.step(pay_new, run.id, 'new'))
""",
    """
    version = await run.version("pay", 3)
    if version == 3:
        await run.step(pay_newest, run.id, 'newest')
    else:
        await (run.step(pay_old, run.id, 'old') if version == 1 else run.step(pay_new, run.id, 'new'))
""",
)
_RELEASE = """
import asyncio
from typing import Any
from mainspring.engine.body.run import Run
from mainspring.engine.definitions.decorators import workflow
from tests.simulation.limited_workload import {steps}
from tests.simulation.workload import carry_out

async def settle(run: Run) -> None:
{choice}

@workflow
async def changed(run: Run, tree: list, beside: bool) -> Any:
    if beside:
        result, _ = await asyncio.gather(carry_out(run, tree), settle(run))
    else:
        result = await carry_out(run, tree)
        await settle(run)
    await asyncio.sleep(0.4)
    await settle(run)
    return result
"""


@functools.cache
def releases() -> tuple[Registry, ...]:
    """Return what a process of each release has loaded, oldest first. Each release is a file of its own, as people deploy it."""
    folder = Path(tempfile.mkdtemp(prefix="mainspring-sim-", dir=FOLDER))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    loaded = []
    for number, choice in enumerate(_CHOICES, 1):
        file = folder / f"release_{number}.py"
        file.write_text(
            _RELEASE.format(choice=choice, steps=", ".join(f"pay_{side}" for side in SIDES[:number])), encoding="utf-8"
        )
        with Registry() as registry:
            load_module(str(file))
        registry.automations.update(REGISTRY.automations | LIMITED.automations)
        loaded.append(registry)
    return tuple(loaded)
