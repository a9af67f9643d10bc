"""The desk: a small HTTP service in its own process that fails as real ones do. `python -m demo.desk` prints its address and serves.

Of the first calls about a day some are refused with 503 and Retry-After, some connections are reset before an answer, some are taken
down and then answered so late that the caller has given up. It counts how often each idempotency key was taken down.
"""

import json
import socket
import struct
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_LATE = 1.5
"""Seconds; the caller waits for 1.0."""


class Desk(ThreadingHTTPServer):
    """What was taken down, and how often each trouble was made."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.days: dict[str, dict[str, Any]] = {}
        self.calls: dict[str, int] = {}
        self.counts = {"calls": 0, "refused": 0, "reset": 0, "late": 0, "repeated": 0}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that went away is no news."""


class Handler(BaseHTTPRequestHandler):
    """GET / tells the figures; POST /days takes a day down."""

    server: Desk

    def do_GET(self) -> None:
        """Tell the figures."""
        with self.server.lock:
            days = self.server.days.values()
            data = {**self.server.counts, "days": len(days), "flights": sum(day["flights"] for day in days)}
        self._answer(200, data)

    def do_POST(self) -> None:
        """Take a day down, or fail."""
        desk, key = self.server, self.headers["Idempotency-Key"]
        day = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with desk.lock:
            desk.calls[key] = desk.calls.get(key, 0) + 1
            trouble = zlib.crc32(day["file"].encode()) % 16 if desk.calls[key] == 1 else None
            what = {0: "refused", 1: "refused", 2: "reset", 3: "late"}.get(trouble if trouble is not None else -1)
            desk.counts["calls"] += 1
            if what is not None:
                desk.counts[what] += 1
            if what in ("late", None):
                desk.counts["repeated"] += key in desk.days
                desk.days[key] = day
        if what == "refused":
            self._answer(503, {"error": "busy"}, ("Retry-After", "1"))
        elif what == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        else:
            time.sleep(_LATE if what == "late" else 0)
            self._answer(200, {"ok": True})

    def _answer(self, status: int, data: dict[str, Any], *headers: tuple[str, str]) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        for name, value in (("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the demo tells the story."""


def main() -> None:
    """Serve until the one who started this is gone."""
    desk = Desk()
    print(f"http://127.0.0.1:{desk.server_address[1]}", flush=True)
    threading.Thread(target=desk.serve_forever, daemon=True).start()
    sys.stdin.read()  # ends with its parent, however that one ends


if __name__ == "__main__":
    main()
