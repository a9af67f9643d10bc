"""The protocol of webhook verifiers: how one kind of sender proves itself; and the comparisons that they share.

Raw bytes, constant time, no clock of its own. Invariants: the caller has bounded the body before; every secret is compared with every
signature, so that time does not show which one failed; a rejection shows no part of the right value.
"""

import base64
import binascii
import hmac
import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

import msgspec

from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.triggers.webhooks.verifier_options import (
    DEFAULT_TOLERANCE,
    HmacAlgorithm,
    SignatureEncoding,
    VerifierOptions,
)
from mainspring.domain.triggers.webhooks.webhook import ResponseMode

NO_SIGNATURE = "no_signature"
BAD_SIGNATURE = "bad_signature"
OLD_TIMESTAMP = "old_timestamp"
LONGEST_HEADER = 8_192
"""Characters of a header that are read for signatures."""
_KNOWN_IDS = ("webhook-id", "idempotency-key")
_SECONDS = lazy_pattern(r"[0-9]{1,12}", re.ASCII)
_MOST_SIGNATURES = 20


class RejectedRequest(msgspec.Struct, frozen=True):
    """The request is not from its stated sender, or too old. `code` is stable; `text` may be shown to the sender."""

    code: str
    text: str


class ImmediateResponse(msgspec.Struct, frozen=True):
    """A request that is answered at once: nothing is stored, nothing starts."""

    body: bytes
    content_type: str = "application/json"


class RequestSigner(Protocol):
    """Writes the parts of the headers of an example request: as values, or as words of a shell."""

    def timestamp(self) -> str:
        """Return the instant of the request, in seconds."""
        ...

    def secret(self) -> str:
        """Return the secret itself; only at the end of a header."""
        ...

    def text(self, literal: str) -> str:
        """Return text that a user chose."""
        ...

    def hmac(
        self,
        content: str = "{body}",
        *,
        algorithm: HmacAlgorithm = "sha256",
        encoding: SignatureEncoding = "hex",
        is_standard_key: bool = False,
    ) -> str:
        """Return the HMAC of `content`, a template over {body} and {timestamp}. `is_standard_key` = the key is whsec_ and base 64."""
        ...


class WebhookVerifier(Protocol):
    """One kind of sender. A verifier derives from this class and overrides what its sender does in another way.

    Headers have lower-case names; `data` is the decoded body.
    """

    checks_sender: bool = True
    """False: it accepts any sender, and has no secret."""
    needs_body: bool = True
    """False: the headers alone prove the sender, so a request is rejected before its body is read."""
    reads_cloud_event_headers: bool = False
    """True: the headers of a CloudEvent count although they are not signed, because the sender signs no id of its own."""
    scheme: str = "Signature"
    """The scheme that `WWW-Authenticate` names to a sender who did not prove itself."""
    default_response: ResponseMode = ResponseMode.RUN

    @abstractmethod
    def verify(
        self, options: VerifierOptions, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_at: int
    ) -> RejectedRequest | None:
        """Return why a request is rejected, None if it is genuine. `secrets` are values, `now_at` is ms UTC.

        A secret that `explain_bad_secret` explains fits no request.
        """
        ...

    @abstractmethod
    def example_headers(self, options: VerifierOptions, signer: RequestSigner) -> dict[str, str]:
        """Return the headers that prove the sender of an example request."""
        ...

    def explain_bad_secret(self, secret: str) -> str | None:
        """Return why the value of a secret cannot be used, in words that repeat no part of it; None if it can."""
        return None

    def secret_headers(self, options: VerifierOptions) -> tuple[str, ...]:
        """Return the headers that contain the secret: they are never stored, and never part of a key."""
        return ()

    def signature_headers(self, options: VerifierOptions) -> tuple[str, ...]:
        """Return the headers that contain a signature: they are never stored, but may be a key."""
        return ()

    def answer_handshake(self, headers: Mapping[str, str], data: Any) -> ImmediateResponse | None:
        """Return the answer to a request that the sender makes when its webhook is set up; None for any other request."""
        return None

    def delivery_key(self, headers: Mapping[str, str], data: Any) -> str:
        """Return the id under which the sender sends a delivery again, "" if there is none."""
        return next((headers[name].strip('"') for name in _KNOWN_IDS if headers.get(name)), "")

    def event_name(self, headers: Mapping[str, str], data: Any) -> str:
        """Return the kind of event that the sender states."""
        return read_text_field(data, "type")

    def count_redeliveries(self, headers: Mapping[str, str]) -> int:
        """Return how often the sender sent this delivery before."""
        return 0


def read_text_field(data: Any, field: str) -> str:
    """Return a field of the body if it is text, else ""."""
    value = data.get(field) if isinstance(data, dict) else None
    return value if isinstance(value, str) else ""


def check_signature(
    headers: Mapping[str, str],
    header: str,
    secrets: Iterable[str],
    content: bytes,
    *,
    prefix: str = "",
    algorithm: HmacAlgorithm = "sha256",
    encoding: SignatureEncoding = "hex",
) -> RejectedRequest | None:
    """Compare the one HMAC of a header."""
    value = headers.get(header, "")
    if not value:
        return RejectedRequest(NO_SIGNATURE, f"{header} is needed")
    text = value[:LONGEST_HEADER]
    signature = None
    if text.startswith(prefix):
        decode = decode_hex if encoding == "hex" else decode_base64
        signature = decode(text.removeprefix(prefix))
    return compare_signatures([signature], compute_digests([secret.encode() for secret in secrets], content, algorithm))


def check_token(headers: Mapping[str, str], header: str, secrets: Iterable[str]) -> RejectedRequest | None:
    """Compare a header that is the secret itself."""
    token = headers.get(header, "")
    if not token:
        return RejectedRequest(NO_SIGNATURE, f"{header} is needed")
    return compare_tokens(token, secrets)


def compare_tokens(token: str, secrets: Iterable[str]) -> RejectedRequest | None:
    """Compare a received token with each secret."""
    rejected = compare_signatures([encode_header(token)], (secret.encode() for secret in secrets))
    return None if rejected is None else RejectedRequest(BAD_SIGNATURE, "the token does not fit")


def compute_digests(keys: Iterable[bytes], content: bytes, algorithm: HmacAlgorithm = "sha256") -> Iterator[bytes]:
    """Return the HMAC of the content by each key."""
    return (hmac.digest(key, content, algorithm) for key in keys)


def compare_signatures(
    received: Sequence[bytes | None], expected_signatures: Iterable[bytes]
) -> RejectedRequest | None:
    """Compare each with each."""
    signatures = [signature for signature in received[:_MOST_SIGNATURES] if signature is not None]
    fits = False
    for expected in expected_signatures:
        for signature in signatures:
            fits |= hmac.compare_digest(expected, signature)
    return None if fits else RejectedRequest(BAD_SIGNATURE, "the signature does not fit")


def check_timestamp(options: VerifierOptions, stamp: str, now_at: int) -> RejectedRequest | None:
    """Compare the timestamp of a request, in seconds, with the clock."""
    if not _SECONDS.fullmatch(stamp):
        return RejectedRequest(OLD_TIMESTAMP, "the timestamp is not a number of seconds")
    age = timedelta(milliseconds=now_at - int(stamp) * 1_000)
    tolerance = options.tolerance or DEFAULT_TOLERANCE
    if age > tolerance:
        return RejectedRequest(OLD_TIMESTAMP, "the timestamp is too old")
    return RejectedRequest(OLD_TIMESTAMP, "the timestamp lies in the future") if -age > tolerance else None


def encode_header(text: str) -> bytes:
    """Return the received bytes of a header: servers read headers as Latin-1."""
    return text.encode("latin-1", "replace")


def decode_hex(text: str) -> bytes | None:
    """Return the bytes of a signature in hex; None if it is none."""
    try:
        return binascii.unhexlify(text.strip())
    except ValueError:
        return None


def decode_base64(text: str) -> bytes | None:
    """Return the bytes of a signature in base 64; None if it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None
