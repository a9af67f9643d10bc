"""Signing of outgoing messages, by Standard Webhooks; `verification` checks the same of incoming ones."""

import base64
import hmac
from collections.abc import Iterable

from mainspring.domain.errors import OptionError
from mainspring.domain.triggers.webhooks.verification import decode_standard_key


def sign_message(secrets: Iterable[str], id: str, now_at: int, body: bytes) -> dict[str, str]:
    """Return the headers of a message, signed by each secret, so that a receiver needs to know only one of them.

    Raises:
        OptionError: no secret is base 64; the value is not repeated.
    """
    stamp = str(now_at // 1000)
    content = f"{id}.{stamp}.".encode() + body
    keys = [decode_standard_key(secret) for secret in secrets]
    digests = [hmac.digest(key, content, "sha256") for key in keys if key is not None]
    if not digests:
        raise OptionError("a secret of Standard Webhooks is not base 64", hint="It looks like whsec_ and base 64.")
    signature = " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
    return {"webhook-id": id, "webhook-timestamp": stamp, "webhook-signature": signature}
