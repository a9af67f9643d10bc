"""The ticket: the answer of the first request is lost, and the second run finds the ticket at the target."""

import http.server
import json
import threading
from typing import ClassVar

from tests.examples.lab import Lab


class _Tickets(http.server.BaseHTTPRequestHandler):
    """Tickets by alert; the first answer is never sent."""

    tickets: ClassVar[dict[str, list[int]]] = {}
    has_lost = False

    def do_POST(self):
        alert = json.loads(self.rfile.read(int(self.headers["content-length"])))["alert"]
        self.tickets.setdefault(alert, []).append(1 + sum(map(len, self.tickets.values())))
        if not _Tickets.has_lost:
            _Tickets.has_lost = True
            self.close_connection = True
            return
        self._answer(201, {"number": self.tickets[alert][0]})

    def do_GET(self):
        found = self.tickets.get(self.path.rpartition("/")[2])
        self._answer(404, {}) if found is None else self._answer(200, {"number": found[0]})

    def _answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_words):
        """Stay silent."""


def test_alert_has_one_ticket_although_an_answer_was_lost(lab: Lab) -> None:
    """The step is tried again by itself; a second run returns the saved ticket."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Tickets)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    lab.env["TICKET_HOSTS"] = "127.0.0.1"
    try:
        words = ("open_ticket.py", "open-ticket", f"api=http://127.0.0.1:{server.server_port}", "alert=disk-7")
        assert lab.run(*words) == lab.run(*words) == "1"
    finally:
        server.shutdown()
        server.server_close()
    assert _Tickets.tickets == {"disk-7": [1]}
