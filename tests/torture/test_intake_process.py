"""Webhooks are accepted while no one works: the worker is blocked, dies again and again, or its module does not load; nothing is lost."""

import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from tests.torture.sending import Answers, Letter, send_all
from tests.torture.site import SECRET, WORK, Site

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")]
COUNT, TURNS = 200, 3
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


def _send(site: Site, first: int) -> None:
    """Send deliveries one after the other. Each is answered with 202, or the sender would not come back."""
    answers = Answers()
    sent = [Letter(f"id-{n}", b'{"number": %d}' % n, genuine=True) for n in range(first, first + COUNT)]
    asyncio.run(send_all(site.hooks, "/orders", SECRET, sent, 1, answers))
    assert {status for found in answers.statuses.values() for status in found} == {202}
    assert answers.unanswered == 0


def _count(site: Site, state: str) -> object:
    return site.rows("select count(*) from runs where automation = 'order' and state = ?", state)[0][0]


@pytest.mark.timeout(180)
def test_blocked_worker_keeps_no_webhook_waiting(tmp_path: Path) -> None:
    """A step that blocks the loop of the worker: every delivery is stored and answered meanwhile, and runs when the worker continues."""
    with closing(Site(tmp_path, WORK + BLOCKS)) as site:
        site.project.start("blocks")
        site.project.until((tmp_path / "blocked").exists)
        _send(site, 0)
        assert _count(site, "queued") == COUNT
        (tmp_path / "go-on").touch()
        site.project.until(lambda: _count(site, "succeeded") == COUNT)


@pytest.mark.timeout(180)
def test_worker_that_dies_again_and_again_loses_no_webhook(tmp_path: Path) -> None:
    """It is killed each time it comes, and its module does not load any more: what arrives meanwhile runs once both are fixed."""
    with closing(Site(tmp_path)) as site:
        good = (tmp_path / "work.py").read_text()
        (tmp_path / "work.py").write_text("import nothing_of_this_name\n")
        for turn in range(TURNS):
            site.kill("worker")
            _send(site, turn * COUNT)
        assert _count(site, "queued") == TURNS * COUNT
        (tmp_path / "work.py").write_text(good)
        site.kill("worker")
        site.project.until(lambda: _count(site, "succeeded") == TURNS * COUNT)
