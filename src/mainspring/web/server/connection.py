"""One HTTP connection of a listener, and the limits of all its connections: slow and idle ones are closed for new ones.

A head must be complete in time. A client must read its response, or the connection is aborted. If there are too many connections, or too
many of one address, the oldest idle one is closed for the newest.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from mainspring.service.access.sign_in_throttle import address_group

HEAD_WITHIN_S = 10.0
WRITE_WITHIN_S = 10.0
"""A client that read nothing between two checks, this far apart, is disconnected."""
ABORT_KEY = "mainspring.abort"
"""The key of a function in the scope of a request, which aborts its connection: the client sees that the response is not complete."""
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: the kernel drops unread data and resets the connection."""


class ConnectionLimits:
    """The connections of one listener; called in the loop's thread.

    `most` = connections at a time; `most_of_address` = of one address (of IPv6: of one /64). `is_proxy` names proxies: only the first limit
    applies to them. If no connection is idle, up to twice as many as `most` are accepted.
    """

    def __init__(
        self, most: int, most_of_address: int, is_proxy: Callable[[str], bool] = lambda address: False
    ) -> None:
        self.most = most
        self.most_of_address = most_of_address
        self._is_proxy = is_proxy
        self._groups: dict[str, dict[HttpConnection, None]] = {}
        self._count = 0
        self._pipelined: deque[HttpConnection] = deque()

    def protocol(self, *args: Any, **options: Any) -> "HttpConnection":
        """Return a new connection of this listener, for uvicorn."""
        return HttpConnection(self, *args, **options)

    def add(self, connection: "HttpConnection") -> str:
        """Count a new connection; close another one, or this one, if there are too many. Return its group."""
        peer = connection.transport.get_extra_info("peername")
        address = str(peer[0]) if isinstance(peer, tuple) else ""
        group = address_group(address)
        members = self._groups.setdefault(group, {})
        members[connection] = None
        self._count += 1
        if len(members) > self.most_of_address and not self._is_proxy(address):
            (_find_oldest_idle(members) or connection).close_now()
        elif self._count > self.most:
            self._close_idle_of_largest(connection)
        return group

    def remove(self, connection: "HttpConnection", group: str) -> None:
        """Forget a connection that is closed."""
        members = self._groups.get(group, {})
        if connection in members:
            del members[connection]
            self._count -= 1
        if not members:
            self._groups.pop(group, None)

    def resume_in_turn(self, connection: "HttpConnection") -> None:
        """Let a connection start its next request, which it sent before the last one was answered: one connection per turn of the loop.

        So clients that pipeline requests take turns with each other, and do not delay those that send one.
        """
        self._pipelined.append(connection)
        if len(self._pipelined) == 1:
            connection.loop.call_soon(self._resume_first)

    def _resume_first(self) -> None:
        connection = self._pipelined[0]
        try:
            connection.resume()
        finally:
            self._pipelined.popleft()
            if self._pipelined:
                connection.loop.call_soon(self._resume_first)

    def _close_idle_of_largest(self, newest: "HttpConnection") -> None:
        """Close an idle connection of the address that has the most."""
        for members in sorted(self._groups.values(), key=len, reverse=True):
            idle = _find_oldest_idle(members)
            if idle is not None and idle is not newest:
                idle.close_now()
                return
        if self._count > 2 * self.most:
            newest.close_now()


def _find_oldest_idle(members: "dict[HttpConnection, None]") -> "HttpConnection | None":
    return next((connection for connection in members if connection.is_idle), None)


class HttpConnection(H11Protocol):
    """An HTTP/1.1 connection."""

    def __init__(self, limits: ConnectionLimits, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._limits = limits
        self._inner_app = self.app
        self.app = self._answer
        self._group = ""
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._is_completing = self._is_queued = False
        self._unread = float("inf")
        """Bytes that the client had not read at the last check."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Close another connection if there are too many, then wait for a request."""
        super().connection_made(transport)
        self._await_head()
        self._check_later()
        self._group = self._limits.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        self._stop_waiting()
        if self._write_timer is not None:
            self._write_timer.cancel()
        self._limits.remove(self, self._group)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Limit the time from the first byte of a request to the end of its head."""
        if self.is_between and self._head_timer is None:
            self._await_head()
        super().data_received(data)
        if not self.is_between:
            self._stop_waiting()

    def resume_writing(self) -> None:
        """Note that the client reads: what it has not read now was written later, so the next check cannot compare it."""
        self._unread = float("inf")
        super().resume_writing()

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        scope[ABORT_KEY] = self.close_now
        await self._inner_app(scope, receive, send)

    def on_response_complete(self) -> None:
        """Queue for the next request if the client has sent it already."""
        self._is_completing = True
        try:
            super().on_response_complete()
        finally:
            self._is_completing = False

    def handle_events(self) -> None:
        """Handle the received events, unless the connection has to wait for its turn."""
        if self._is_completing and self.conn.trailing_data[0]:
            self._is_queued = True
            self._limits.resume_in_turn(self)
        elif not self._is_queued:
            super().handle_events()

    def resume(self) -> None:
        """Start the next request, if the client is still connected."""
        self._is_queued = False
        if not self.transport.is_closing():
            super().handle_events()

    @property
    def is_between(self) -> bool:
        """Whether no request is being answered."""
        cycle: Any = self.cycle
        return cycle is None or bool(cycle.response_complete)

    @property
    def is_idle(self) -> bool:
        """Whether the server waits for the client: for a request, for the rest of one, or to read a response."""
        return self.is_between or bool(self.cycle.more_body) or self.flow.write_paused

    def close_now(self) -> None:
        """Close it, whatever it waits for; unread data is dropped."""
        self._limits.remove(self, self._group)
        self.connections.discard(self)
        has_unread = self.transport.get_write_buffer_size() > 0
        connection_socket = self.transport.get_extra_info("socket")
        if has_unread and connection_socket is not None:
            connection_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_WITHIN_S, self.close_now)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _check_later(self) -> None:
        self._write_timer = self.loop.call_later(WRITE_WITHIN_S, self._check_writes)

    def _check_writes(self) -> None:
        """Abort the connection if the client has read nothing since the last check. This includes a closed connection with unread data."""
        unread = self.transport.get_write_buffer_size()
        if unread and unread >= self._unread:
            self.close_now()
            return
        self._unread = unread or float("inf")
        self._check_later()
