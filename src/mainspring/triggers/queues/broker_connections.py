"""The connections that messages are sent by: one for each queue, opened when it is needed, closed when it was idle or failed."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping

from mainspring.domain.triggers.queues.queue_address import BrokerServer, resolve_server
from mainspring.domain.triggers.queues.queue_name import resolve_queue_address
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.triggers.queues.queue_sources import QueueSource, open_source

CONNECT_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 2.0
_MAX_IDLE = 64
_IDLE_S = 60.0

SourceOpener = Callable[[BrokerQueue, BrokerServer, str | None], QueueSource]


class BrokerConnections:
    """`brokers` = their addresses by name; `secret` returns the value of one. A link is used by one task at a time."""

    def __init__(
        self, brokers: Mapping[str, str], secret: Callable[[str], str], *, opens: SourceOpener = open_source
    ) -> None:
        self._brokers = brokers
        self._secret = secret
        self._opens = opens
        self._links: dict[str, tuple[QueueSource, float]] = {}

    async def take(self, queue: str) -> QueueSource:
        """Return the link to a queue, connected; `give_back` or `drop` it.

        Raises:
            ConfigError: its broker is not configured here, a secret is not set, a library is not installed.
            OptionError, UnknownNameError: the address leads nowhere. And whatever the broker's library raises.
        """
        known = self._links.pop(queue, None)
        if known is not None:
            return known[0]
        where = BrokerQueue.parse(resolve_queue_address(queue, self._brokers))
        source = self._opens(where, resolve_server(where.server, self._secret), None)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await source.connect()
        except BaseException:
            await self.drop(source)
            raise
        return source

    def give_back(self, queue: str, source: QueueSource) -> None:
        """Keep a link for the next time. Closes none: who gives back holds a lease, and a link may take its time to close."""
        self._links[queue] = source, time.monotonic()

    async def drop(self, source: QueueSource) -> None:
        """Close a link that failed; within a bound, for the broker may be away."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await source.close()

    async def tidy(self) -> None:
        """Close what was idle, and the longest idle of too many; all at once, within the bound of one."""
        before = time.monotonic() - _IDLE_S
        idle: list[QueueSource] = []
        for queue, (source, since) in list(self._links.items()):
            if since < before or len(self._links) > _MAX_IDLE:
                del self._links[queue]
                idle.append(source)
        await asyncio.gather(*(self.drop(source) for source in idle))

    async def close(self) -> None:
        """Close all."""
        links, self._links = self._links, {}
        await asyncio.gather(*(self.drop(source) for source, _ in links.values()))
