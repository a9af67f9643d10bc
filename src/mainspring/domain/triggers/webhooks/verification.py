"""Verification of a request: raw bytes, constant time, no clock of its own.

Invariants: the caller has bounded the body before; every secret is compared with every signature, so that time does not show which one
failed; a rejection shows no part of the right value.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

import msgspec

from mainspring.domain.triggers.webhooks.verifier import (
    BearerVerifier,
    GitHub,
    GitLab,
    HmacVerifier,
    Slack,
    StandardWebhooks,
    Stripe,
    UnsignedVerifier,
    Verifier,
)

NO_SIGNATURE = "no_signature"
BAD_SIGNATURE = "bad_signature"
OLD_TIMESTAMP = "old_timestamp"
_WHSEC = "whsec_"
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_MOST_SIGNATURES = 20
_LONGEST_HEADER = 8_192


class RejectedRequest(msgspec.Struct, frozen=True):
    """The request is not from its stated sender, or too old. `code` is stable; `text` may be shown to the sender."""

    code: str
    text: str


def verify_request(
    verifier: Verifier, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_at: int
) -> RejectedRequest | None:
    """Return why a request is rejected, None if it is genuine. `headers` have lower-case names, `secrets` are values, `now_at` is ms UTC.

    A secret that `explain_bad_secret` explains fits no request.
    """
    match verifier:
        case UnsignedVerifier():
            return None
        case GitLab():
            return _verify_token(headers, "x-gitlab-token", secrets)
        case BearerVerifier(header="authorization"):
            return _verify_bearer(headers, secrets)
        case BearerVerifier():
            return _verify_token(headers, verifier.header, secrets)
        case GitHub():
            return _verify_signature(headers, "x-hub-signature-256", secrets, body, prefix="sha256=")
        case StandardWebhooks():
            return _verify_standard(verifier, body, headers, secrets, now_at)
        case Stripe():
            return _verify_stripe(verifier, body, headers, secrets, now_at)
        case Slack():
            return _verify_slack(verifier, body, headers, secrets, now_at)
        case HmacVerifier():
            return _verify_hmac(verifier, body, headers, secrets, now_at)


def explain_bad_secret(verifier: Verifier, secret: str) -> str | None:
    """Return why a verifier cannot use the value of a secret, in words that repeat no part of it; None if it can."""
    if isinstance(verifier, StandardWebhooks) and decode_standard_key(secret) is None:
        return "it is not whsec_ and base 64, as secrets of Standard Webhooks are"
    return None


def _verify_standard(
    verifier: StandardWebhooks, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_at: int
) -> RejectedRequest | None:
    identity, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    signature_header = headers.get("webhook-signature", "")
    if not identity or not stamp or not signature_header:
        return RejectedRequest(NO_SIGNATURE, "webhook-id, webhook-timestamp and webhook-signature are needed")
    signatures = [
        _decode_base64(text[3:]) for text in signature_header[:_LONGEST_HEADER].split(" ") if text.startswith("v1,")
    ]
    content = _encode_header(f"{identity}.{stamp}.") + body
    keys = [key for secret in secrets if (key := decode_standard_key(secret)) is not None]
    return _check_timestamp(stamp, verifier.tolerance, now_at) or _compare_all(
        signatures, _compute_digests(keys, content, "sha256")
    )


def decode_standard_key(secret: str) -> bytes | None:
    """Return the key of a secret of Standard Webhooks; None if it is not base 64."""
    text = secret.removeprefix(_WHSEC)
    return _decode_base64(text + "=" * (-len(text) % 4)) or None


def _verify_stripe(
    verifier: Stripe, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_at: int
) -> RejectedRequest | None:
    signature_header = headers.get("stripe-signature", "")[:_LONGEST_HEADER]
    parts = [part.strip().partition("=")[::2] for part in signature_header.split(",")]
    stamps = [value for name, value in parts if name == "t"]
    signatures = [_decode_hex(value) for name, value in parts if name == "v1"]
    if len(stamps) != 1 or not signatures:
        return RejectedRequest(NO_SIGNATURE, "a stripe-signature with t= and v1= is needed")
    content = _encode_header(f"{stamps[0]}.") + body
    keys = [secret.encode() for secret in secrets]
    return _check_timestamp(stamps[0], verifier.tolerance, now_at) or _compare_all(
        signatures, _compute_digests(keys, content, "sha256")
    )


def _verify_slack(
    verifier: Slack, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_at: int
) -> RejectedRequest | None:
    stamp = headers.get("x-slack-request-timestamp", "")
    if not stamp:
        return RejectedRequest(NO_SIGNATURE, "x-slack-request-timestamp and x-slack-signature are needed")
    return _check_timestamp(stamp, verifier.tolerance, now_at) or _verify_signature(
        headers, "x-slack-signature", secrets, _encode_header(f"v0:{stamp}:") + body, prefix="v0="
    )


def _verify_hmac(
    verifier: HmacVerifier, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_at: int
) -> RejectedRequest | None:
    stamp = None if verifier.timestamp_header is None else headers.get(verifier.timestamp_header, "")
    if stamp is not None:
        if not stamp:
            return RejectedRequest(NO_SIGNATURE, f"{verifier.timestamp_header} is needed")
        rejection = _check_timestamp(stamp, verifier.tolerance, now_at)
        if rejection is not None:
            return rejection
    before, after = verifier.over.replace("{timestamp}", stamp or "").split("{body}")
    content = _encode_header(before) + body + _encode_header(after)
    return _verify_signature(
        headers,
        verifier.header,
        secrets,
        content,
        prefix=verifier.prefix,
        algorithm=verifier.algorithm,
        is_hex=verifier.encoding == "hex",
    )


def _verify_signature(
    headers: Mapping[str, str],
    header: str,
    secrets: Iterable[str],
    content: bytes,
    *,
    prefix: str,
    algorithm: str = "sha256",
    is_hex: bool = True,
) -> RejectedRequest | None:
    """Compare the one signature of a header."""
    value = headers.get(header, "")
    if not value:
        return RejectedRequest(NO_SIGNATURE, f"{header} is needed")
    text = value[:_LONGEST_HEADER]
    signature = None
    if text.startswith(prefix):
        signature = _decode_hex(text.removeprefix(prefix)) if is_hex else _decode_base64(text.removeprefix(prefix))
    return _compare_all([signature], _compute_digests([secret.encode() for secret in secrets], content, algorithm))


def _verify_bearer(headers: Mapping[str, str], secrets: Iterable[str]) -> RejectedRequest | None:
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        return RejectedRequest(NO_SIGNATURE, "an Authorization header with a bearer token is needed")
    return _compare_all([_encode_header(token.strip())], (secret.encode() for secret in secrets))


def _verify_token(headers: Mapping[str, str], header: str, secrets: Iterable[str]) -> RejectedRequest | None:
    token = headers.get(header, "")
    if not token:
        return RejectedRequest(NO_SIGNATURE, f"{header} is needed")
    return _compare_all([_encode_header(token)], (secret.encode() for secret in secrets))


def _compute_digests(keys: Iterable[bytes], content: bytes, algorithm: str) -> Iterator[bytes]:
    return (hmac.digest(key, content, algorithm) for key in keys)


def _compare_all(received: Sequence[bytes | None], expected_signatures: Iterable[bytes]) -> RejectedRequest | None:
    """Compare each with each."""
    signatures = [signature for signature in received[:_MOST_SIGNATURES] if signature is not None]
    fits = False
    for expected in expected_signatures:
        for signature in signatures:
            fits |= hmac.compare_digest(expected, signature)
    return None if fits else RejectedRequest(BAD_SIGNATURE, "the signature does not fit")


def _check_timestamp(stamp: str, tolerance: timedelta, now_at: int) -> RejectedRequest | None:
    if not _SECONDS.fullmatch(stamp):
        return RejectedRequest(OLD_TIMESTAMP, "the timestamp is not a number of seconds")
    age = timedelta(milliseconds=now_at - int(stamp) * 1_000)
    if age > tolerance:
        return RejectedRequest(OLD_TIMESTAMP, "the timestamp is too old")
    return RejectedRequest(OLD_TIMESTAMP, "the timestamp lies in the future") if -age > tolerance else None


def _encode_header(text: str) -> bytes:
    """Return the received bytes of a header: servers read headers as Latin-1."""
    return text.encode("latin-1", "replace")


def _decode_hex(text: str) -> bytes | None:
    try:
        return binascii.unhexlify(text.strip())
    except ValueError:
        return None


def _decode_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None
