"""A provider of identities: a real HTTP server on loopback that checks what a client must prove, and can lie."""

import hashlib
import json
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote_plus, urlsplit


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


class OidcProvider:
    """`claims` = what it says of whoever signs in there; `lies` replaces parts of the id token; `says` parts of what it says of itself."""

    def __init__(self, client_id: str, secret: str | None) -> None:
        self.client_id, self.secret = client_id, secret
        self.claims: dict[str, object] = {}
        self.lies: dict[str, object] = {}
        self.says: dict[str, object] = {}
        self.status = 200
        self.answer: bytes | None = None
        self.codes: dict[str, dict[str, str]] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer_to(self, json.dumps(outer.described()).encode())

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
                body = outer.redeem({name: values[0] for name, values in form.items()}, self.headers["authorization"])
                outer.answer_to(self, body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def described(self) -> dict[str, object]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        } | self.says

    def answer_to(self, handler: BaseHTTPRequestHandler, body: bytes | None) -> None:
        data = (body if self.answer is None else self.answer) or b'{"error": "invalid_grant"}'
        handler.send_response(self.status if body is not None else 400)
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def sign_in(self, address: str) -> tuple[str, str]:
        """Be the page that a browser is sent to: return the code and the state that it is sent back with."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert address.startswith(f"{self.issuer}/authorize?")
        assert (asked["response_type"], asked["client_id"]) == ("code", self.client_id)
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = f"code-{len(self.codes)}"
        self.codes[code] = asked
        return code, asked["state"]

    def redeem(self, form: dict[str, str], said: str | None) -> bytes | None:
        """Return the id token for a code, once, to whoever proves to be the client that asked."""
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or form["redirect_uri"] != asked["redirect_uri"]:
            return None
        if encoded(hashlib.sha256(form["code_verifier"].encode()).digest()) != asked["code_challenge"]:
            return None
        if self.secret is not None:
            client, _, secret = b64decode((said or "Basic ").partition(" ")[2]).decode().partition(":")
            proved = (
                (unquote_plus(client), unquote_plus(secret)) if said else (form["client_id"], form.get("client_secret"))
            )
            if proved != (self.client_id, self.secret):
                return None
        now = int(time.time())
        token = {
            "iss": self.issuer,
            "aud": self.client_id,
            "exp": now + 60,
            "iat": now,
            "nonce": asked["nonce"],
            "sub": "1",
        }
        body = {name: value for name, value in (token | self.claims | self.lies).items() if value is not None}
        parts = [encoded(json.dumps(part).encode()) for part in ({"alg": "RS256"}, body)]
        return json.dumps({"id_token": f"{'.'.join(parts)}.c2ln", "token_type": "Bearer"}).encode()
