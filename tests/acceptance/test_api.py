"""`mainspring up`: a program elsewhere starts a run by the API, hears that something changed, has the result, and may leave at the end."""

import asyncio
import subprocess
from pathlib import Path

import httpx2
import pytest

import mainspring as ms
from mainspring.domain.access.permissions import Role
from mainspring.domain.clock import SystemClock
from mainspring.service.access import people
from mainspring.service.actor import Actor, operation_context
from mainspring.store.sqlite.store import SqliteStore
from tests.acceptance.test_roles import Site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def token_of(path: Path) -> str:
    """Make a token as an admin would at the pages."""
    clock = SystemClock()
    store = SqliteStore(path, clock=clock)
    store.open()
    try:
        act = operation_context(Actor.web("ana"), clock)
        return people.make_token(store, "deploy-bot", Role.OPERATOR, None, None, clock=clock, act=act)
    finally:
        store.close()


async def use(site: Site, up: "subprocess.Popen[bytes]", token: str) -> int:
    """Return the exit code of `up`, which ends while the stream is open."""
    url = f"http://127.0.0.1:{site.port}"
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        ms.connect(url, token=token) as client,
        httpx2.AsyncClient(base_url=url, trust_env=False) as other,
        other.stream("GET", "/api/v1/changes", headers=headers, timeout=30) as stream,
    ):
        lines = stream.aiter_lines()
        while '"runs"' not in await anext(lines):
            pass
        handle = await client.start("beat", account="elsewhere")
        assert await handle.result(timeout=60, type=str) == "elsewhere"
        while '"audit-log"' not in await anext(lines):
            pass
        assert (await client.read(f"runs/{handle.id}"))["trigger"] == "api:deploy-bot"
        up.terminate()
        # The stream ends in order, and keeps nothing from ending.
        assert [line async for line in lines if "error" in line] == []
        return await asyncio.to_thread(up.wait, 20)


def test_program_elsewhere_steers_a_project(tmp_path: Path) -> None:
    """From the start of a run to its result, by a token, over HTTP; a stream that is open does not keep `up` from ending."""
    site = Site(tmp_path, str(tmp_path / "s.db"))
    try:
        up = site.up()
        site.until(site.is_whole, "it is not whole")
        assert asyncio.run(use(site, up, token_of(tmp_path / "s.db"))) == 0
    finally:
        site.close()
