"""Processes with different hash seeds: they are distinguished from each other, warned of, and named as the cause of a drift."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mainspring.domain.processes.hash_seed import has_random_hash_seed, hash_seed_fingerprint

PROGRAM = """
import sys
import mainspring as ms

NAMES = {f"name {n}" for n in range(40)}

async def load(name: str) -> str:
    return name

@ms.task
def plain() -> int:
    return 1

if "plain" not in sys.argv:
    @ms.workflow(name="w")
    async def w(run: ms.Run) -> str:
        for n, name in enumerate(NAMES):
            if n < 10:
                await run.step(load, name)
        return await run.receive("go", within="1h") if "wait" in sys.argv else "done"

app = ms.App("store.db")
if __name__ == "__main__":
    import asyncio

    async def begin() -> None:
        async with app.running():
            handle = await app.start(w)
            print(handle.id)
            while str(await handle.status()) not in ("waiting", "needs_attention"):
                await asyncio.sleep(0.02)

    async def go_on() -> None:
        await app.signal(sys.argv[2], "go", "went")
        async with app.running():
            handle = ms.Handle(app, sys.argv[2], None)
            while True:
                state = str(await handle.status())
                if state in ("succeeded", "needs_attention", "failed"):
                    break
                await asyncio.sleep(0.02)
        print(state)

    match sys.argv[1]:
        case "once":
            for _ in range(2):
                print(app.run("plain" if "plain" in sys.argv else "w"))
        case "begin":
            asyncio.run(begin())
        case "go_on":
            asyncio.run(go_on())
"""


def python(place: Path, *words: str, seed: str | None) -> subprocess.CompletedProcess[str]:
    """Run the program in a Python of its own with this seed; None = drawn at random."""
    (place / "program.py").write_text(PROGRAM, encoding="utf-8")
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONHASHSEED"}
    if seed is not None:
        environ["PYTHONHASHSEED"] = seed
    done = subprocess.run(
        [sys.executable, "program.py", *words],
        cwd=place,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_a_random_seed_is_warned_of_once_where_a_workflow_is_run(tmp_path):
    """With the fix; not for a fixed seed, and not for tasks, which have no body."""
    warnings = python(tmp_path, "once", seed=None).stderr
    assert warnings.count("the hash seed of this process is random") == 1
    assert "PYTHONHASHSEED=0 python FILE" in warnings
    assert "hash seed" not in python(tmp_path, "once", seed="0").stderr
    assert "hash seed" not in python(tmp_path, "once", "plain", seed=None).stderr


def test_a_drift_of_a_run_that_started_under_another_seed_names_the_seed(tmp_path):
    """The order of a set is another one: the run stops, and the hint says why and what to do; under one seed it continues."""
    run = python(tmp_path, "begin", "wait", seed="1").stdout.split()[0]
    assert python(tmp_path, "go_on", run, "wait", seed="2").stdout.split()[-1] == "needs_attention"
    displayed = subprocess.run(
        [sys.executable, "-m", "mainspring", "--store", "store.db", "runs", "show", run],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "1000"},
        capture_output=True,
        check=True,
        text=True,
    )
    assert "another hash seed" in displayed.stdout
    assert "PYTHONHASHSEED=0" in displayed.stdout
    same = python(tmp_path, "begin", "wait", seed="1").stdout.split()[0]
    assert python(tmp_path, "go_on", same, "wait", seed="1").stdout.split()[-1] == "succeeded"


def test_the_command_line_runs_workflows_under_a_fixed_seed(tmp_path):
    """`mainspring run` is a process of ours, so it begins again under a fixed seed, whatever was drawn."""
    (tmp_path / "jobs.py").write_text(
        "import os\nimport mainspring as ms\n\n@ms.workflow\nasync def seed(run: ms.Run) -> str:\n"
        "    return os.environ.get('PYTHONHASHSEED', 'none')\n",
        encoding="utf-8",
    )
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONHASHSEED"}
    words = [sys.executable, "-m", "mainspring", "--store", "store.db", "run", "-m", "jobs.py", "seed"]
    done = subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)
    assert done.stdout.strip().strip('"') == "0", done.stderr


@pytest.mark.parametrize(
    ("seed", "is_random"), [("0", False), ("7", False), ("random", True), ("", True), (None, True)]
)
def test_fingerprint_and_random_numbers_of_a_seed(seed, is_random):
    """Equal seeds have equal fingerprints, others have others."""
    environ = {key: value for key, value in os.environ.items() if key != "PYTHONHASHSEED"}
    words = (
        "from mainspring.domain.processes.hash_seed import *; print(hash_seed_fingerprint(), has_random_hash_seed())"
    )
    given = environ if seed is None else {**environ, "PYTHONHASHSEED": seed}
    first, second = (
        subprocess.run(
            [sys.executable, "-c", words], env=given, capture_output=True, text=True, check=True
        ).stdout.split()
        for _ in range(2)
    )
    assert first[1] == second[1] == str(is_random)
    assert (first[0] == second[0]) != is_random
    assert len(hash_seed_fingerprint()) == 16
    assert isinstance(has_random_hash_seed(), bool)
