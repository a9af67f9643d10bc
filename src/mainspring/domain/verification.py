"""Checking a request against its verifier: raw bytes, constant time, no clock of its own.

Invariants: whoever calls has bounded the body before; every secret is compared with every signature, so that time tells nothing of which
one failed; what is refused tells no part of what would have been right.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

import msgspec

from mainspring.domain.verifier import (
    Bearer,
    GitHub,
    GitLab,
    Hmac,
    Slack,
    StandardWebhooks,
    Stripe,
    Unsigned,
    Verifier,
)

NO_SIGNATURE = "no_signature"
BAD_SIGNATURE = "bad_signature"
OLD_TIMESTAMP = "old_timestamp"
_WHSEC = "whsec_"
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_MOST_SIGNATURES = 20
_LONGEST_HEADER = 8_192


class Rejected(msgspec.Struct, frozen=True):
    """The request is not from whom it should be, or too old. `code` is stable; `text` may be shown to whoever sent it."""

    code: str
    text: str


def verify_request(
    verifier: Verifier, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_at: int
) -> Rejected | None:
    """Return why a request is refused, None if it is genuine. `headers` have lower-case names, `secrets` are values, `now_at` is ms UTC.

    A secret that has a `secret_fault` fits no request.
    """
    match verifier:
        case Unsigned():
            return None
        case GitLab():
            return _token(headers, "x-gitlab-token", secrets)
        case Bearer(header="authorization"):
            return _bearer(headers, secrets)
        case Bearer():
            return _token(headers, verifier.header, secrets)
        case GitHub():
            return _signed(headers, "x-hub-signature-256", secrets, body, prefix="sha256=")
        case StandardWebhooks():
            return _standard(verifier, body, headers, secrets, now_at)
        case Stripe():
            return _stripe(verifier, body, headers, secrets, now_at)
        case Slack():
            return _slack(verifier, body, headers, secrets, now_at)
        case Hmac():
            return _hmac(verifier, body, headers, secrets, now_at)


def secret_fault(verifier: Verifier, secret: str) -> str | None:
    """Return why a verifier cannot use the value of a secret, in words that repeat nothing of it; None if it can."""
    if isinstance(verifier, StandardWebhooks) and standard_key(secret) is None:
        return "it is not whsec_ and base 64, as secrets of Standard Webhooks are"
    return None


def _standard(
    verifier: StandardWebhooks, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_at: int
) -> Rejected | None:
    identity, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    said = headers.get("webhook-signature", "")
    if not identity or not stamp or not said:
        return Rejected(NO_SIGNATURE, "webhook-id, webhook-timestamp and webhook-signature are needed")
    signatures = [_of_base64(text[3:]) for text in said[:_LONGEST_HEADER].split(" ") if text.startswith("v1,")]
    content = _raw(f"{identity}.{stamp}.") + body
    keys = [key for secret in secrets if (key := standard_key(secret)) is not None]
    return _timely(stamp, verifier.tolerance, now_at) or _match(signatures, _digests(keys, content, "sha256"))


def standard_key(secret: str) -> bytes | None:
    """Return the key that a secret of Standard Webhooks stands for; None where it is not base 64."""
    text = secret.removeprefix(_WHSEC)
    return _of_base64(text + "=" * (-len(text) % 4)) or None


def _stripe(
    verifier: Stripe, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_at: int
) -> Rejected | None:
    said = headers.get("stripe-signature", "")[:_LONGEST_HEADER]
    parts = [part.strip().partition("=")[::2] for part in said.split(",")]
    stamps = [value for name, value in parts if name == "t"]
    signatures = [_of_hex(value) for name, value in parts if name == "v1"]
    if len(stamps) != 1 or not signatures:
        return Rejected(NO_SIGNATURE, "a stripe-signature with t= and v1= is needed")
    content = _raw(f"{stamps[0]}.") + body
    keys = [secret.encode() for secret in secrets]
    return _timely(stamps[0], verifier.tolerance, now_at) or _match(signatures, _digests(keys, content, "sha256"))


def _slack(
    verifier: Slack, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_at: int
) -> Rejected | None:
    stamp = headers.get("x-slack-request-timestamp", "")
    if not stamp:
        return Rejected(NO_SIGNATURE, "x-slack-request-timestamp and x-slack-signature are needed")
    return _timely(stamp, verifier.tolerance, now_at) or _signed(
        headers, "x-slack-signature", secrets, _raw(f"v0:{stamp}:") + body, prefix="v0="
    )


def _hmac(
    verifier: Hmac, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_at: int
) -> Rejected | None:
    stamp = None if verifier.timestamp_header is None else headers.get(verifier.timestamp_header, "")
    if stamp is not None:
        if not stamp:
            return Rejected(NO_SIGNATURE, f"{verifier.timestamp_header} is needed")
        late = _timely(stamp, verifier.tolerance, now_at)
        if late is not None:
            return late
    before, after = verifier.over.replace("{timestamp}", stamp or "").split("{body}")
    content = _raw(before) + body + _raw(after)
    return _signed(
        headers,
        verifier.header,
        secrets,
        content,
        prefix=verifier.prefix,
        algorithm=verifier.algorithm,
        is_hex=verifier.encoding == "hex",
    )


def _signed(
    headers: Mapping[str, str],
    header: str,
    secrets: Iterable[str],
    content: bytes,
    *,
    prefix: str,
    algorithm: str = "sha256",
    is_hex: bool = True,
) -> Rejected | None:
    """Compare the one signature of a header."""
    said = headers.get(header, "")
    if not said:
        return Rejected(NO_SIGNATURE, f"{header} is needed")
    text = said[:_LONGEST_HEADER]
    given = None
    if text.startswith(prefix):
        given = _of_hex(text.removeprefix(prefix)) if is_hex else _of_base64(text.removeprefix(prefix))
    return _match([given], _digests([secret.encode() for secret in secrets], content, algorithm))


def _bearer(headers: Mapping[str, str], secrets: Iterable[str]) -> Rejected | None:
    kind, _, said = headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not said:
        return Rejected(NO_SIGNATURE, "an Authorization header with a bearer token is needed")
    return _match([_raw(said.strip())], (secret.encode() for secret in secrets))


def _token(headers: Mapping[str, str], header: str, secrets: Iterable[str]) -> Rejected | None:
    said = headers.get(header, "")
    if not said:
        return Rejected(NO_SIGNATURE, f"{header} is needed")
    return _match([_raw(said)], (secret.encode() for secret in secrets))


def _digests(keys: Iterable[bytes], content: bytes, algorithm: str) -> Iterator[bytes]:
    return (hmac.digest(key, content, algorithm) for key in keys)


def _match(given: Sequence[bytes | None], right: Iterable[bytes]) -> Rejected | None:
    """Compare each with each."""
    signatures = [one for one in given[:_MOST_SIGNATURES] if one is not None]
    fits = False
    for wanted in right:
        for one in signatures:
            fits |= hmac.compare_digest(wanted, one)
    return None if fits else Rejected(BAD_SIGNATURE, "the signature does not fit")


def _timely(stamp: str, tolerance: timedelta, now_at: int) -> Rejected | None:
    if not _SECONDS.fullmatch(stamp):
        return Rejected(OLD_TIMESTAMP, "the timestamp is not a number of seconds")
    age = timedelta(milliseconds=now_at - int(stamp) * 1_000)
    if age > tolerance:
        return Rejected(OLD_TIMESTAMP, "the timestamp is too old")
    return Rejected(OLD_TIMESTAMP, "the timestamp lies in the future") if -age > tolerance else None


def _raw(text: str) -> bytes:
    """Return the bytes of a header as they came: servers read headers as Latin-1."""
    return text.encode("latin-1", "replace")


def _of_hex(text: str) -> bytes | None:
    try:
        return binascii.unhexlify(text.strip())
    except ValueError:
        return None


def _of_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None
