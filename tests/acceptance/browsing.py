"""A project with something of everything, its real processes, and a browser that came in by its start-up link."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import Browser, Page

from tests.acceptance.one_project import Project
from tests.acceptance.test_api import token_of
from tests.free_port import free_port

AUTOMATIONS = """
import logging
from pathlib import Path
import mainspring as ms

LOG = logging.getLogger("work")
GATE = Path(__file__).with_name("gate")


def reserve(order: int) -> str:
    LOG.info("reserving %s", order)
    return f"reserved {order}"


def charge(order: int) -> str:
    LOG.error("the card of order %s was refused", order)
    if not GATE.exists():
        raise ms.Permanent("402: the card was refused", hint="Ask the customer for another card.")
    return f"charged {order}"


@ms.workflow(title="order {order}", owner="shop", team="shop", runbook="runbook.md")
async def order(run: ms.Run, order: int = 7) -> str:
    await run.step(reserve, order)
    return await run.step(charge, order)


@ms.workflow(owner="shop", team="shop")
async def long(run: ms.Run, parts: int = 3) -> int:
    for part in range(parts):
        run.progress(part, parts)
        await run.event("go", within="1h")
        await run.step(reserve, part)
    return parts


@ms.workflow(owner="billing")
async def ask(run: ms.Run) -> str:
    return await run.ask("Charge it?", choices=["approve", "refund"], within="1h", otherwise="refund")


@ms.workflow(name="ask", version=2, rollout=True, owner="billing")
async def ask_again(run: ms.Run) -> str:
    return await run.ask("Really charge it?", choices=["approve", "refund"], within="1h", otherwise="refund")


@ms.task(title="{text}", owner="<b>nobody</b>")
def say(text: str = "") -> str:
    print(text)
    LOG.warning(text, extra={"field": text})
    if text:
        raise ms.Permanent(text, hint=text, data={text[:40]: text})
    return text


@ms.task(cron="*/5 * * * *", tz="Europe/Berlin", owner="ops", queue="nightly")
def nightly() -> int:
    return 1


@ms.on.event("go")
@ms.task(owner="ops")
def listener(event: ms.Event) -> str:
    return event.name


ms.script("backup", "true", cron="0 3 * * *", tz="Europe/Berlin", owner="ops", tier="page")
"""


class Site:
    """`address` = of its pages; `names` = something real for each name in a path."""

    def __init__(self, folder: Path, more: str = "", automations: str = AUTOMATIONS) -> None:
        self.port = free_port()
        config = f'[web]\nbind = "127.0.0.1:{self.port}"\n[hooks]\nbind = "127.0.0.1:{free_port()}"\n{more}'
        self.project = Project(folder, automations, config)
        (folder / "runbook.md").write_text("# Orders\n\nAsk for another card, then retry.\n")
        self._token = ""
        self.names: dict[str, str] = {}
        self.address = f"http://127.0.0.1:{self.port}"
        self.project.up()
        self.project.until(self._is_up)

    def _is_up(self) -> bool:
        alive = {worker["role"] for worker in self.project.json("workers", "list")} if self._has_store() else set()
        return {"worker", "web"} <= alive

    def _has_store(self) -> bool:
        return (self.project.folder / "state.db").exists()

    def api(self, method: str, path: str, **body: Any) -> Any:
        """Ask the API, as a program does. Playwright has a loop of its own in this thread, so nothing here is async."""
        if not self._token:
            self._token = token_of(self.project.folder / "state.db")
        headers = {"Authorization": f"Bearer {self._token}"}
        found = httpx2.request(
            method, f"{self.address}/api/v1/{path}", headers=headers, json=body or None, timeout=20, trust_env=False
        )
        assert found.status_code == 200, found.text
        return found.json()

    def run(self, *words: str) -> str:
        """Start a run and return its id."""
        return self.project.start(*words)

    def until_state(self, run: str, *states: str) -> None:
        """Wait for a run."""
        self.project.until(lambda: self.project.states().get(run) in states)

    def enter(self, page: Page) -> None:
        """Follow the start-up link."""
        page.goto(self.project.json("open")["link"])
        page.wait_for_url(f"{self.address}/")


@contextmanager
def site(folder: Path, **options: Any) -> Iterator[Site]:
    """Keep a project up."""
    made = Site(folder, **options)
    try:
        yield made
    finally:
        made.project.stop()


def page_of(browser: Browser, site: Site, *, width: int = 1200, height: int = 900, **options: Any) -> Page:
    """Return a page of someone who came in."""
    page = browser.new_page(viewport={"width": width, "height": height}, **options)
    page.set_default_timeout(20_000)
    site.enter(page)
    return page
