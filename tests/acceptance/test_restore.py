"""A restored store is held: what had been done since the backup is not done a second time behind anyone's back."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from mainspring.domain.clock import SystemClock
from mainspring.engine.definitions.registry import Registry
from mainspring.service.actor import Actor, operation_context
from mainspring.service.runs.run_start import start
from mainspring.service.runs.signal import signal as signal_run
from mainspring.store.read.operation_reads import OperationReads
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


def _until(fact, description):
    until = time.monotonic() + 60
    while not fact():
        assert time.monotonic() < until, description
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
    (place.folder / "alone.py").write_text("import mainspring as ms\n\n@ms.task\ndef alone() -> None: ...\n")
    (place.folder / "mainspring.toml").write_text('[project]\nautomations = ["a.py"]\n')
    up = place.start("up")
    _until(lambda: place.store.exists() and _json(place, "auto", "list"), "the worker never came")
    store, clock = SqliteStore(place.store, clock=SystemClock()), SystemClock()
    store.open()
    act = operation_context(Actor.app(os.getpid(), "test"), clock)
    definition = Registry.load(["a.py"], place.folder).get("work").definition
    ids = [start(store, clock, definition, b'{"n":%d}' % n, act=act.part(f"s{n}")).run for n in range(RUNS)]
    _until(lambda: len(_json(place, "runs", "list", "--state", "waiting", "--limit", "100")) == RUNS, "not all wait")

    stored = place.folder / "kept"
    assert place.call("db", "backup", str(stored)).returncode == 0
    for run in ids:
        signal_run(store, OperationReads(store.reader), run, "go", act=act.part(run))
    store.close()
    _until(lambda: len(_effects(effects)) == RUNS, "not all were done")
    assert place.call("down").returncode == 0
    up.wait()

    backup = next(stored.glob("*.db"))
    refused = place.call("db", "restore", str(backup))
    assert refused.returncode == 2, "a restore without -y and without a terminal must refuse"
    assert place.call("db", "restore", str(backup), "-y").returncode == 0
    assert len(_json(place, "db", "restore", "--undecided")) == RUNS

    held = place.start("up")
    assert place.call("runs", "signal", ids[0], "go").returncode == 0
    for rest_of_them in (("run", "work", "n=99"), ("run", "-m", "alone.py", "alone")):
        waiting = place.call(*rest_of_them)
        assert waiting.returncode == 8, waiting.stderr
        assert b"on hold" in waiting.stderr
        assert b"db restore --release" in waiting.stderr
    assert len(_json(place, "runs", "list", "--limit", "100")) == RUNS
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


FOLDER = """
import mainspring as ms

@ms.on.files("in", settle="200ms", every="200ms")
@ms.task
def load(file: ms.File) -> None:
    effect("load " + file.name)

@ms.task(every="1s", delivery="at_most_once")
def charge() -> None:
    effect("charge")

def effect(text: str) -> None:
    with open({effects!r}, "a") as out:
        out.write(text + "\\n")
"""


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_restored_store_repeats_nothing_of_the_lost_interval(place):
    """Files and due times of it are listed and start nothing, before and after the release; a file of later counts; a person catches up."""
    effects = place.folder / "effects"
    (place.folder / "in").mkdir()
    (place.folder / "a.py").write_text(FOLDER.format(effects=str(effects)))
    (place.folder / "mainspring.toml").write_text('[project]\nautomations = ["a.py"]\n')
    up = place.start("up")
    (place.folder / "in" / "known.csv").write_text("1")
    _until(lambda: "load known.csv" in _effects(effects), "the file was not taken in")
    made = json.loads(place.call("db", "backup", str(place.folder / "kept"), "--json").stdout)
    (place.folder / "in" / "lost.csv").write_text("2")
    _until(lambda: "load lost.csv" in _effects(effects), "the file was not taken in")
    before = _effects(effects).count("charge")
    _until(lambda: _effects(effects).count("charge") > before + 1, "nothing is charged")
    assert place.call("auto", "pause", "load").returncode == 0
    assert place.call("down").returncode == 0
    up.wait()

    assert place.call("db", "restore", made["path"], "-y").returncode == 0
    assert place.call("db", "restore", "--decide", "done", "-y").returncode == 0
    released = place.call("db", "restore", "--release")
    assert b"Not started, because the replaced store may have done it:" in released.stdout, released.stderr
    done = _effects(effects)
    again = place.start("up")
    (place.folder / "in" / "new.csv").write_text("3")
    _until(lambda: "load new.csv" in _effects(effects), "a file of after the restoring does not count")
    _until(
        lambda: [delivery["key"] for delivery in _json(place, "db", "restore", "--lost")["deliveries"]],
        "no file is set aside",
    )
    assert _effects(effects).count("load lost.csv") == done.count("load lost.csv") == 1
    lost = _json(place, "db", "restore", "--lost")
    assert lost["by_name_only"] == ["charge"]
    assert [change["verb"] for change in lost["changes"]] == ["pause"]
    assert [delivery["trigger"] for delivery in lost["deliveries"]] == ["load/files"]
    assert {slot["automation"] for slot in lost["slots"]} == {"charge"}
    caught = place.call("db", "restore", "--catch-up", "-y")
    assert b"Left out, because a step must not run twice: charge" in caught.stdout, caught.stderr
    _until(lambda: _effects(effects).count("load lost.csv") == 2, "it does not catch up")
    output = place.call("status")
    assert (
        output.returncode,
        b" of the lost interval are undecided: mainspring db restore --lost" in output.stdout,
    ) == (
        9,
        True,
    )
    (slots,) = [check for check in json.loads(place.call("doctor", "--json").stdout) if check["name"] == "slots"]
    assert (slots["state"], "lost interval" in slots["text"]) == ("problem", True)
    assert place.call("db", "restore", "--dismiss", "--name", "load", "-y").stdout == b"There is nothing to dismiss.\n"
    would = place.call("db", "restore", "--dismiss", "--dry-run")
    assert would.stdout.startswith(b"Would be dismissed: "), would.stderr
    dismissed = place.call("db", "restore", "--dismiss", "--name", "charge", "-y")
    assert dismissed.stdout.startswith(b"Dismissed: "), dismissed.stderr
    assert _json(place, "db", "restore", "--lost")["slots"] == []
    assert b"lost interval" not in place.call("status").stdout
    os.kill(again.pid, signal.SIGTERM)
    assert again.wait(60) == 0
