"""A worker whose loop is blocked is reported and ended in every part of its life, and what blocks it keeps no other run."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.acceptance.wrapping import Place

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")

CONFIG = """
[project]
automations = ["a.py"]
[worker]
drain = "1s"
stall_limit = "{stall_limit}"
"""


class Works:
    """A folder with one automation file, and `mainspring up` on it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.log = place.folder / "log"

    def up(self, code: str, *, stall_limit: str = "5m") -> None:
        """Start a supervisor."""
        (self.place.folder / "a.py").write_text(code)
        (self.place.folder / "mainspring.toml").write_text(CONFIG.format(stall_limit=stall_limit))
        with self.log.open("ab") as log:
            self.supervisor = self.place.start("up", stderr=log)
        self.until(self.workers, "no worker came")

    def start(self, name: str) -> str:
        """Start a run of which nobody waits for the end."""
        done = self.place.call("run", name, "--detach", "--json")
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["run"])

    def state(self, run: str) -> str:
        """Return the state of a run, with its reason."""
        ((state, reason),) = self.place.rows("select state, reason from runs where id = ?", run)
        return state if reason is None else f"{state} {reason}"

    def workers(self) -> list[int]:
        """Return the processes of this store's workers that live."""
        with contextlib.suppress(Exception):
            rows = self.place.rows("select pid from sessions where state = 'alive' and role in ('worker', 'probation')")
            return [pid for (pid,) in rows if is_alive(pid)]
        return []

    def has(self, name: str) -> Callable[[], bool]:
        """Return what tells whether the code has left a mark of this name."""
        return (self.place.folder / name).exists

    def until(self, fact: Callable[[], object], what: str, within: float = 30.0) -> None:
        """Look until it holds."""
        until = time.monotonic() + within
        while not fact():
            assert time.monotonic() < until, f"{what}\n{self.log.read_text()[-4_000:]}"
            time.sleep(0.02)

    def close(self) -> None:
        """Leave no process of this folder behind."""
        self.place.close()
        for pid in self.workers():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False


@pytest.fixture
def works(place: Place) -> Iterator[Works]:
    made = Works(place)
    yield made
    made.close()


QUICK = """
import asyncio, threading, time
from pathlib import Path
import mainspring as ms

@ms.task
def quick() -> str:
    return "done"
"""

BLOCKS = """
@ms.workflow
async def blocks(run: ms.Run) -> None:
    Path("blocked").touch()
    while True:
        time.sleep(0.1)
"""


@pytest.mark.timeout(90)
def test_blocked_worker_ends_with_its_supervisor(works: Works) -> None:
    """The supervisor is killed: nothing that its blocked worker runs lives on without anybody who watches it."""
    works.up(QUICK + BLOCKS)
    works.start("blocks")
    works.until(works.has("blocked"), "it never began")
    (worker,) = works.workers()
    works.supervisor.kill()
    works.supervisor.wait()
    works.until(lambda: not is_alive(worker), "the worker lives on alone", within=15)


@pytest.mark.timeout(90)
def test_worker_that_is_not_blocked_saves_what_is_in_flight_when_its_supervisor_dies(works: Works) -> None:
    """It drains first: what ends in time is saved, and needs no second try."""
    works.up(
        QUICK
        + """
def slow() -> str:
    Path("slow").touch()
    time.sleep(0.7)
    return "saved"

@ms.workflow
async def slowly(run: ms.Run) -> str:
    return await run.step(slow)
"""
    )
    run = works.start("slowly")
    works.until(works.has("slow"), "it never began")
    (worker,) = works.workers()
    works.supervisor.kill()
    works.supervisor.wait()
    works.until(lambda: not is_alive(worker), "the worker lives on alone", within=15)
    assert works.place.rows("select name, state, attempt from journal where run = ?", run) == [("slow", "succeeded", 1)]


@pytest.mark.timeout(120)
def test_loop_that_is_blocked_while_its_process_is_replaced_is_ended_too(works: Works) -> None:
    """A process that gives its runs back in order to end is watched to its very end."""
    works.up(
        QUICK
        + """
async def deaf() -> None:
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass

def early() -> None:
    time.sleep(1.5)

@ms.workflow
async def recycles(run: ms.Run) -> None:
    await run.options(timeout="500ms", retry=1).step(deaf)

@ms.workflow
async def blocks_late(run: ms.Run) -> None:
    await run.options(isolate="thread").step(early)
    Path("blocked").touch()
    while True:
        time.sleep(0.1)
""",
        stall_limit="6s",
    )
    (first,) = works.workers()
    works.start("blocks_late")
    works.start("recycles")
    works.until(lambda: not is_alive(first), "the blocked process is never replaced", within=40)
    run = works.start("quick")
    works.until(lambda: works.state(run) == "succeeded", "nobody takes the other run", within=40)


@pytest.mark.timeout(120)
def test_run_that_blocks_its_worker_does_not_block_the_next_one(works: Works) -> None:
    """It is the crash of a worker: its runs go on one at a time on probation, and whatever is new goes on at once."""
    works.up(QUICK + BLOCKS, stall_limit="6s")
    blocking = works.start("blocks")
    works.until(works.has("blocked"), "it never began")
    run = works.start("quick")
    works.until(lambda: works.state(run) == "succeeded", "nobody takes the other run", within=40)
    assert works.place.rows("select suspect from runs where id = ?", blocking) == [(1,)]
    assert "the loop has not turned" in works.log.read_text()
