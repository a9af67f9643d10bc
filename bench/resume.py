"""10,000 runs are under way when the whole process group is killed with SIGKILL: how long until all of them have gone on to their end."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figure import Figure
from bench.process import Failed, command, environment

RUNS, PEER_RUNS = 10_000, 200
AUTOMATIONS = Path(__file__).parent / "sides" / "automations.py"


def figures() -> list[Figure]:
    """Ours with the real supervisor and worker, from the start of `mainspring up`; DBOS from its launch, with fewer workflows."""
    with tempfile.TemporaryDirectory(prefix="mainspring-bench-") as folder:
        ours = _ours(folder)
    with tempfile.TemporaryDirectory(prefix="mainspring-bench-") as folder:
        peer = _peer(folder)
    return [
        Figure(
            name=f"{RUNS:,} runs continued after kill -9",
            unit="us/run",
            ours=ours / RUNS * 1e6,
            # No ratio: with so few workflows DBOS's own launch is most of its time, and per-run figures would hide that.
            note=f"{ours:.1f} s for all; DBOS: {PEER_RUNS} in {peer:.1f} s, launch included",
        )
    ]


def _ours(folder: str) -> float:
    env = {**environment(folder), "BENCH_GATE": f"{folder}/gate"}
    Path(folder, "mainspring.toml").write_text(
        f'[store]\nurl = "sqlite:///{folder}/state.db"\n[worker]\nconcurrency = {RUNS}\n', encoding="utf-8"
    )
    up = [sys.executable, "-m", "mainspring", "up", "-m", str(AUTOMATIONS)]
    first = _spawn(up, env, folder)
    try:
        _run(command("ours", "start_gated", RUNS), env, folder)
        _run(command("ours", "until_under_way", RUNS), env, folder)
    finally:
        _kill_all(first)
    Path(folder, "gate").touch()
    began = time.perf_counter()
    second = _spawn(up, env, folder)
    try:
        _run(command("ours", "until_done", RUNS), env, folder)
        return time.perf_counter() - began
    finally:
        _kill_all(second)


def _peer(folder: str) -> float:
    env = {**environment(folder), "BENCH_GATE": f"{folder}/gate"}
    first = subprocess.Popen(
        command("dbos_side", "load", PEER_RUNS),
        env=env,
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert first.stdout is not None
        if first.stdout.readline().strip() != "ready":
            raise Failed("DBOS did not start its workflows")
    finally:
        _kill_all(first)
    Path(folder, "gate").touch()
    done = _run(command("dbos_side", "resume", PEER_RUNS), env, folder)
    return float(json.loads(done.strip().splitlines()[-1])["took_s"])


def _spawn(line: list[str], env: dict[str, str], folder: str) -> "subprocess.Popen[str]":
    quiet = subprocess.DEVNULL
    return subprocess.Popen(line, env=env, cwd=folder, stdout=quiet, stderr=quiet, text=True, start_new_session=True)


def _run(line: list[str], env: dict[str, str], folder: str) -> str:
    done = subprocess.run(line, env=env, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise Failed(f"{line[2:]} ended with {done.returncode}: {done.stderr[-600:]}")
    return done.stdout


def _kill_all(process: "subprocess.Popen[str]") -> None:
    """Kill a process and its children at once, as a power cut would: a supervisor's workers lead groups of their own."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    pids = [int(pid) for pid in children.read_text(encoding="ascii").split()] if children.exists() else []
    for group in (process.pid, *pids):
        try:
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()
