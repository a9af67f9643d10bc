"""Unsigned requests: any sender is accepted. It is declared, never a default."""

from collections.abc import Mapping, Sequence
from typing import Final

from mainspring.domain.triggers.webhooks.verifier_options import VerifierOptions
from mainspring.integrations.base.webhook_verifier import RejectedRequest, RequestSigner, WebhookVerifier


def none() -> VerifierOptions:
    """Accept any sender: only for a network that no one else can reach."""
    return VerifierOptions(kind="none", secrets=())


class UnsignedVerifier(WebhookVerifier):
    """No verification."""

    checks_sender = False
    reads_cloud_event_headers = True

    def verify(
        self, options: VerifierOptions, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_at: int
    ) -> RejectedRequest | None:
        """Accept each request."""
        return None

    def example_headers(self, options: VerifierOptions, signer: RequestSigner) -> dict[str, str]:
        """Return no header."""
        return {}


VERIFIER: Final[WebhookVerifier] = UnsignedVerifier()
