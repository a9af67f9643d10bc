"""A worker whose loop is blocked is reported and ended in every part of its life, and what blocks it keeps no other run."""

from pathlib import Path

import pytest

from tests.acceptance.works import Works, is_alive

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")

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


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_blocked_worker_ends_with_its_supervisor(works: Works) -> None:
    """What blocks it is on record. The supervisor is killed: nothing that its worker runs lives on without anyone who watches it."""
    works.up(QUICK + BLOCKS)
    run = works.start("blocks")
    works.until(works.has("blocked"), "it never began")
    query = "select blocked from sessions where blocked like ? and blocked like '%.py:% blocks%'"
    works.until(lambda: works.place.rows(query, f"%{run}%"), "no one is notified of the block")
    (worker,) = works.workers()
    assert is_alive(worker)
    works.supervisor.kill()
    works.supervisor.wait()
    works.until(lambda: not is_alive(worker), "the worker lives on alone")
    assert works.workers() == []


@pytest.mark.timeout(180)
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
    works.until(lambda: not is_alive(worker), "the worker lives on alone")
    assert works.place.rows("select name, state, attempt from journal where run = ?", run) == [("slow", "succeeded", 1)]


@pytest.mark.slow
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
    assert "the loop has not turned" in works.log.read_text()
    run = works.start("quick")
    works.until(lambda: works.state(run) == "succeeded", "no worker claims the other run", within=40)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_run_that_blocks_its_worker_does_not_block_the_next_one(works: Works) -> None:
    """It is the crash of a worker: its runs continue one at a time on probation, and whatever is new continues at once."""
    works.up(QUICK + BLOCKS, stall_limit="6s")
    blocking = works.start("blocks")
    works.until(works.has("blocked"), "it never began")
    run = works.start("quick")
    works.until(lambda: works.state(run) == "succeeded", "no worker claims the other run", within=40)
    assert works.place.rows("select probation from runs where id = ?", blocking) == [(1,)]
    assert "the loop has not turned" in works.log.read_text()
