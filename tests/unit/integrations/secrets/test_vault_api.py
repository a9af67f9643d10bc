"""Answers that a real Vault gives seldom or never: of proxies, of other programs, of a standby node."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mainspring.domain.errors import SecretProviderError
from mainspring.integrations.secret_providers import ProviderPlace, open_providers

TOKEN = "canary-token-91d2"


class Server(http.server.ThreadingHTTPServer):
    """Gives one answer to each request, and another to the look-up of the token; keeps the tokens that it got."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.body = 200, b""
        self.lookup_status = 200
        self.headers: dict[str, str] = {}
        self.requests: list[str] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(f"{self.path} {self.headers['x-vault-token']}")
        is_lookup = self.path.endswith("lookup-self")
        body = b'{"data": {"ttl": 0}}' if is_lookup else self.server.body
        self.send_response(self.server.lookup_status if is_lookup else self.server.status)
        for name, value in {} if is_lookup else self.server.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.02,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body", "problem", "is_transient"),
    [
        (307, b"", r"redirects \(307\), which is not followed", True),
        (301, b"", r"redirects \(301\)", False),
        (429, b'{"errors": []}', "answers 429", True),
        (502, b"<html>bad gateway</html>", "answers 502", True),
        (503, b'{"errors": ["Vault is sealed"]}', "is sealed", True),
        (405, b'{"errors": ["unsupported"]}', "answers 405", False),
        (200, b"<html>sign in</html>", r"does not answer like a Vault \(200, no JSON\)", False),
        (404, b"<html>not found</html>", r"does not answer like a Vault \(404, no JSON\)", False),
        (200, b"[1, 2]", "does not answer like a Vault", False),
        (400, b'{"errors": ["x"]}', "no KV engine of version 2", False),
        (200, b'{"data": "' + b"x" * 1_100_000 + b'"}', "more than 1,048,576 bytes", False),
    ],
)
def test_answer_of_another_program_is_never_a_missing_secret(server, status, body, problem, is_transient):
    """The error says whether it passes; the token goes to the named server only, and not into the error."""
    server.status, server.body = status, body
    other = f"http://localhost:{server.server_port}/v1/stolen"
    server.headers = {"location": other} if status in (301, 307) else {}
    place = ProviderPlace(Path("/nonexistent"), {"BAO_TOKEN": TOKEN}, lambda: 0)
    (provider,) = open_providers([f"vault:http://127.0.0.1:{server.server_port}/kv/billing"], place)
    with closing(provider):
        with pytest.raises(SecretProviderError, match=problem) as error:
            provider.read("A")
        assert error.value.transient == is_transient
        assert error.value.hint
        assert TOKEN not in str(error.value)
    assert not any("stolen" in request for request in server.requests)
    assert f"/v1/kv/data/billing/A {TOKEN}" in server.requests


@pytest.mark.parametrize("status", [307, 429, 503])
def test_lease_that_is_not_known_during_an_outage_is_read_afterwards(server, status):
    """Otherwise it would never be renewed, and end with its lease."""
    server.body = b'{"data": {"data": {"value": "x"}, "metadata": {"version": 1}}}'
    place = ProviderPlace(Path("/nonexistent"), {"BAO_TOKEN": TOKEN}, lambda: 0)
    (provider,) = open_providers([f"vault:http://127.0.0.1:{server.server_port}/kv/billing"], place)
    with closing(provider):
        server.lookup_status = status
        with pytest.raises(SecretProviderError) as error:
            provider.read("A")
        assert error.value.transient
        server.lookup_status = 200
        assert provider.read("A").value == "x"
    assert sum("lookup-self" in request for request in server.requests) == 2


def test_token_that_may_not_read_its_own_lease_is_used(server):
    """A policy may forbid it; such a token is never renewed."""
    server.lookup_status = 403
    server.body = b'{"data": {"data": {"value": "x"}, "metadata": {"version": 1}}}'
    place = ProviderPlace(Path("/nonexistent"), {"BAO_TOKEN": TOKEN}, lambda: 0)
    (provider,) = open_providers([f"vault:http://127.0.0.1:{server.server_port}/kv/billing"], place)
    with closing(provider):
        assert provider.read("A").value == "x"
