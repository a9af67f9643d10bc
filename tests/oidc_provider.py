"""A provider of identities: a real HTTP server on loopback that checks what a client must prove, signs what it says, and can lie."""

import hashlib
import hmac
import json
import threading
import time
from base64 import b64decode, urlsafe_b64encode
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

DISCOVERY = "/.well-known/openid-configuration"
_KINDS = {"RS256": (RSAKey, 2_048), "PS256": (RSAKey, 2_048), "ES256": (ECKey, "P-256"), "EdDSA": (OKPKey, "Ed25519")}


def encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


@cache
def key_of(algorithm, name):
    """Return a private key; one pair of RSA is enough for all tests that do not compare two."""
    kind, size = _KINDS[algorithm]
    return kind.generate_key(size, {"kid": name, "alg": algorithm, "use": "sig"})


def public(*keys) -> bytes:
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()


def signed(claims, key, *, algorithm=None, **header) -> str:
    """Return a token; `header` replaces parts of it, and None leaves a part out."""
    given = {"alg": algorithm or key.get("alg"), "kid": key.kid, **header}
    given = {name: value for name, value in given.items() if value is not None}
    return jws.serialize_compact(given, json.dumps(claims).encode(), key, registry=_Careless())


class _Careless(jws.JWSRegistry):
    """Signs by whatever is asked, and whatever the header says."""

    def get_alg(self, name):
        return self.algorithms[name]

    def check_header(self, header):
        pass


def unsigned(claims, header, signature=b"") -> str:
    return f"{encoded(json.dumps(header).encode())}.{encoded(json.dumps(claims).encode())}.{encoded(signature)}"


def _by_public_key(claims, key):
    """What every reader of the public key could sign, where a reader takes the header's word for how."""
    token = unsigned(claims, {"alg": "HS256", "kid": key.kid}).rstrip(".")
    return f"{token}.{encoded(hmac.digest(key.as_pem(private=False), token.encode(), 'sha256'))}"


def _changed(claims, key):
    head, _, signature = signed(claims, key).split(".")
    return f"{head}.{encoded(json.dumps(claims | {'groups': ['ops']}).encode())}.{signature}"


FORGERIES = {
    "another key under its name": lambda claims, key: signed(claims, key_of(key.get("alg"), "another"), kid=key.kid),
    "a key that it does not show": lambda claims, key: signed(claims, key_of(key.get("alg"), "another")),
    "a key of its own header": lambda claims, key: signed(
        claims, key_of(key.get("alg"), "another"), jwk=key_of(key.get("alg"), "another").as_dict(private=False)
    ),
    "none": lambda claims, key: unsigned(claims, {"alg": "none", "kid": key.kid}),
    "None": lambda claims, key: unsigned(claims, {"alg": "None"}),
    "no signature": lambda claims, key: signed(claims, key).rpartition(".")[0] + ".",
    "the public key as a secret": _by_public_key,
    "something else": _changed,
}
"""Tokens that the provider never signed."""


class OidcProvider:
    """`claims` = what it says of anyone who signs in there; `lies` replaces parts of the id token, `forgery` its signature,
    `published_key` the published key, `metadata` parts of its discovery document. Requests to the paths in `away` get no answer.
    """

    def __init__(self, client_id: str, secret: str | None) -> None:
        self.client_id, self.secret = client_id, secret
        self.claims: dict[str, object] = {}
        self.lies: dict[str, object] = {}
        self.metadata: dict[str, object] = {}
        self.forgery: str | None = None
        self.key = key_of("ES256", "first")
        self.published_key: Any = None
        self.away: set[str] = set()
        self.requests: list[str] = []
        self.status = 200
        self.answer: bytes | None = None
        self.codes: dict[str, dict[str, str]] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer_to(
                    self,
                    public(outer.published_key or outer.key)
                    if self.path == "/keys"
                    else json.dumps(outer.described()).encode(),
                )

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
        } | self.metadata

    def answer_to(self, handler: BaseHTTPRequestHandler, body: bytes | None) -> None:
        self.requests.append(handler.path)
        data = (body if self.answer is None else self.answer) or b'{"error": "invalid_grant"}'
        handler.send_response(503 if handler.path in self.away else self.status if body is not None else 400)
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def sign_in(self, address: str) -> tuple[str, str]:
        """Be the page that a browser is sent to: return the code and the state that it is sent back with."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert address.startswith(f"{self.issuer}/authorize?")
        assert (query["response_type"], query["client_id"]) == ("code", self.client_id)
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return code, query["state"]

    def redeem(self, form: dict[str, str], proof: str | None) -> bytes | None:
        """Return the id token for a code, once, to everyone who proves to be the client that asked."""
        pending = self.codes.pop(form.get("code", ""), None)
        if pending is None or form["redirect_uri"] != pending["redirect_uri"]:
            return None
        if encoded(hashlib.sha256(form["code_verifier"].encode()).digest()) != pending["code_challenge"]:
            return None
        if self.secret is not None:
            client, _, secret = b64decode((proof or "Basic ").partition(" ")[2]).decode().partition(":")
            proved = (
                (unquote_plus(client), unquote_plus(secret))
                if proof
                else (form["client_id"], form.get("client_secret"))
            )
            if proved != (self.client_id, self.secret):
                return None
        now = int(time.time())
        token = {
            "iss": self.issuer,
            "aud": self.client_id,
            "exp": now + 60,
            "iat": now,
            "nonce": pending["nonce"],
            "sub": "1",
            "at_hash": encoded(hashlib.sha256(b"access").digest()[:16]),
        }
        body = {name: value for name, value in (token | self.claims | self.lies).items() if value is not None}
        sign = FORGERIES[self.forgery] if self.forgery else signed
        return json.dumps({"id_token": sign(body, self.key), "access_token": "access", "token_type": "Bearer"}).encode()
