"""Connections to the listener of webhooks: whoever asks slowly, or for nothing, gives way to whoever asks.

A head has to be whole in time, a connection between two requests may rest for longer than proxies let it, and where there are too many of
them the oldest that is not being answered is closed for the newest.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_WITHIN_S = 10.0
KEEP_ALIVE_S = 75
"""Longer than the 60 seconds of most proxies: else they would use a connection that we are just closing."""
MOST_CONNECTIONS = 512
LONGEST_HEAD = 64 * 1024
"""Bytes before a request is no HTTP any more: above what its headers may have, so that these are refused in words (431)."""


class HookProtocol(H11Protocol):
    """HTTP/1.1 on one connection."""

    _giving_up: asyncio.TimerHandle | None = None
    opened = 0.0
    """When the connection was opened, by the loop's clock."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Make room where there is none, and begin to wait for a request."""
        if len(self.connections) >= MOST_CONNECTIONS:
            self._make_room()
        self.opened = self.loop.time()
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Let a request take only so long from its first byte to the end of its head."""
        if self.is_between and self._giving_up is None:
            self._await_head()
        super().data_received(data)
        if not self.is_between:
            self._stop_waiting()

    @property
    def is_between(self) -> bool:
        """Whether no request is being answered."""
        cycle: Any = self.cycle
        return cycle is None or bool(cycle.response_complete)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is lost with this connection but what its sender did not send in time."""
        return self.is_between or bool(self.cycle.more_body)

    def _make_room(self) -> None:
        """Close the connection that was opened first among those that are not being answered."""
        idle: list[Any] = [one for one in self.connections if isinstance(one, HookProtocol) and one.is_idle]
        if idle:
            min(idle, key=lambda one: one.opened).close_now()

    def close_now(self) -> None:
        """Close it, whatever it waits for."""
        self.connections.discard(self)
        self.transport.abort()

    def _await_head(self) -> None:
        self._giving_up = self.loop.call_later(HEAD_WITHIN_S, self.close_now)

    def _stop_waiting(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None
