"""The project whose saved histories tests of `mainspring test replay` replay: one workflow for each feature, and runs of all of them."""

import subprocess
import sys

from tests.acceptance.one_project import Project

CODE = """
import asyncio
import mainspring as ms

async def charge(amount: int) -> int:
    return amount

async def ship(number: int) -> str:
    return f"parcel {number}"

async def note(text: str) -> str:
    return text

async def fragile(number: int) -> int:
    import os
    if os.environ.get("FRAGILE"):
        raise ms.Permanent("out of order")
    return number

async def refund(amount: int, result: int | None = None) -> None: ...

@ms.workflow
async def plain(run: ms.Run, number: int) -> str:
    await run.step(charge, number)
    return await run.step(ship, number)

@ms.workflow
async def waiting(run: ms.Run, number: int) -> str:
    await run.step(charge, number)
    await asyncio.sleep(0.01)
    await run.step(note, "charged")
    await run.receive("go")
    return await run.step(ship, number)

@ms.workflow
async def generations(run: ms.Run, number: int) -> int:
    await run.step(charge, number)
    return await run.step(fragile, number)

@ms.workflow(name="rolled")
async def rolled(run: ms.Run, number: int) -> str:
    return await run.step(note, "version 1")

@ms.workflow(name="rolled", version=2, rollout=True)
async def rolled_2(run: ms.Run, number: int) -> str:
    return await run.step(note, "version 2")

@ms.workflow
async def changed(run: ms.Run, number: int) -> str:
    if await run.version("by-card", 3) < 3:
        return await run.step(note, "cash")
    return await run.step(note, "card")

@ms.workflow
async def updated(run: ms.Run, number: int) -> str:
    address = "unknown"

    @run.on_update("address")
    async def change(text: str) -> str:
        nonlocal address
        address = await run.step(note, f"to {text}")
        return address

    @run.on_query("address")
    def read() -> str:
        return address

    await run.receive("go")
    return address

@ms.workflow
async def rolled_back(run: ms.Run, number: int) -> str:
    await run.options(undo=refund).step(charge, number)
    return await run.rollback("refused")

@ms.workflow
async def child(run: ms.Run, number: int) -> str:
    return await run.step(ship, number)

@ms.workflow
async def parent(run: ms.Run, number: int) -> list[str]:
    return await asyncio.gather(run.child(child, number), run.step(ship, number))

@ms.workflow
async def mapped(run: ms.Run, number: int) -> int:
    return len(await run.map(note, [f"part {n}" for n in range(number)]))

@ms.workflow
async def spread(run: ms.Run, number: int) -> list[str]:
    return list(await run.map(ship, range(number), spread=True))

@ms.workflow
async def restarted(run: ms.Run, number: int) -> str:
    await run.step(charge, number)
    if number < 3:
        run.restart(number + 1)
    return "done"

@ms.workflow
async def failing(run: ms.Run, number: int) -> str:
    try:
        return await run.step(fragile, number)
    except ms.StepFailed:
        await run.step(note, "failed")
        raise ms.Permanent("no parcel") from None

@ms.task
def report(day: str = "today") -> str:
    return day
"""
FILL = """
import asyncio, os, sys
import mainspring as ms
import work

async def roll_out():
    words = ("-m", "mainspring", "rollout", "start", "rolled", "--to", "2", "--steps", "100%")
    assert await (await asyncio.create_subprocess_exec(sys.executable, *words)).wait() == 0

async def main():
    app = ms.App(os.environ["MAINSPRING_STORE_URL"])
    async with app.running():
        for automation in (work.plain, work.rolled, work.changed, work.parent, work.mapped, work.spread, work.restarted):
            await (await app.start(automation, 2)).result(timeout=60)
        await roll_out()
        await (await app.start(work.rolled, 2)).result(timeout=60)
        await app.start(work.waiting, 7)
        plain = await app.start(work.plain, 3)
        await plain.result(timeout=60)
        await (await app.fork(plain.id, "ship", arguments={"number": 4})).result(timeout=60)
        updated = await app.start(work.updated, 1)
        while True:
            try:
                await updated.update("address", "the harbour", timeout=10)
                break
            except ms.MainspringError:
                await asyncio.sleep(0.05)
        assert await updated.query("address") == "to the harbour"
        await app.signal(updated.id, "go")
        await updated.result(timeout=60)
        os.environ["FRAGILE"] = "1"
        ended = [await app.start(automation, 5) for automation in (work.generations, work.failing, work.rolled_back)]
        for run in ended:
            try:
                await run.result(timeout=60)
            except ms.RunFailed:
                pass
        del os.environ["FRAGILE"]
        await app.retry(ended[0].id)
        await ended[0].result(timeout=60)
        await (await app.start(work.report)).result(timeout=60)

asyncio.run(main())
"""


def fill(project: Project) -> None:
    """Let an app in a process of its own do all runs."""
    (project.folder / "fill.py").write_text(FILL)
    env = {**project.env(), "PYTHONHASHSEED": "0"}
    subprocess.run(
        [sys.executable, "fill.py"], cwd=project.folder, env=env, check=True, timeout=120, capture_output=True
    )
