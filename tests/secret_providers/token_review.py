"""The API of Kubernetes that reviews the tokens of service accounts, as a small server; and tokens that it accepts."""

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from joserfc import jwt
from joserfc.jwk import ECKey

_ACCOUNT = "system:serviceaccount:prod:worker"
_KEY = ECKey.generate_key("P-256")


def service_account_token(number: int) -> str:
    """Return a token as a pod has it."""
    account = {"namespace": "prod", "serviceaccount": {"name": "worker", "uid": "u-1"}}
    claims = {"iss": "kubernetes", "sub": _ACCOUNT, "jti": str(number), "kubernetes.io": account}
    return jwt.encode({"alg": "ES256"}, claims, _KEY)


class TokenReviewServer(http.server.ThreadingHTTPServer):
    """It accepts the tokens in `accepted`; `reviewed` = those that it was asked about."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.accepted: set[str] = set()
        self.reviewed: list[str] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    server: TokenReviewServer

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["content-length"])))
        token = review["spec"]["token"]
        self.server.reviewed.append(token)
        is_accepted = token in self.server.accepted and self.path == "/apis/authentication.k8s.io/v1/tokenreviews"
        user = {"username": _ACCOUNT, "uid": "u-1", "groups": ["system:serviceaccounts"]}
        review["status"] = {"authenticated": True, "user": user} if is_accepted else {"authenticated": False}
        body = json.dumps(review).encode()
        self.send_response(201)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


@contextmanager
def review_server() -> Iterator[TokenReviewServer]:
    with TokenReviewServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
