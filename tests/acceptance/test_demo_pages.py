"""The demo's dashboard: its question is answered there, its broken files wait there; and the pictures of the docs are taken there."""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page

from demo.sender import BROKEN
from tests.acceptance.test_demo import ROOT, environment, real_data
from tests.browser import chromium

__all__ = ["environment"]
PICTURES = os.environ.get("TESTS_PICTURES")
"""A folder into which the pictures of the docs are made: `make pictures`."""
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


def picture(
    browser: Browser, address: str, state: str, name: str, path: str, height: int = 900, width: int = 1200
) -> None:
    """Take a picture of a page in both themes, for the docs."""
    if PICTURES is None:
        return
    for theme in THEMES:
        page = browser.new_page(
            viewport={"width": width, "height": height}, color_scheme=theme, storage_state=state, device_scale_factor=1
        )
        page.goto(address + path)
        page.locator('[data-live="on"]').wait_for()
        page.screenshot(path=f"{PICTURES}/{name}-{theme}.png", animations="disabled")
        page.close()


def answer(page: Page, address: str) -> None:
    """Answer the question as a person does."""
    page.goto(f"{address}/waiting")
    page.locator("main", has_text="rows of 2013 are incomplete").wait_for()
    page.locator("main button", has_text="count-as-cancelled").first.click()
    page.locator(".message", has_text="count-as-cancelled").wait_for()


def read_until(terminal: int, words: str, within: float = 150.0) -> str:
    """Return what was printed until these words came."""
    text, until = "", time.monotonic() + within
    while words not in text:
        assert time.monotonic() < until, text
        try:
            text += os.read(terminal, 65536).decode("utf-8", "replace")
        except OSError as error:  # it has ended
            raise AssertionError(text) from error
    return text


def processes_in(folder: Path) -> list[str]:
    """Return the processes whose environment names this folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            environ = entry.read_bytes()
        except OSError:
            continue
        if str(folder).encode() in environ:
            found.append(entry.parent.name)
    return found


@real_data
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.xdist_group("browser")
def test_demo_in_a_terminal_ends_on_its_dashboard_and_stays_up(tmp_path: Path, environment: dict[str, str]) -> None:
    """Answered there, the report changes; the three broken files are failed runs with what to do, and one that is fixed is accepted.

    It stays up until Ctrl-C, which leaves no process behind.
    """
    out = tmp_path / "out" if PICTURES is None else Path("/tmp/flights")  # it is in the pictures
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "demo", "--into", str(out), "--pace", "5"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=follower, stdout=follower, stderr=follower, start_new_session=True
    )
    os.close(follower)
    try:
        output = read_until(leader, "Your choice")
        link = re.search(r"under Waiting: (http\S+)", output)
        assert link is not None
        address = link[1].partition("/first")[0]
        with chromium() as browser:
            page = browser.new_page()
            page.set_default_timeout(30_000)
            page.goto(link[1])
            page.wait_for_url(f"{address}/")
            state = str(tmp_path / "state.json")
            page.context.storage_state(path=state)
            picture(browser, address, state, "waiting", "/waiting")
            answer(page, address)
            assert "NOT OK" not in read_until(leader, "Dashboard: ")
            assert "counted, by your answer" in (out / "report.md").read_text(encoding="utf-8")
            page.goto(f"{address}/failed")
            page.locator('[data-live="on"]').wait_for()
            for cause in ("unknown", "cut off", "not UTF-8"):
                page.locator("main", has_text=cause).first.wait_for()
            broken = BROKEN[0]
            page.goto(f"{address}/runs?state=failed&name=import_file")
            page.locator("main tr", has_text=broken).locator('a[href^="/r/"]').first.click()
            page.locator("h1", has_text=broken).wait_for()
            run = page.url.partition("/r/")[2]
            for name, path in (
                ("now", "/"),
                ("run", f"/r/{run}"),
                ("automation", "/a/import_file"),
                ("automations", "/automations"),
                ("failed", "/failed"),
                ("incidents", "/incidents"),
            ):
                picture(browser, address, state, name, path)
            picture(browser, address, state, "phone", f"/r/{run}", height=740, width=360)
            file = out / "inbox" / broken
            file.write_bytes(file.read_bytes().replace(b"tail_number", b"tailnum", 1))
            page.get_by_role("button", name="Retry from the failed step").click()
            page.locator("main .state.good", has_text="succeeded").first.wait_for()
            browser.close()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    finally:
        process.terminate()
        process.wait(30)
        os.close(leader)
        shutil.rmtree(out, ignore_errors=True)  # the demo begins in no folder that has something else in it
    assert not processes_in(out)
