"""The API and the sign-in while the server of the store, the web process and the worker are killed under load."""

import asyncio
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psycopg
import pytest

from mainspring.app.stores.store_factory import make_store
from mainspring.domain.access.passwords import ScryptCost
from mainspring.domain.access.permissions import Role
from mainspring.domain.clock import SystemClock
from mainspring.service.access import people
from mainspring.service.actor import Actor, operation_context
from tests.acceptance.test_roles import Site
from tests.postgres_server import PostgresServer

ALL = bool(os.environ.get("TESTS_LONG"))
COUNT, KILLS = (5_000, 20) if ALL else (150, 3)
CLIENTS = 12
MAY_BE_REPEATED = frozenset({429, 502, 503, 504})
PASSWORD = "correct horse battery"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_000 if ALL else 240)]


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of its own, which may be killed."""
    made = PostgresServer()
    made.start()
    yield made
    made.remove()


@pytest.fixture
def site(tmp_path: Path, server: PostgresServer) -> Iterator[Site]:
    made = Site(tmp_path, server.new_store())
    yield made
    made.close()


def token_of(url: str) -> str:
    """Return a token that may start runs; a person who may sign in is added too."""
    clock, ana = SystemClock(), Actor.web("ana")
    store = make_store(url, clock=clock)
    store.open()
    try:
        act = operation_context(ana, clock)
        people.add_person(store, "ana", Role.ADMIN, None, PASSWORD, clock=clock, act=act, cost=ScryptCost(log_n=4))
        return people.make_token(
            store, "bot", Role.OPERATOR, None, None, clock=clock, act=operation_context(ana, clock)
        )
    finally:
        store.close()


class Clients:
    """Programs that start runs by the API and repeat each start under its key until it is answered."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._headers = url, {"Authorization": f"Bearer {token}"}
        self._left = list(range(COUNT))
        self.runs: dict[int, set[str]] = {}
        self.statuses: Counter[int] = Counter()
        self.sign_ins: Counter[int] = Counter()
        self.errors: list[str] = []

    async def start_runs(self) -> None:
        """Start until nothing is left."""
        async with httpx2.AsyncClient(base_url=self._url, trust_env=False, timeout=10) as client:
            while self._left:
                number = self._left.pop()
                while not await self._start(client, number):
                    await asyncio.sleep(0.05)

    async def _start(self, client: httpx2.AsyncClient, number: int) -> bool:
        headers = {**self._headers, "Idempotency-Key": f"order-{number}"}
        body = {"input": {"account": f"a{number}"}, "reason": "asked for"}
        try:
            answer = await client.post("/api/v1/automations/beat/runs", json=body, headers=headers)
        except httpx2.HTTPError:
            self.statuses[0] += 1
            return False
        self.statuses[answer.status_code] += 1
        if answer.status_code in MAY_BE_REPEATED:
            if "retry-after" not in answer.headers or "Traceback" in answer.text:
                self.errors.append(f"{answer.status_code} {dict(answer.headers)} {answer.text[:300]}")
            return False
        if answer.status_code not in (200, 201, 202):
            self.errors.append(f"{answer.status_code} {answer.text[:300]}")
            return True
        self.runs.setdefault(number, set()).add(answer.json()["run"])
        return True

    async def sign_in(self) -> None:
        """Sign in again and again: a store that is away is no wrong password and no fault of ours."""
        form, own = {"name": "ana", "password": PASSWORD}, {"Sec-Fetch-Site": "same-origin"}
        async with httpx2.AsyncClient(base_url=self._url, trust_env=False, timeout=10) as client:
            while True:
                try:
                    answer = await client.post("/sign-in", data=form, headers=own)
                    self.sign_ins[answer.status_code] += 1
                    if answer.status_code not in (303, *MAY_BE_REPEATED) or "Traceback" in answer.text:
                        self.errors.append(f"sign-in: {answer.status_code} {answer.text[:300]}")
                except httpx2.HTTPError:
                    self.sign_ins[0] += 1
                await asyncio.sleep(0.1)


async def work(clients: Clients) -> None:
    """Let the clients start runs, and a person sign in meanwhile."""
    observer = asyncio.create_task(clients.sign_in())
    await asyncio.gather(*(clients.start_runs() for _ in range(CLIENTS)))
    observer.cancel()


def strike(site: Site, server: PostgresServer, number: int) -> None:
    """Kill one of three."""
    role = ("server", "web", "worker")[number % 3]
    if role == "server":
        server.kill()
        server.start()
    else:
        for process in site.live(role):
            os.kill(process["pid"], signal.SIGKILL)


def test_starts_by_the_api_count_once_whatever_is_killed(site: Site, server: PostgresServer) -> None:
    """Each key has one run, each run ends, every refusal says when to come again, and nothing answers with a fault of ours."""
    site.up()
    site.until(site.is_whole, "it is not whole")
    clients = Clients(f"http://127.0.0.1:{site.port}", token_of(site.env["MAINSPRING_STORE_URL"]))
    working = threading.Thread(target=lambda: asyncio.run(work(clients)), daemon=True)
    working.start()
    for number in range(KILLS):  # in this thread: the server ends with the thread that started it
        least = (number + 1) * COUNT // (KILLS + 2)
        site.until(lambda least=least: len(clients.runs) >= least or not working.is_alive(), "no run is started")
        strike(site, server, number)
    working.join(600)
    assert not working.is_alive()
    assert clients.errors == []
    assert {number: len(runs) for number, runs in clients.runs.items()} == dict.fromkeys(range(COUNT), 1)
    assert 500 not in clients.statuses
    assert clients.sign_ins[303] > 0, clients.sign_ins
    assert sum(clients.statuses[status] for status in (0, *MAY_BE_REPEATED)) > 0, "no fault was felt"
    started_runs = {run for runs in clients.runs.values() for run in runs}
    open_runs = "select id from runs where finished_at is null and trigger = 'api:bot'"
    site.until(lambda: not rows(server, site, open_runs), "runs do not end")
    assert set(rows(server, site, "select id from runs where trigger = 'api:bot'")) == started_runs


def rows(server: PostgresServer, site: Site, text: str) -> list[str]:
    """Return the first column of what the store answers."""
    schema = site.env["MAINSPRING_STORE_URL"].partition("?schema=")[2]
    with psycopg.connect(server.url("postgres"), options=f"-csearch_path={schema}") as line:
        return [str(row[0]) for row in line.execute(text.encode()).fetchall()]
