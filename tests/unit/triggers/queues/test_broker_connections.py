"""Links to brokers of the test: which are kept, which are closed, and that none that hangs holds up the others."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from mainspring.triggers.queues import broker_connections
from mainspring.triggers.queues.broker_connections import BrokerConnections

pytestmark = pytest.mark.asyncio


class Link:
    """Closes once it may."""

    def __init__(self, may_close: asyncio.Event) -> None:
        self.may_close = may_close
        self.requests = False

    async def connect(self) -> None:
        pass

    async def close(self) -> None:
        self.requests = True
        await self.may_close.wait()


@contextlib.asynccontextmanager
async def links(many: int) -> AsyncIterator[tuple[BrokerConnections, list[Link], asyncio.Event]]:
    """Give so many links that were used and given back, and what lets them be closed."""
    may_close, opened = asyncio.Event(), list[Link]()

    def opens(*_: object) -> Link:
        opened.append(Link(may_close))
        return opened[-1]

    found = BrokerConnections({"b": "redis://h/0"}, lambda name: name, opens=opens)  # type: ignore[arg-type]
    for name, link in [(f"b/q{number}", await found.take(f"b/q{number}")) for number in range(many)]:
        found.give_back(name, link)
    try:
        yield found, opened, may_close
    finally:
        may_close.set()
        await found.close()


async def test_giving_back_waits_for_no_other_link() -> None:
    """Anyone who gives a link back holds a lease: even one too many is closed by someone else, later."""
    async with links(70) as (found, opened, may_close):
        assert not any(link.requests for link in opened)
        may_close.set()
        await found.tidy()
        assert [link.requests for link in opened] == [True] * 6 + [False] * 64


async def test_links_that_hang_are_released_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound of one is the bound of all."""
    monkeypatch.setattr(broker_connections, "_CLOSE_TIMEOUT_S", 0.5)
    monkeypatch.setattr(broker_connections, "_IDLE_S", -1.0)
    async with links(60) as (found, opened, _):
        async with asyncio.timeout(60):  # one after the other they would take longer
            await found.tidy()
        assert all(link.requests for link in opened)
