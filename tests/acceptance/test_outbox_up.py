"""`mainspring up` with the project of the page, on a real NATS: its processes are killed, and every message arrives under one id."""

import asyncio
import contextlib
import os
import re
import signal
from pathlib import Path

import pytest

from mainspring.integrations.base.queue_address import resolve_server
from mainspring.integrations.brokers import open_source, parse_broker_queue
from tests.acceptance.one_project import ROOT, Project
from tests.brokers.servers import start_broker

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
PAGE = (ROOT / "docs" / "how-to" / "outbox.md").read_text(encoding="utf-8")
RUNS = 10


async def received(url: str, count: int) -> dict[str, bytes]:
    """Read until so many ids came; one id always has one body."""
    queue = parse_broker_queue(url)
    source = open_source(queue, resolve_server(queue.server, str), "reader")
    await source.connect()
    found: dict[str, bytes] = {}
    async with asyncio.timeout(90):
        while len(found) < count:
            for message in await source.fetch(100):
                assert found.setdefault(message.id, message.body) == message.body
                assert message.headers["x-kind"] == "order"
    await source.close()
    return found


def pids(project: Project, role: str) -> list[int]:
    return [worker["pid"] for worker in project.json("workers", "list") if worker["role"] == role]


def kill(project: Project, role: str) -> None:
    """Kill the process of a role, once there is one: the one before may have been killed a moment ago."""

    def killed() -> bool:
        for pid in pids(project, role):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    project.until(killed)


def test_page_works_while_its_processes_are_killed(tmp_path: Path) -> None:
    """The block and the table of the page make a project; scheduler and worker die by kill -9 while it sends."""
    nats = start_broker("nats")
    url = asyncio.run(nats.new_queue())
    block = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    table = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    assert table is not None
    automations = block[1].replace("orders.created", parse_broker_queue(url).detail)
    config = table[1].replace("nats://nats.internal:4222/ORDERS", url.partition("?")[0])
    project = Project(tmp_path, automations, config)
    try:
        project.up()
        project.until(lambda: pids(project, "worker") and pids(project, "scheduler"))
        for number in range(RUNS):
            project.start("place_order", f"order={number}")
            if number in (3, 8):
                kill(project, "scheduler")
            if number == 5:
                kill(project, "worker")
                nats.kill()
                nats.start()
        found = asyncio.run(received(url, RUNS))
        assert sorted(found.values()) == sorted(b'{"order":%d}' % number for number in range(RUNS))
        project.until(lambda: all(state == "succeeded" for state in project.states().values()))
        assert project.json("status")["problems"] == []
    finally:
        project.kill_all()
        nats.remove()
