"""A real web process under attack by slow clients: what the short and the long form of these attacks stand on."""

import asyncio

from mainspring.domain.access.passwords import ScryptCost
from mainspring.domain.access.permissions import Role
from mainspring.domain.clock import SystemClock
from mainspring.service.access import people
from mainspring.service.actor import Actor, operation_context
from mainspring.store.sqlite.store import SqliteStore
from mainspring.web.pages.assets import Assets
from tests import slow_clients
from tests.acceptance.test_roles import Site

PASSWORD = "correct horse battery"
HOST = "127.0.0.1"
_SIGN_IN = f"name=ana&password={PASSWORD.replace(' ', '+')}".encode()


class Attacked:
    """The web process of a project, with a person and a token in it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        site.up("--role", "web")
        site.until(lambda: site.get("/readyz")[0], "the web process did not come")
        site.until(lambda: site.call("workers", "list"), "the store was not opened")
        self.token = self._people()
        self.hooks = int(site.env["MAINSPRING_HOOKS_BIND"].rpartition(":")[2])
        self.asset = Assets().path("pages.js")

    def _people(self) -> str:
        clock = SystemClock()
        store = SqliteStore(self.site.folder / "s.db", clock=clock)
        store.open()
        try:
            ana = Actor.web("ana")
            people.add_person(
                store,
                "ana",
                Role.ADMIN,
                None,
                PASSWORD,
                clock=clock,
                act=operation_context(ana, clock),
                cost=ScryptCost(log_n=4),
            )
            return people.make_token(
                store, "bot", Role.VIEWER, None, None, clock=clock, act=operation_context(ana, clock)
            )
        finally:
            store.close()

    @property
    def api(self) -> bytes:
        """A request that a program makes."""
        return self._request("GET", "/api/v1/runs", f"Authorization: Bearer {self.token}\r\n")

    @property
    def sign_in(self) -> bytes:
        """A form that a browser sends."""
        more = f"Sec-Fetch-Site: same-origin\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(_SIGN_IN)}\r\n"
        return self._request("POST", "/sign-in", more) + _SIGN_IN

    def _request(self, method: str, path: str, more: str) -> bytes:
        return f"{method} {path} HTTP/1.1\r\nHost: {HOST}:{self.site.port}\r\nConnection: close\r\n{more}\r\n".encode()

    @property
    def health(self) -> bytes:
        """A probe."""
        return self._request("GET", "/healthz", "")

    def pipelined(self, path: str) -> bytes:
        """A request that one that never reads sends again and again."""
        return f"GET {path} HTTP/1.1\r\nHost: {HOST}:{self.site.port}\r\n\r\n".encode()


def ask_under_attack(requests: list[bytes], port: int, request: bytes, seconds: float) -> tuple[list[int], list[float]]:
    """Return the statuses and times of a genuine client while one attacker for each of `requests` sends it and reads nothing."""

    async def go() -> tuple[list[int], list[float]]:
        return await slow_clients.ask_while(HOST, port, request, asyncio.get_running_loop().time() + seconds, 0.05)

    with slow_clients.attackers(HOST, port, seconds, requests):
        return asyncio.run(go())


def sign_in_under_forms(
    attacked: Attacked, seconds: float, per_second: float
) -> tuple[list[int], list[int], list[float]]:
    """Return the statuses of a person's sign-ins, and statuses and times of a program, while strangers begin forms and never end them."""

    async def go() -> tuple[list[int], list[int], list[float]]:
        until = asyncio.get_running_loop().time() + seconds
        port = attacked.site.port
        attack = asyncio.ensure_future(slow_clients.send_unfinished_forms(HOST, port, until, per_second))
        programs = asyncio.ensure_future(slow_clients.ask_while(HOST, port, attacked.api, until, 0.1))
        signed_in, _ = await slow_clients.ask_while(HOST, port, attacked.sign_in, until, 1.0)
        statuses, times = await programs
        await attack
        return signed_in, statuses, times

    return asyncio.run(go())


def ask_with_idle_clients(port: int, request: bytes, seconds: float, count: int) -> tuple[list[int], list[float]]:
    """Return the statuses and times of a genuine client while so many connections are held that ask for nothing."""

    async def go() -> tuple[list[int], list[float]]:
        held = asyncio.Event()
        attack = asyncio.ensure_future(slow_clients.hold_idle(HOST, port, count, held))
        await held.wait()
        answers = await slow_clients.ask_while(HOST, port, request, asyncio.get_running_loop().time() + seconds, 0.1)
        attack.cancel()
        await asyncio.wait([attack])
        return answers

    return asyncio.run(go())
