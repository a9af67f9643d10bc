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
server gets the commit when `deliver` is called. `silent`: no one hears of anyone any more, and the line stays open. `half`: the server's
side ends its sending."""

Held = Literal["commit", "half", "answer"]
"""What the line keeps until `deliver`: the commit; its second half; or, after it was done, its answer."""

_SYNC = b"S\0\0\0\x04"
"""With this a client ends what it sends at once."""
_COMMITTED = b"COMMIT\0"
_LEAVE = b"X\0\0\0\x04"
"""The last that a client says."""


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
        self._to_hold: tuple[int, Held] | None = None
        self.holds = threading.Event()
        """Set when something is kept."""
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

    def hold(self, port: int, point: Held) -> None:
        """Keep this of what the client sends next on the connection that the server knows by this port of its client's."""
        self._late.clear()
        self.holds.clear()
        self._to_hold = (port, point)

    def deliver(self) -> None:
        """Let what was held back reach the server."""
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
                    if source is client and self._to_hold is not None and self._to_hold[0] == server.getsockname()[1]:
                        self._keep(client, server, data)
                        return
                    # One that only takes leave is not the one that commits: its last word may be read late.
                    if source is client and self._armed and data != _LEAVE:
                        self._break(client, server, data)
                        return
                    (server if source is client else client).sendall(data)

    def _keep(self, client: socket.socket, server: socket.socket, data: bytes) -> None:
        assert self._to_hold is not None
        (_, point), self._to_hold = self._to_hold, None
        while _SYNC not in data:
            data += client.recv(65_536)
        early = {"commit": 0, "half": len(data) // 2, "answer": len(data)}[point]
        server.sendall(data[:early])
        if point == "answer":
            answer = b""
            while _COMMITTED not in answer:
                answer += server.recv(65_536)
        self.holds.set()
        self._late.wait(60)
        server.sendall(data[early:])

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
