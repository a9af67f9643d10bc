"""A thousand failed runs are retried from the page, in a real browser: counted, begun, seen moving, paused, resumed, seen to the end."""

import asyncio
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from mainspring.app.workers.upkeep import Upkeep
from mainspring.domain.states import BulkState, RunState
from mainspring.service.runs.run_selection import RunFilter, select_runs
from mainspring.store.commands.runs import ClaimRuns, StartRun
from mainspring.store.read.bulk_operations import list_bulk_operations
from tests.browser import chromium, served, sign_in
from tests.contract.store.process import finish
from tests.unit.web.dashboard.failed_runs import DENIED, group
from tests.unit.web.dashboard.page_world import PageWorld

NUMBER = 1_000
pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[PageWorld]:
    made = PageWorld(tmp_path / "s.db")
    fall_all(made)
    yield made
    made.close()


def fall_all(world: PageWorld) -> None:
    """Let a thousand runs fail by one error, many in one commit."""
    with ThreadPoolExecutor(50) as threads:
        list(threads.map(world.store.apply, (starting(n) for n in range(NUMBER))))
        while runs := world.store.apply(ClaimRuns(f"claim.{world.clock.random_bits(60)}", 200)).runs:
            ends = (finish(run, RunState.FAILED, failure=DENIED) for run in runs)
            list(threads.map(world.store.apply, ends))
    group(world)


def starting(number: int) -> StartRun:
    return StartRun(
        id=f"r_{number:026}", automation="pay", kind="task", version=1, input=b"[]", codec="json", trigger="test"
    )


@contextmanager
def worked(world: PageWorld) -> Iterator[None]:
    """Let the upkeep of a process continue beside the browser."""
    stopped = threading.Event()

    async def live() -> None:
        upkeep = Upkeep()
        upkeep.start(asyncio.get_running_loop(), world.store, world.clock)
        await asyncio.to_thread(stopped.wait)
        upkeep.close()

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(10)


def done_on(page: Page) -> int:
    """Return how many runs the page says are done."""
    found = re.search(r"([\d,]+) of 1,000 runs done", page.inner_text("main"))
    assert found is not None
    return int(found[1].replace(",", ""))


@pytest.mark.slow
def test_thousand_runs_are_retried_from_the_page(world: PageWorld) -> None:
    """Each once, by who asked; a paused act is stuck, a resumed one continues, and the page moves by itself."""
    moved = re.compile(r"[1-9][\d,]* of 1,000 runs done")
    with served(world.auth.app) as address, chromium() as browser:
        page = browser.new_page(viewport={"width": 360, "height": 740})
        sign_in(page, address)
        page.goto(f"{address}/failed")
        page.click("text=Retry all: count them first")
        expect(page.locator("#all")).to_contain_text("1,000 runs of 1 automation")
        assert list_bulk_operations(world.store.reader) == []
        page.click("text=Retry all 1,000")
        expect(page.locator("main")).to_contain_text("0 of 1,000 runs done; 1,000 left")
        with worked(world):
            expect(page.locator("main")).to_contain_text(moved, timeout=20_000)
            page.click("text=Pause")
            expect(page.locator(".panel .state")).to_contain_text("paused")
        (act,) = list_bulk_operations(world.store.reader)
        assert 0 < act.done < NUMBER
        page.reload()
        assert done_on(page) == act.done
        with worked(world):
            page.click("text=Resume")
            expect(page.locator("main")).to_contain_text("1,000 of 1,000 runs done.", timeout=60_000)
    (act,) = list_bulk_operations(world.store.reader)
    assert (act.state, act.done, act.refused, act.actor) == (BulkState.DONE, NUMBER, 0, "web:ana")
    assert select_runs(world.site.reads, RunFilter(states=(RunState.FAILED,))).ids == ()
    rows = world.store.reader.read_text("select count(*), count(distinct subject) from audit_log where verb = 'retry'")
    assert rows == [(NUMBER + 1, NUMBER + 1)]
