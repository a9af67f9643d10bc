"""Bodies that swallow what ends them: an unloading, or a cancel. They keep no worker, and anyone who wrote them is reported."""

import functools
import json
import subprocess
import sys

import pytest

from tests.acceptance.works import Works, is_alive
from tests.acceptance.wrapping import Place

HEAD = """
import asyncio
from pathlib import Path
import mainspring as ms

@ms.task
def quick() -> str:
    return "done"

async def helped(run: ms.Run) -> int:
    while True:
        try:
            return await run.receive("go", int, within="1d")
        except BaseException:
            pass
"""

BODIES = {
    "receive": 'return await run.receive("go", int, within="1d")',
    "helper": "return await helped(run)",
    "sleep": "await asyncio.sleep(3600); return 7",
    "timeout": 'async with asyncio.timeout(3600): return await run.receive("go", int, within="1d")',
    "wait_for": 'return await asyncio.wait_for(run.receive("go", int, within="1d"), 3600)',
    "task": 'return await asyncio.create_task(run.receive("go", int, within="1d"))',
    "gather": 'return (await asyncio.gather(run.receive("go", int, within="1d"), asyncio.sleep(3600)))[0]',
    "group": """
            async with asyncio.TaskGroup() as group:
                got = group.create_task(run.receive("go", int, within="1d"))
            return got.result()""",
}


def stubborn(name: str, ask: str) -> str:
    return f"""
@ms.workflow
async def {name}(run: ms.Run) -> int:
    Path("{name}").touch()
    while True:
        try:
            {ask}
        except BaseException:
            pass
"""


CODE = HEAD + "".join(stubborn(f"by_{name}", ask) for name, ask in BODIES.items())


def has_received(works: Works, run: str, number: int) -> bool:
    return works.place.rows("select count(*) from journal where run = ? and kind = 'cancel'", run) == [(number,)]


@pytest.mark.timeout(120)
def test_cancelled_body_that_continues_needs_a_person_and_keeps_no_worker(works: Works) -> None:
    """It continues until a second cancel. Then the run names what its code does, and the others continue in the same process."""
    works.up(CODE)
    runs = {name: works.start(f"by_{name}") for name in BODIES}
    for name in BODIES:
        works.until(works.has(f"by_{name}"), f"{name} never began")
    (worker,) = works.workers()
    for name, run in runs.items():
        for number in (1, 2):
            done = works.place.call("runs", "cancel", run, "-y")
            assert done.returncode == 0, (name, done)
            works.until(functools.partial(has_received, works, run, number), f"{name} never got it")
        works.until_state(run, "needs_attention body_error", name)
    quick = works.start("quick")
    works.until(lambda: works.state(quick) == "succeeded", "the worker is kept")
    assert works.workers() == [worker]
    (failure,) = works.place.rows("select failure from runs where id = ?", runs["receive"])[0]
    failure_data = json.loads(failure)
    assert "continues after it was stopped" in failure_data["message"]
    assert "except BaseException" in failure_data["hint"]
    assert "raise" in failure_data["hint"]


@pytest.mark.timeout(120)
def test_unloaded_body_that_continues_keeps_no_worker(works: Works) -> None:
    """A drain ends in time although bodies fight it; the runs continue in the next process from where they were, and succeed."""
    works.up(CODE)
    runs = {name: works.start(f"by_{name}") for name in BODIES}
    for name, run in runs.items():
        works.until(works.has(f"by_{name}"), f"{name} never began")
        works.until_state(run, "waiting", name)
    (worker,) = works.workers()
    works.supervisor.terminate()
    assert works.supervisor.wait(10) == 0
    assert not is_alive(worker)
    log = works.log.read_text()
    assert "is killed" not in log
    assert "Traceback" not in log
    assert "by_receive" in log
    assert "except BaseException" in log
    works.up(CODE)
    for name in ("receive", "helper", "task", "timeout", "wait_for", "group"):
        assert works.place.call("runs", "signal", runs[name], "go", "7").returncode == 0
        works.until_state(runs[name], "succeeded", name)


PROGRAM = """
import asyncio
import mainspring as ms
from a import by_helper, by_receive, by_sleep, quick

async def main() -> None:
    app = ms.App(store="s.db")
    async with app.running():
        handles = [await app.start(body) for body in (by_helper, by_receive, by_sleep)]
        while [await handle.status() for handle in handles] != ["waiting"] * 3:
            await asyncio.sleep(0.02)
    async with app.running():
        assert await (await app.start(quick)).result() == "done"

asyncio.run(main())
print("ended")
"""


def test_program_with_such_bodies_ends(place: Place) -> None:
    """Neither leaving `app.running()` nor the end of the interpreter runs their code for ever."""
    (place.folder / "a.py").write_text(CODE)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=place.folder, env=place.env, capture_output=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"ended\n"), done.stderr
