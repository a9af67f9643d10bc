"""A target of HTTP actions on loopback: orders with and without idempotency keys, statuses, redirects, pages, and a file that can stall.

Each effect is a line of the file `record`, which no route reads: a check asks the memory of the server.
"""

import contextlib
import http.server
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

STALL_S = 30.0


class Target(http.server.ThreadingHTTPServer):
    """The server. `requests` = (method, path, headers) of each request; `stall_at` = bytes of the file after which it stalls once.

    `refusals` = orders that are refused once; `statuses` = those of the next orders, which are performed.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, record: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.record = record
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.keys: dict[str, int] = {}
        self.orders: dict[int, int] = {}
        self.refusals: list[int] = []
        self.statuses: list[int] = []
        self.file = b""
        self.etag = '"v1"'
        self.stall_at: int | None = None
        self.range_shift = 0
        self.has_stalled, self.released = threading.Event(), threading.Event()
        self.job_polls = 0
        self.accepted: frozenset[str] = frozenset()
        self.lock = threading.Lock()

    @property
    def base(self) -> str:
        """The address."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request, client_address):
        """Clients that go away are part of the tests."""

    def order(self, number: int, key: str | None) -> None:
        """Perform the effect, unless its key was used."""
        with self.lock:
            if key is None or key not in self.keys:
                with self.record.open("a", encoding="utf-8") as file:
                    file.write(f"{number}\n")
            if key is not None:
                self.keys[key] = number
            self.orders[number] = self.orders.get(number, 0) + 1


class Handler(http.server.BaseHTTPRequestHandler):
    """The routes."""

    protocol_version = "HTTP/1.1"
    server: Target

    def log_message(self, *_):
        """Print nothing."""

    def do_GET(self):
        """Answer any method."""
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.requests.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
        name, _, rest = parts.path.strip("/").partition("/")
        getattr(self, f"route_{name}")(rest, query, body)

    do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = do_GET

    def answer(self, status, data=b"", **headers):
        """Send a response."""
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        for header, value in {"content_type": "application/json", "content_length": str(len(body)), **headers}.items():
            self.send_header(header.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def route_orders(self, rest, query, body):
        """POST performs an effect; GET tells whether it is there."""
        if self.command == "GET":
            found = self.server.orders.get(int(rest))
            self.answer(404 if found is None else 200, {"number": int(rest)})
            return
        number = json.loads(body)["number"]
        if number in self.server.refusals:
            self.server.refusals.remove(number)
            self.answer(429)
            return
        key = self.headers.get("idempotency-key") if query.get("dedupes") else None
        self.server.order(number, key)
        if query.get("lost"):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        status = self.server.statuses.pop(0) if self.server.statuses else int(query.get("status", 201))
        self.answer(status, {"number": number})

    def route_guarded(self, rest, query, body):
        """Refuse all but one bearer token."""
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        is_valid = token in (self.server.accepted or {rest})
        self.answer(200 if is_valid else 401, {"accepted": is_valid})

    def route_list(self, rest, query, body):
        """Return the numbers of all orders."""
        self.answer(200, sorted(self.server.orders))

    def route_status(self, rest, query, body):
        """Answer a status."""
        headers = {"retry_after": query["after"]} if "after" in query else {}
        self.answer(int(rest), query.get("text", "").encode(), **headers, set_cookie="session=abcdef123456")

    def route_echo(self, rest, query, body):
        """Return what was sent."""
        self.answer(200, {"headers": dict(self.headers), "path": self.path, "body": body.decode("latin-1")})

    def route_binary(self, rest, query, body):
        """Return bytes that are not text."""
        self.answer(200, b"\xff\x00\xfe", content_type="application/octet-stream")

    def route_redirect(self, rest, query, body):
        """Redirect `rest` times, then to `to`."""
        left = int(rest)
        to = query.get("to", "/echo") if left <= 1 else f"/redirect/{left - 1}?to={query.get('to', '/echo')}"
        self.answer(int(query.get("status", 302)), location=to)

    def route_slow(self, rest, query, body):
        """Send a byte, and then nothing."""
        self.send_response(200)
        self.send_header("content-length", "10")
        self.end_headers()
        self.wfile.write(b"x")
        self.wfile.flush()
        self.server.released.wait(STALL_S)

    def route_pages(self, rest, query, body):
        """Three pages, with a Link header or a field `next`."""
        page = int(query.get("page", 1))
        data = {"items": [page * 10, page * 10 + 1], "next": f"/pages?page={page + 1}" if page < 3 else None}
        more = {"link": f'</pages?page={page + 1}>; rel="next"'} if page < 3 else {}
        self.answer(200, data, **more)

    def route_job(self, rest, query, body):
        """Done at the third poll; the second is overload."""
        self.server.job_polls += 1
        if self.server.job_polls == 2:
            self.answer(503, retry_after="0")
            return
        self.answer(200, {"state": "done" if self.server.job_polls >= 3 else "running"})

    def route_file(self, rest, query, body):
        """A file with ranges."""
        data, start = self.server.file, 0
        span = self.headers.get("range")
        if span and self.headers.get("if-range") == self.server.etag:
            start = int(span.removeprefix("bytes=").rstrip("-"))
        if start > len(data):
            self.answer(416)
            return
        part = data[start:]
        self.send_response(206 if start else 200)
        self.send_header("etag", self.server.etag)
        self.send_header("content-length", str(len(part)))
        if start:
            self.send_header("content-range", f"bytes {start + self.server.range_shift}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        stall_at, self.server.stall_at = self.server.stall_at, None
        if stall_at is None:
            self.wfile.write(part)
            return
        self.wfile.write(part[:stall_at])
        self.wfile.flush()
        self.server.has_stalled.set()
        self.close_connection = True
        self.server.released.wait(STALL_S)


@contextlib.contextmanager
def serve_target(record: Path) -> Iterator[Target]:
    """Serve until the end of the block."""
    with Target(record) as target:
        thread = threading.Thread(target=target.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield target
        finally:
            target.released.set()
            target.shutdown()
            thread.join()
