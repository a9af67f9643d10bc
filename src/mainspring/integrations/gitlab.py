"""GitLab as a sender of webhooks: X-Gitlab-Token is the secret itself."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from mainspring.domain.triggers.webhooks.verifier_options import VerifierOptions, check_secret_names
from mainspring.integrations.base.webhook_verifier import RejectedRequest, RequestSigner, WebhookVerifier, check_token

_TOKEN = "x-gitlab-token"


def gitlab(*secrets: str) -> VerifierOptions:
    """Compare GitLab's token."""
    return VerifierOptions(kind="gitlab", secrets=check_secret_names(secrets))


class GitLabVerifier(WebhookVerifier):
    """X-Gitlab-Token is the secret itself."""

    needs_body = False

    def verify(
        self, options: VerifierOptions, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_at: int
    ) -> RejectedRequest | None:
        """Compare the token."""
        return check_token(headers, _TOKEN, secrets)

    def example_headers(self, options: VerifierOptions, signer: RequestSigner) -> dict[str, str]:
        """Return the token."""
        return {_TOKEN: signer.secret()}

    def secret_headers(self, options: VerifierOptions) -> tuple[str, ...]:
        """Return the header of the token."""
        return (_TOKEN,)

    def delivery_key(self, headers: Mapping[str, str], data: Any) -> str:
        """Return the id of the delivery."""
        return headers.get("idempotency-key", "")

    def event_name(self, headers: Mapping[str, str], data: Any) -> str:
        """Return the kind of event."""
        return headers.get("x-gitlab-event", "")


VERIFIER: Final[WebhookVerifier] = GitLabVerifier()
