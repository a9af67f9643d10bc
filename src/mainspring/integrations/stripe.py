"""Stripe as a sender of webhooks: Stripe-Signature over timestamp and body."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mainspring.domain.duration import SpanInput
from mainspring.domain.triggers.webhooks.verifier_options import (
    DEFAULT_TOLERANCE,
    VerifierOptions,
    check_secret_names,
    check_tolerance,
)
from mainspring.integrations.base.webhook_verifier import (
    LONGEST_HEADER,
    NO_SIGNATURE,
    RejectedRequest,
    RequestSigner,
    WebhookVerifier,
    check_timestamp,
    compare_signatures,
    compute_digests,
    decode_hex,
    encode_header,
    read_text_field,
)

_SIGNATURE = "stripe-signature"


def stripe(*secrets: str, tolerance: SpanInput = DEFAULT_TOLERANCE) -> VerifierOptions:
    """Check as Stripe signs."""
    return VerifierOptions(kind="stripe", secrets=check_secret_names(secrets), tolerance=check_tolerance(tolerance))


class StripeVerifier(WebhookVerifier):
    """Stripe-Signature over timestamp and body."""

    def verify(
        self, options: VerifierOptions, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_at: int
    ) -> RejectedRequest | None:
        """Compare all signatures of version 1."""
        signature_header = headers.get(_SIGNATURE, "")[:LONGEST_HEADER]
        parts = [part.strip().partition("=")[::2] for part in signature_header.split(",")]
        stamps = [value for name, value in parts if name == "t"]
        signatures = [decode_hex(value) for name, value in parts if name == "v1"]
        if len(stamps) != 1 or not signatures:
            return RejectedRequest(NO_SIGNATURE, "a stripe-signature with t= and v1= is needed")
        content = encode_header(f"{stamps[0]}.") + body
        keys = [secret.encode() for secret in secrets]
        return check_timestamp(options, stamps[0], now_at) or compare_signatures(
            signatures, compute_digests(keys, content)
        )

    def example_headers(self, options: VerifierOptions, signer: RequestSigner) -> dict[str, str]:
        """Return the signature."""
        return {_SIGNATURE: f"t={signer.timestamp()},v1={signer.hmac('{timestamp}.{body}')}"}

    def signature_headers(self, options: VerifierOptions) -> tuple[str, ...]:
        """Return the header of the signature."""
        return (_SIGNATURE,)

    def delivery_key(self, headers: Mapping[str, str], data: Any) -> str:
        """Return the id of the event."""
        return read_text_field(data, "id")


VERIFIER: Final[WebhookVerifier] = StripeVerifier()
