"""SIGTERM ends the processes in order: runs are given back unharmed, and code that cannot be stopped keeps no one."""

import json
import signal
import time

import pytest

AUTOMATION = """
import asyncio, time
import mainspring as ms

async def stubborn() -> None:
    open("began-stubborn", "w").close()
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

def blocked() -> None:
    open("began-blocked", "w").close()
    time.sleep(600)

async def quick() -> str:
    open("began-quick", "w").close()
    await asyncio.sleep(0.3)
    return "done"

@ms.workflow
async def swallows(run: ms.Run) -> None:
    await run.step(stubborn)

@ms.workflow
async def sleeps(run: ms.Run) -> None:
    await run.step(blocked)

@ms.workflow
async def ends(run: ms.Run) -> str:
    return await run.step(quick)
"""


def _until(fact, description):
    until = time.monotonic() + 30
    while not fact():
        assert time.monotonic() < until, description
        time.sleep(0.02)


@pytest.mark.timeout(120)
def test_drain_ends_in_time_and_gives_runs_back(place):
    """What ends within the drain is saved; what cannot be stopped is given back, and the processes end with 0."""
    (place.folder / "a.py").write_text(AUTOMATION)
    (place.folder / "mainspring.toml").write_text('[project]\nautomations = ["a.py"]\n[worker]\ndrain = "1s"\n')
    up = place.start("up")
    ids = {}
    for name, mark in (("swallows", "stubborn"), ("sleeps", "blocked"), ("ends", "quick")):
        done = place.call("run", name, "--detach", "--json")
        assert done.returncode == 0, done.stderr
        ids[json.loads(done.stdout)["run"]] = name
        _until(lambda mark=mark: (place.folder / f"began-{mark}").exists(), f"{name} never began")
    up.send_signal(signal.SIGTERM)
    assert up.wait(60) == 0
    listed = json.loads(place.call("runs", "list", "--json").stdout)
    states = {ids[row["id"]]: row["state"] for row in listed}
    assert states == {"swallows": "queued", "sleeps": "queued", "ends": "succeeded"}
    workers = json.loads(place.call("workers", "list", "--json").stdout)
    assert workers == []
