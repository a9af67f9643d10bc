"""Broker connections for sending: one per queue, opened when needed, closed when idle or failed."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping

from mainspring.domain.triggers.queues.queue_address import BrokerServer
from mainspring.domain.triggers.queues.queue_source import BrokerQueue
from mainspring.integrations.base.broker import QueueSource
from mainspring.integrations.base.queue_address import resolve_server
from mainspring.integrations.brokers import open_source, parse_broker_queue, resolve_queue_address

CONNECT_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 2.0
_MAX_IDLE = 64
_IDLE_S = 60.0

SourceOpener = Callable[[BrokerQueue, BrokerServer, str | None], QueueSource]


class BrokerConnections:
    """Keeps connections. `brokers` = addresses by name; `secret` returns the value of a secret. One task uses a connection at a time."""

    def __init__(
        self, brokers: Mapping[str, str], secret: Callable[[str], str], *, opens: SourceOpener = open_source
    ) -> None:
        self._brokers = brokers
        self._secret = secret
        self._opens = opens
        self._connections: dict[str, tuple[QueueSource, float]] = {}

    async def take(self, queue: str) -> QueueSource:
        """Return an open connection to a queue; then `give_back` or `drop` it.

        Raises:
            ConfigError: its broker is not configured here, a secret is not set, a library is not installed.
            OptionError, UnknownNameError: the address is invalid. And all that the broker's library raises.
        """
        known = self._connections.pop(queue, None)
        if known is not None:
            return known[0]
        address = parse_broker_queue(resolve_queue_address(queue, self._brokers))
        source = self._opens(address, resolve_server(address.server, self._secret), None)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await source.connect()
        except BaseException:
            await self.drop(source)
            raise
        return source

    def give_back(self, queue: str, source: QueueSource) -> None:
        """Keep a connection for the next use. It closes none: the caller holds a lease, and closing may take long."""
        self._connections[queue] = source, time.monotonic()

    async def drop(self, source: QueueSource) -> None:
        """Close a failed connection, with a time limit, because the broker may be unreachable."""
        with contextlib.suppress(Exception):
            async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                await source.close()

    async def tidy(self) -> None:
        """Close idle connections, and the longest idle ones of too many; all at once, within the time limit of one."""
        before = time.monotonic() - _IDLE_S
        idle: list[QueueSource] = []
        for queue, (source, since) in list(self._connections.items()):
            if since < before or len(self._connections) > _MAX_IDLE:
                del self._connections[queue]
                idle.append(source)
        await asyncio.gather(*(self.drop(source) for source in idle))

    async def close(self) -> None:
        """Close all connections."""
        connections, self._connections = self._connections, {}
        await asyncio.gather(*(self.drop(source) for source, _ in connections.values()))
