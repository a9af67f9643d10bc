"""Updates under kills: each is applied once, and its reply is true, whichever worker dies at whatever commit."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mainspring as ms
from mainspring.engine.definitions.registry import Registry
from tests.acceptance.one_project import ROOT
from tests.crash.scenarios import ALL

pytestmark = pytest.mark.timeout(0 if ALL else 240)
RUNS, EACH, KILLS = (100, 100, 20) if ALL else (8, 24, 6)
"""How many runs there are, the updates of each, and the kills."""
AUTOMATIONS = """
import asyncio
import mainspring as ms

def noted(number: int) -> int:
    return number

@ms.workflow
async def ledger(run: ms.Run, entries: list[int] | None = None) -> list[int]:
    entries = list(entries or [])
    changed = asyncio.Event()
    closes = False

    def is_new(number: int) -> None:
        if number in entries:
            raise ms.Permanent(f"{number} is there")

    @run.on_update("add", validate=is_new)
    async def add(number: int) -> int:
        entries.append(number)
        place = len(entries)
        if number % 3 == 0:
            await run.step(noted, number)
        changed.set()
        return place

    @run.on_update("close")
    def close() -> int:
        nonlocal closes
        closes = True
        changed.set()
        return len(entries)

    while not closes:
        await changed.wait()
        changed.clear()
        if len(entries) % 10 == 0 and not closes:
            await run.updates_done()
            if not closes:
                run.restart(entries)
    await run.updates_done()
    return entries
"""
WORKER = """
import asyncio, sys
import mainspring as ms
from mainspring.store import failpoints
from work import ledger

store, order = sys.argv[1:]
failpoints.install(failpoints.parse(order))

async def live():
    async with ms.App(store).running():
        await asyncio.Event().wait()

asyncio.run(live())
"""
KILLED = 137


@pytest.fixture(params=["sqlite", "postgres"])
def store(request, tmp_path) -> str:
    return str(tmp_path / "s.db") if request.param == "sqlite" else request.getfixturevalue("lent_store")


def start_worker(folder: Path, store: str, order: str) -> "subprocess.Popen[bytes]":
    env = os.environ | {"PYTHONPATH": f"{folder}:{ROOT / 'src'}", "PYTHONHASHSEED": "0"}
    return subprocess.Popen([sys.executable, "-c", WORKER, store, order], env=env, stderr=subprocess.DEVNULL)


async def add_all(handle: ms.Handle, numbers: range) -> dict[int, int]:
    """Send the numbers, three at a time, each under its own id and some twice; return the replies."""
    slots, replies = asyncio.Semaphore(3), {}

    async def add(number: int) -> None:
        async with slots:
            calls = [handle.update("add", number, id=f"n{number}", timeout=None) for _ in range(1 + (number % 4 == 0))]
            (reply,) = set(await asyncio.gather(*calls))
            replies[number] = reply

    await asyncio.gather(*(add(number) for number in numbers))
    return replies


def test_kills_lose_and_double_no_update(store, tmp_path):
    """The place that each reply names is where the number stands at the end; a repeated number was rejected."""
    (tmp_path / "work.py").write_text(AUTOMATIONS)
    app = ms.App(store, registry=Registry.load(["work.py"], tmp_path))

    async def kill_workers(is_over: asyncio.Event) -> int:
        """Let one worker after the other live until it is killed at a commit; the last one lives until all is over."""
        killed = 0
        while not is_over.is_set():
            side, at = ("before", "after")[killed % 2], 20 + 7 * killed % 60
            order = f"commit.{side}:kill@{at}" if killed < KILLS else ""
            worker = start_worker(tmp_path, store, order)
            over = asyncio.create_task(is_over.wait())
            died = asyncio.create_task(asyncio.to_thread(worker.wait))
            await asyncio.wait({over, died}, return_when=asyncio.FIRST_COMPLETED)
            if not died.done():
                worker.terminate()
            killed += await died == KILLED or worker.returncode == -9
            over.cancel()
        return killed

    async def work() -> tuple[list[dict[int, int]], list[list[int]], int]:
        is_over = asyncio.Event()
        handles = [await app.options(key=f"k{n}").start("ledger") for n in range(RUNS)]
        killing = asyncio.create_task(kill_workers(is_over))
        replies = await asyncio.gather(*(add_all(handle, range(EACH)) for handle in handles))
        for handle in handles:
            with pytest.raises(ms.UpdateRejected):
                await handle.update("add", 1, id="again", timeout=None)
            assert await handle.update("add", 1, id="n1", timeout=None) == replies[handles.index(handle)][1]
            assert await handle.update("close", id="close", timeout=None) == EACH
        results = [await handle.result() for handle in handles]
        is_over.set()
        return replies, results, await killing

    replies, results, killed = asyncio.run(work())
    app.close()
    for reply, entries in zip(replies, results, strict=True):
        assert sorted(entries) == list(range(EACH))
        assert reply == {number: place for place, number in enumerate(entries, 1)}
    assert killed >= KILLS // 2
