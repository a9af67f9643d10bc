"""A way to a PostgreSQL server that can be cut: before a commit is sent, after it was done, or with the commit still on its way.

`arm` names what happens to the connection that next passes failpoint `commit.before`; whatever its client sends from there on counts as the
commit.
"""

import contextlib
import select
import socket
import threading
from typing import Literal

Cut = Literal["before", "after", "late", "silent", "half"]
"""`before`: the server never hears of the commit. `after`: it commits, the answer is lost. `late`: the client is cut off at once, and the
server gets the commit when `deliver` is called. `silent`: nobody hears of anybody any more, and the line stays open. `half`: the server's
side ends its sending."""

_SYNC = b"S\0\0\0\x04"
"""With this a client ends what it sends at once."""
_COMMITTED = b"COMMIT\0"


class Proxy:
    """One address in front of a server's port."""

    def __init__(self, port: int) -> None:
        self._server = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._cut: Cut | None = None
        self._armed = False
        self._late = threading.Event()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._silent_after: bytes | None = None
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, cut: Cut) -> None:
        """Cut the next commit this way."""
        self._late.clear()
        self._cut = cut

    def pass_place(self, place: str) -> None:
        """The failpoint hook: from here on the client sends its commit."""
        if place == "commit.before" and self._cut is not None:
            self._armed = True

    def deliver(self) -> None:
        """Let the commit that was held back reach the server."""
        self._late.set()

    def fall_silent(self, after: bytes) -> None:
        """Let each connection that sends this take all that comes from then on, and carry nothing."""
        self._silent_after = after

    def speak(self) -> None:
        """Carry again what new connections send."""
        self._silent_after = None

    def cut_all(self) -> None:
        """Break every connection, wherever it is."""
        for pair in self._pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listening.close()
        self._late.set()
        self.cut_all()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self._server))
                except OSError:
                    client.close()
                    continue
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._pairs.append((client, server))
                threading.Thread(target=self._carry, args=(client, server), daemon=True).start()

    def _carry(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError), client, server:
            while True:
                ready, _, _ = select.select([client, server], [], [])
                for source in ready:
                    data = source.recv(65_536)
                    if not data:
                        return
                    if self._silent_after is not None and self._silent_after in data:
                        while client.recv(65_536):
                            pass
                        return
                    if source is client and self._armed:
                        self._break(client, server, data)
                        return
                    (server if source is client else client).sendall(data)

    def _break(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        cut, self._cut, self._armed = self._cut, None, False
        self.cuts += 1
        if cut == "before":
            return
        if cut == "silent":
            self._late.wait(60)
            return
        if cut == "half":
            client.shutdown(socket.SHUT_WR)
            self._late.wait(60)
            return
        while _SYNC not in data:
            data += client.recv(65_536)
        if cut == "late":
            client.close()
            self._late.wait(30)
        server.sendall(data)
        answer = b""
        while _COMMITTED not in answer:
            more = server.recv(65_536)
            if not more:
                return
            answer += more
