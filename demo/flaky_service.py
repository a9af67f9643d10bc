"""A flaky service: a small HTTP server in its own process that fails as real ones do. `python -m demo.flaky_service` prints its address.

For some days the first call is refused with 503 and Retry-After, or its connection is reset before an answer, or the day is stored and the
answer comes after the time limit of the caller. The service counts calls by their idempotency key.
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
"""Seconds before a late answer; the caller waits for 1.0."""


class FlakyService(ThreadingHTTPServer):
    """The stored days, and how often each failure was made."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.days: dict[str, dict[str, Any]] = {}
        self.calls: dict[str, int] = {}
        self.counts = {"calls": 0, "refused": 0, "reset": 0, "late": 0, "repeated": 0}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a caller that closed its connection."""


class Handler(BaseHTTPRequestHandler):
    """GET / returns the counts; POST /days stores a day."""

    server: FlakyService

    def do_GET(self) -> None:
        """Return the counts."""
        with self.server.lock:
            days = self.server.days.values()
            data = {**self.server.counts, "days": len(days), "flights": sum(day["flights"] for day in days)}
        self._answer(200, data)

    def do_POST(self) -> None:
        """Store a day, or fail."""
        service, key = self.server, self.headers["Idempotency-Key"]
        day = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with service.lock:
            service.calls[key] = service.calls.get(key, 0) + 1
            bucket = zlib.crc32(day["file"].encode()) % 16 if service.calls[key] == 1 else None
            failure = {0: "refused", 1: "refused", 2: "reset", 3: "late"}.get(bucket if bucket is not None else -1)
            service.counts["calls"] += 1
            if failure is not None:
                service.counts[failure] += 1
            if failure in ("late", None):
                service.counts["repeated"] += key in service.days
                service.days[key] = day
        if failure == "refused":
            self._answer(503, {"error": "busy"}, ("Retry-After", "1"))
        elif failure == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        else:
            time.sleep(_LATE if failure == "late" else 0)
            self._answer(200, {"ok": True})

    def _answer(self, status: int, data: dict[str, Any], *headers: tuple[str, str]) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        for name, value in (("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: the demo prints the counts."""


def main() -> None:
    """Serve until the parent process ends."""
    service = FlakyService()
    print(f"http://127.0.0.1:{service.server_address[1]}", flush=True)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    sys.stdin.read()  # ends when the parent ends, in any way


if __name__ == "__main__":
    main()
