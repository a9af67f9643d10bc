"""Someone who is notified: a real HTTP server that takes signed webhooks as `[notify]` sends them."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_KEY = base64.b64encode(b"a key that only the test knows").decode()


class Receiver:
    """`messages` = what was taken, in order, a repeated id once; `status` = what it answers."""

    def __init__(self) -> None:
        self.status = 200
        self.messages: list[dict[str, Any]] = []
        self._ids: set[str] = set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                if len(body) < length:  # its sender was killed within the request: nothing was taken
                    self.close_connection = True
                    return
                outer.take(self.headers["webhook-id"], body)
                self.send_response(outer.status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def settings(self) -> dict[str, str]:
        """The variables that make it a channel."""
        port = self._server.server_port
        return {
            "MAINSPRING_NOTIFY_CHANNELS__OPS": f"webhook+http://127.0.0.1:{port}/told?secret=told",
            "MAINSPRING_SECRET_TOLD": f"whsec_{_KEY}",
        }

    def take(self, id: str, body: bytes) -> None:
        """Take a message, if this is how it is answered."""
        if self.status == 200 and id not in self._ids:
            self._ids.add(id)
            self.messages.append(json.loads(body))

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()
