"""The automations that are measured; loaded by the measuring process and by workers."""

import asyncio
import os
import time
from pathlib import Path

import mainspring as ms


async def add(x: int) -> int:
    """A step that costs nothing of its own."""
    return x + 1


def add_plainly(x: int) -> int:
    """The same as a plain function, which runs in a thread."""
    return x + 1


NAP_S = 0.5
"""A worker with its default settings suspends a run that sleeps so long."""
STAMPS: dict[int, int] = {}
"""When the step of each numbered run ran here."""


async def now_ns(x: int) -> int:
    """Return the instant at which the step ran."""
    STAMPS[x] = time.time_ns()
    return STAMPS[x]


async def pass_gate(x: int) -> int:
    """Wait for ever, until the gate is open before the step begins."""
    if not Path(os.environ["BENCH_GATE"]).exists():  # noqa: ASYNC240
        await asyncio.sleep(1_000_000)
    return x


@ms.workflow
async def nap(run: ms.Run, number: int) -> int:
    """Return how late a step begins (ns) after a durable sleep of half a second."""
    began = await run.step(now_ns, number)
    await asyncio.sleep(NAP_S)
    return await run.step(now_ns, number) - began - round(NAP_S * 1e9)


@ms.workflow
async def steps(run: ms.Run, count: int) -> int:
    """Steps one after the other."""
    x = 0
    for _ in range(count):
        x = await run.step(add, x)
    return x


async def add_and_log(x: int) -> int:
    """A step that writes ten lines."""
    for number in range(10):
        ms.log.info("a line as they are written, of some length", number=number)
    return x + 1


@ms.workflow
async def logging_steps(run: ms.Run, count: int) -> int:
    """Steps one after the other, each with ten lines."""
    x = 0
    for _ in range(count):
        x = await run.step(add_and_log, x)
    return x


@ms.task
async def one_step(x: int) -> int:
    """A run of one step."""
    return x + 1


@ms.workflow
async def plain_steps(run: ms.Run, count: int) -> int:
    """Plain functions one after the other."""
    x = 0
    for _ in range(count):
        x = await run.step(add_plainly, x)
    return x


@ms.workflow
async def many(run: ms.Run, count: int) -> int:
    """One step an item."""
    return len(await run.map(add, range(count), concurrency=64))


@ms.workflow
async def gated(run: ms.Run, number: int) -> int:
    """A saved step, then one that is under way when the worker is killed."""
    await run.step(add, number)
    return await run.step(pass_gate, number)


@ms.workflow
async def stamp(run: ms.Run, number: int) -> int:
    """Tell when the step ran."""
    return await run.step(now_ns, number)


@ms.workflow
async def sleeper(run: ms.Run, number: int) -> int:
    """Wait for a month."""
    await asyncio.sleep(30 * 86_400)
    return number
