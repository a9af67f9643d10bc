"""Any sender with a bearer token: `Authorization: Bearer SECRET`, or the bare secret in a header of another name."""

from collections.abc import Mapping, Sequence
from typing import Final

from mainspring.domain.triggers.webhooks.verifier_options import VerifierOptions, check_header_name, check_secret_names
from mainspring.integrations.base.webhook_verifier import (
    NO_SIGNATURE,
    RejectedRequest,
    RequestSigner,
    WebhookVerifier,
    check_token,
    compare_tokens,
)

_AUTHORIZATION = "authorization"


def bearer(*secrets: str, header: str = "authorization") -> VerifierOptions:
    """Compare a token: `Authorization: Bearer TOKEN`, or the bare token in another header."""
    return VerifierOptions(kind="bearer", secrets=check_secret_names(secrets), header=check_header_name(header))


class BearerVerifier(WebhookVerifier):
    """A bearer token, or the bare secret in a header of another name."""

    needs_body = False
    reads_cloud_event_headers = True
    scheme = "Bearer"

    def verify(
        self, options: VerifierOptions, body: bytes, headers: Mapping[str, str], secrets: Sequence[str], now_at: int
    ) -> RejectedRequest | None:
        """Compare the token."""
        header = _header_of(options)
        if header != _AUTHORIZATION:
            return check_token(headers, header, secrets)
        scheme, _, token = headers.get(_AUTHORIZATION, "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return RejectedRequest(NO_SIGNATURE, "an Authorization header with a bearer token is needed")
        return compare_tokens(token.strip(), secrets)

    def example_headers(self, options: VerifierOptions, signer: RequestSigner) -> dict[str, str]:
        """Return the token."""
        header = _header_of(options)
        return {header: f"{'Bearer ' if header == _AUTHORIZATION else ''}{signer.secret()}"}

    def secret_headers(self, options: VerifierOptions) -> tuple[str, ...]:
        """Return the header of the token."""
        return (_header_of(options),)


def _header_of(options: VerifierOptions) -> str:
    return options.header or _AUTHORIZATION


VERIFIER: Final[WebhookVerifier] = BearerVerifier()
