"""GitHub as a sender of webhooks: X-Hub-Signature-256 over the body."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mainspring.domain.triggers.webhooks.verifier_options import VerifierOptions, check_secret_names
from mainspring.integrations.base.webhook_verifier import (
    ImmediateResponse,
    RejectedRequest,
    RequestSigner,
    WebhookVerifier,
    check_signature,
)

_SIGNATURE = "x-hub-signature-256"
_PREFIX = "sha256="


def github(*secrets: str) -> VerifierOptions:
    """Check as GitHub signs; a ping is answered without a run."""
    return VerifierOptions(kind="github", secrets=check_secret_names(secrets))


class GitHubVerifier(WebhookVerifier):
    """X-Hub-Signature-256 over the body."""

    def verify(
        self, options: VerifierOptions, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_at: int
    ) -> RejectedRequest | None:
        """Compare the signature."""
        return check_signature(headers, _SIGNATURE, secrets, body, prefix=_PREFIX)

    def example_headers(self, options: VerifierOptions, signer: RequestSigner) -> dict[str, str]:
        """Return the headers of a push."""
        return {"x-github-event": "push", _SIGNATURE: f"{_PREFIX}{signer.hmac()}"}

    def signature_headers(self, options: VerifierOptions) -> tuple[str, ...]:
        """Return the header of the signature."""
        return (_SIGNATURE,)

    def answer_handshake(self, headers: Mapping[str, str], data: Any) -> ImmediateResponse | None:
        """Answer a ping."""
        return ImmediateResponse(b'{"ping":"pong"}') if headers.get("x-github-event") == "ping" else None

    def delivery_key(self, headers: Mapping[str, str], data: Any) -> str:
        """Return the id of the delivery."""
        return headers.get("x-github-delivery", "")

    def event_name(self, headers: Mapping[str, str], data: Any) -> str:
        """Return the kind of event."""
        return headers.get("x-github-event", "")


VERIFIER: Final[WebhookVerifier] = GitHubVerifier()
