"""Requests as senders make them: the sample events of tests/data/hooks, signed."""

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

FOLDER = Path(__file__).resolve().parent / "data" / "hooks"
SAMPLES = sorted(path.stem for path in FOLDER.glob("*.json"))
SECRET = "a-secret-of-the-tests"
STANDARD_SECRET = "whsec_" + base64.b64encode(b"a-key-of-the-tests-with-32-bytes").decode()
NOW_AT = 1_767_582_000_000


class Request(NamedTuple):
    """One request; header names are lower case."""

    body: bytes
    headers: dict[str, str]


def sample(name: str) -> Request:
    """Return an event of a sender, not signed."""
    event = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    if "form" not in event:
        return Request(json.dumps(event["body"]).encode(), event["headers"])
    fields = {key: json.dumps(value) if isinstance(value, dict) else value for key, value in event["form"].items()}
    return Request(urlencode(fields).encode(), event["headers"])


def digest(content: bytes, secret: str | bytes = SECRET) -> bytes:
    key = secret.encode() if isinstance(secret, str) else secret
    return hmac.new(key, content, hashlib.sha256).digest()


def signed(kind: str, request: Request, *, secret: str = SECRET, at: int = NOW_AT // 1000) -> Request:
    """Return the request with the headers by which its sender proves itself."""
    body, headers = request
    more: dict[str, Any] = {}
    if kind == "github":
        more["x-hub-signature-256"] = f"sha256={digest(body, secret).hex()}"
    elif kind == "stripe":
        more["stripe-signature"] = f"t={at},v1={digest(f'{at}.'.encode() + body, secret).hex()}"
    elif kind == "slack":
        more["x-slack-request-timestamp"] = str(at)
        more["x-slack-signature"] = f"v0={digest(f'v0:{at}:'.encode() + body, secret).hex()}"
    elif kind == "standard":
        key = base64.b64decode(STANDARD_SECRET.removeprefix("whsec_"))
        identity = headers.get("webhook-id", "msg_1")
        content = f"{identity}.{at}.".encode() + body
        more = {"webhook-id": identity, "webhook-timestamp": str(at)}
        more["webhook-signature"] = "v1," + base64.b64encode(digest(content, key)).decode()
    elif kind == "gitlab":
        more["x-gitlab-token"] = secret
    elif kind == "bearer":
        more["authorization"] = f"Bearer {secret}"
    return Request(body, headers | more)


def signed_sample(name: str, **options: Any) -> Request:
    """Return a sample as it comes over the wire."""
    return signed(name.partition("-")[0], sample(name), **options)
