"""Anyone who is killed at whatever commit while a run restarts, each event and each signal counts once in its chain, in order."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import mainspring as ms
from mainspring.engine.definitions.registry import Registry
from tests.acceptance.one_project import ROOT
from tests.crash.scenarios import ALL

pytestmark = pytest.mark.timeout(0 if ALL else 240)
AUTOMATIONS = """
import asyncio
import mainspring as ms

def noted(n: int) -> int:
    return n

@ms.workflow
async def chain(run: ms.Run, total: int, got: list[list] | None = None) -> list[list]:
    got = list(got or [])
    while len(got) < total:
        asked = {
            "event": asyncio.ensure_future(run.event("tick", where={"for": "chain"})),
            "signal": asyncio.ensure_future(run.receive("tock", int)),
        }
        done, _ = await asyncio.wait(asked.values(), return_when=asyncio.FIRST_COMPLETED)
        for kind, task in asked.items():
            if task in done:
                got.append([kind, task.result().number if kind == "event" else task.result()])
            task.cancel()
        if len(got) % 2 == 0:
            await run.step(noted, len(got))
            run.restart(total, got)
    return got
"""
LIFE = """
import asyncio, sys
import mainspring as ms
from mainspring.store import failpoints
from work import chain

store, order, total = sys.argv[1:]
failpoints.install(failpoints.parse(order))

async def live():
    app = ms.App(store)
    async with app.running():
        handle = await app.options(key="one").start(chain, int(total))
        await handle.result()

asyncio.run(live())
"""
KILLS = [f"commit.{side}:kill@{n}" for n in (range(4, 24) if ALL else (5, 9, 13)) for side in ("before", "after")]
KILLED = 137


@pytest.fixture(params=["sqlite", "postgres"])
def store(request, tmp_path) -> str:
    return str(tmp_path / "s.db") if request.param == "sqlite" else request.getfixturevalue("lent_store")


def live(folder: Path, store: str, order: str, total: int) -> "subprocess.Popen[bytes]":
    """Begin one life of the worker."""
    env = os.environ | {"PYTHONPATH": f"{folder}:{ROOT / 'src'}"}
    return subprocess.Popen([sys.executable, "-c", LIFE, store, order, str(total)], env=env, stderr=subprocess.DEVNULL)


async def send_numbers(app: ms.App, first: str, numbers: range) -> None:
    """Publish events and send signals to the first run, one after the other."""
    for number in numbers:
        await app.publish("tick", {"for": "chain", "number": number}, key=str(number))
        await app.signal(first, "tock", number)


def test_kills_while_a_run_restarts_lose_and_double_nothing(store, tmp_path):
    """The sender works on while one worker after the other is killed; the last one brings the chain to its end."""
    (tmp_path / "work.py").write_text(AUTOMATIONS)
    each = 3
    total = 2 * each * (len(KILLS) + 1)

    async def work() -> list[list]:
        app = ms.App(store, registry=Registry.load(["work.py"], tmp_path))
        first = (await app.options(key="one").start("chain", total)).id
        for turn, order in enumerate(KILLS):
            life = live(tmp_path, store, order, total)
            await send_numbers(app, first, range(each * turn, each * (turn + 1)))
            assert await asyncio.to_thread(life.wait) in (-9, KILLED)
        last = live(tmp_path, store, "", total)
        await send_numbers(app, first, range(each * len(KILLS), each * (len(KILLS) + 1)))
        got: list[list[Any]] = await ms.Handle(app, first, None).result(120)
        assert await asyncio.to_thread(last.wait) == 0
        return got

    got = asyncio.run(work())
    for kind in ("event", "signal"):
        assert [number for name, number in got if name == kind] == list(range(total // 2)), kind
