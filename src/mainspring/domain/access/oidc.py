"""OpenID Connect (OIDC): messages to and from a provider of identities (authorisation code with PKCE), except signed ones. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import ArgumentError, ConfigError
from mainspring.domain.extras import install_command
from mainspring.domain.redaction.secret_url import is_loopback_url, is_safe_url

DECODE_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Errors of decoding foreign JSON."""
_ERROR_CODE: Final = re.compile(r"[a-z_]{1,40}")
_CLIENT_HINT: Final = "See web.oidc.client_id and web.oidc.client_secret: the provider does not know us by them."
_HINTS: Final = {
    "invalid_client": _CLIENT_HINT,
    "unauthorized_client": _CLIENT_HINT,
    "invalid_grant": "Sign in again. If that fails, check that the provider knows web.public_url with /oidc/back "
    "after it.",
}


class OidcProvider(msgspec.Struct, frozen=True):
    """The metadata of a provider; other keys are ignored."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)

    @property
    def accepts_basic_auth(self) -> bool:
        """Whether the client's secret goes into a header; else into the form."""
        return "client_secret_basic" in self.token_endpoint_auth_methods_supported


class PendingSignIn(msgspec.Struct, frozen=True):
    """One open sign-in: the values that must come back with it, and the proof that it was ours."""

    state: str
    nonce: str
    verifier: str
    browser: str
    """Hash of the key that the browser got when it left."""
    next: str
    until_at: int


class TokenResponse(msgspec.Struct, frozen=True):
    """The answer of a provider to a code; the access token is not used, but the id token may vouch for it."""

    id_token: str
    access_token: str | None = None


def check_installed() -> None:
    """Do nothing if the packages that read an id token are installed. Raises ConfigError with the command that installs them."""
    try:
        import authlib.oidc.core  # noqa: F401, PLC0415 - an extra
        import joserfc.jwt  # noqa: F401, PLC0415 - likewise
    except ImportError as missing:
        raise ConfigError(
            f"[web.oidc] needs {missing.name}, which is not installed", hint=install_command("oidc")
        ) from None


def read_provider(data: bytes, issuer: str) -> OidcProvider:
    """Return the metadata of a provider.

    Raises:
        ArgumentError: it is invalid, is of another issuer, or names addresses that others on the way could read.
    """
    try:
        provider = msgspec.json.decode(data, type=OidcProvider)
    except DECODE_ERRORS as error:
        raise ArgumentError(f"the identity provider publishes no usable metadata: {error}") from None
    if provider.issuer != issuer:
        raise ArgumentError(
            "the identity provider has another issuer", hint="Set web.oidc.issuer exactly as it is published."
        )
    endpoints = (provider.authorization_endpoint, provider.token_endpoint, provider.jwks_uri)
    if not all(map(is_safe_url, endpoints)):
        raise ArgumentError("the identity provider names an address that is not https")
    if not is_loopback_url(issuer) and any(map(is_loopback_url, endpoints)):
        raise ArgumentError("the identity provider names an address of this machine, and is not on this machine itself")
    return provider


def read_token_response(data: bytes) -> TokenResponse:
    """Return the answer of a provider to a code.

    Raises:
        ArgumentError: there is no id token in it.
    """
    try:
        return msgspec.json.decode(data, type=TokenResponse)
    except DECODE_ERRORS:
        raise ArgumentError("the answer of the identity provider has no id token") from None


def provider_refusal(message: str, error_code: Any) -> ArgumentError:
    """Return the error that a provider refuses, with its code (RFC 6749 4.1.2.1 and 5.2); any other text in its place is not repeated."""
    if not isinstance(error_code, str) or not _ERROR_CODE.fullmatch(error_code):
        return ArgumentError(message)
    return ArgumentError(f"{message}: {error_code}", hint=_HINTS.get(error_code))


def read_error_code(data: bytes) -> Any:
    """Return the code by which a provider refuses; None = there is none."""
    try:
        answer = msgspec.json.decode(data)
    except DECODE_ERRORS:
        return None
    return answer.get("error") if isinstance(answer, dict) else None


def read_person_name(claims: Mapping[str, Any], claim: str) -> str:
    """Return the name of the person who signs in.

    Raises:
        ArgumentError: the claim is missing, or it is an address that is not verified.
    """
    name = claims.get(claim)
    if not isinstance(name, str) or not name:
        raise ArgumentError(
            f"the identity provider does not send your name: the claim {claim} is missing",
            hint="See web.oidc.name_claim.",
        )
    if claim == "email" and claims.get("email_verified") is not True:
        raise ArgumentError(
            "your address is not verified at the identity provider",
            hint="It must send email_verified, or set another claim: web.oidc.name_claim.",
        )
    return name.strip().casefold()


def select_role(claims: Mapping[str, Any], claim: str, roles: Mapping[str, str]) -> Role | None:
    """Return the role that a person's groups have here, the highest one; None = none."""
    claimed = claims.get(claim)
    groups = [claimed] if isinstance(claimed, str) else claimed if isinstance(claimed, list) else []
    granted = {Role(roles[group]) for group in groups if isinstance(group, str) and group in roles}
    return max(granted, key=list(Role).index, default=None)
