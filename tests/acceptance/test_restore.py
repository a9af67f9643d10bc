"""A restored store is held: what had been done since the backup is not done a second time behind anybody's back."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from mainspring.domain.clock import SystemClock
from mainspring.engine.registry import Registry
from mainspring.service.actor import Actor, act_of
from mainspring.service.signal import signal as signal_run
from mainspring.service.starting import start
from mainspring.store.reads.acts import StoredActs
from mainspring.store.sqlite.store import SqliteStore

AUTOMATION = """
import mainspring as ms

def effect(n: int) -> int:
    with open({effects!r}, "a") as file:
        file.write(f"{{n}} {{ms.idempotency_key()}}\\n")
    return n

@ms.workflow
async def work(run: ms.Run, n: int) -> int:
    await run.receive("go")
    return await run.step(effect, n)
"""
RUNS = 50


def _effects(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _until(fact, what):
    until = time.monotonic() + 60
    while not fact():
        assert time.monotonic() < until, what
        time.sleep(0.05)


def _json(place, *words):
    done = place.call(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.timeout(180)
def test_restored_store_does_nothing_before_it_is_released(place):
    """Back up, finish 50 runs, restore: no effect happens until all are decided and the store is released."""
    effects = place.folder / "effects"
    (place.folder / "a.py").write_text(AUTOMATION.format(effects=str(effects)))
    (place.folder / "mainspring.toml").write_text('[project]\nautomations = ["a.py"]\n')
    up = place.start("up")
    _until(lambda: place.store.exists() and _json(place, "auto", "list"), "the worker never came")
    store, clock = SqliteStore(place.store, clock=SystemClock()), SystemClock()
    store.open()
    act = act_of(Actor.app(os.getpid(), "test"), clock)
    definition = Registry.load(["a.py"], place.folder).get("work").definition
    ids = [start(store, clock, definition, b'{"n":%d}' % n, act=act.part(f"s{n}")).run for n in range(RUNS)]
    _until(lambda: len(_json(place, "runs", "list", "--state", "waiting", "--limit", "100")) == RUNS, "not all wait")

    kept = place.folder / "kept"
    assert place.call("db", "backup", str(kept)).returncode == 0
    for run in ids:
        signal_run(store, StoredActs(store.reader), run, "go", act=act.part(run))
    store.close()
    _until(lambda: len(_effects(effects)) == RUNS, "not all were done")
    assert place.call("down").returncode == 0
    up.wait()

    backup = next(kept.glob("*.db"))
    refused = place.call("db", "restore", str(backup))
    assert refused.returncode == 2, "a restore without -y and without a terminal must refuse"
    assert place.call("db", "restore", str(backup), "-y").returncode == 0
    assert len(_json(place, "db", "restore", "--undecided")) == RUNS

    held = place.start("up")
    assert place.call("runs", "signal", ids[0], "go").returncode == 0
    early = place.call("db", "restore", "--release", "-y")
    assert early.returncode == 8, early.stderr
    assert place.call("db", "restore", "--decide", "done", "--name", "work", "-y").returncode == 0
    assert len(_effects(effects)) == RUNS
    assert place.call("db", "restore", "--release", "-y").returncode == 0
    assert len(_json(place, "runs", "list", "--state", "succeeded", "--limit", "100")) == RUNS
    fresh = _json(place, "run", "work", "n=99", "--detach")["run"]
    assert place.call("runs", "signal", fresh, "go").returncode == 0
    _until(lambda: len(_effects(effects)) == RUNS + 1, "the released store does not work")
    os.kill(held.pid, signal.SIGTERM)
    assert held.wait(60) == 0
