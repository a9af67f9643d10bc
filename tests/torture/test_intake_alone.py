"""Webhooks are taken in while nobody works: the worker is blocked, dies again and again, or its module does not load; nothing is lost."""

import asyncio
import time
from pathlib import Path

import pytest

from tests.torture.sending import Answers, Letter, send_all
from tests.torture.site import SECRET, WORK, Site

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")]
COUNT = 200
BLOCKS = """
import time
from pathlib import Path

@ms.task
async def blocks() -> None:
    Path("blocked").touch()
    while not Path("go-on").exists():
        time.sleep(0.05)
"""


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAINSPRING_SECRET_TORTURE", SECRET)


def _send(site: Site, first: int) -> list[float]:
    """Send deliveries one after the other; return what each took (s). Each is answered with 202, or the sender would not come back."""
    answers = Answers()
    sent = [Letter(f"id-{n}", b'{"number": %d}' % n, genuine=True) for n in range(first, first + COUNT)]
    took: list[float] = []

    async def send() -> None:
        for letter in sent:
            began = time.perf_counter()
            await send_all(site.hooks, "/orders", SECRET, [letter], 1, answers)
            took.append(time.perf_counter() - began)

    asyncio.run(send())
    assert {status for found in answers.statuses.values() for status in found} == {202}
    assert answers.unanswered == 0
    return took


def _all_ran(site: Site, count: int) -> None:
    query = "select count(*) from runs where automation = 'order' and state = 'succeeded'"
    site.project.until(lambda: site.rows(query) == [(count,)])


@pytest.mark.timeout(180)
def test_blocked_worker_keeps_no_webhook_waiting(tmp_path: Path) -> None:
    """A step that blocks the loop of the worker: every delivery is stored and answered meanwhile, and runs when the worker goes on."""
    site = Site(tmp_path, WORK + BLOCKS)
    site.project.start("blocks")
    site.project.until((tmp_path / "blocked").exists)
    _send(site, 0)
    assert site.rows("select count(*) from runs where automation = 'order' and state = 'queued'") == [(COUNT,)]
    (tmp_path / "go-on").touch()
    _all_ran(site, COUNT)
    site.close()


@pytest.mark.timeout(180)
def test_worker_that_dies_again_and_again_loses_no_webhook(tmp_path: Path) -> None:
    """It is killed each time it comes, and then its module does not load: what arrives meanwhile runs once both are mended."""
    site = Site(tmp_path)
    good = (tmp_path / "work.py").read_text()
    (tmp_path / "work.py").write_text("import nothing_of_this_name\n")
    for _ in range(3):
        site.kill("worker")
    _send(site, 0)
    (tmp_path / "work.py").write_text(good)
    site.kill("worker")
    _all_ran(site, COUNT)
    site.close()
