"""What is said between us and a provider of identities (OpenID Connect, authorisation code with PKCE), without what is signed. Pure."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import ArgumentError, ConfigError
from mainspring.domain.extras import install_command
from mainspring.domain.redaction.secret_url import is_loopback_url, is_safe_url

DECODE_ERRORS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What reading JSON of others raises."""
_ERROR_CODE: Final = re.compile(r"[a-z_]{1,40}")
_CLIENT_HINT: Final = "See web.oidc.client_id and web.oidc.client_secret: the provider does not know us by them."
_HINTS: Final = {
    "invalid_client": _CLIENT_HINT,
    "unauthorized_client": _CLIENT_HINT,
    "invalid_grant": "Begin anew; if it stays so, see that the provider knows web.public_url with /oidc/back behind it.",
}


class OidcProvider(msgspec.Struct, frozen=True):
    """What a provider says of itself; other keys are not looked at."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)

    @property
    def takes_basic(self) -> bool:
        """Whether the client's secret goes into a header; else into the form."""
        return "client_secret_basic" in self.token_endpoint_auth_methods_supported


class PendingSignIn(msgspec.Struct, frozen=True):
    """One sign-in under way: what has to come back with it, and what proves that it was ours."""

    state: str
    nonce: str
    verifier: str
    browser: str
    """Hash of the key that the browser was given when it left."""
    next: str
    until_at: int


class TokenResponse(msgspec.Struct, frozen=True):
    """What a provider gives for a code; the access token is not used, but the id token may vouch for it."""

    id_token: str
    access_token: str | None = None


def check_installed() -> None:
    """Do nothing if what reads an id token is there. Raises ConfigError with the line that installs what is missing."""
    try:
        import authlib.oidc.core  # noqa: F401, PLC0415 - an extra
        import joserfc.jwt  # noqa: F401, PLC0415 - likewise
    except ImportError as missing:
        raise ConfigError(
            f"[web.oidc] needs {missing.name}, which is not installed", hint=install_command("oidc")
        ) from None


def read_provider(data: bytes, issuer: str) -> OidcProvider:
    """Return what a provider says of itself.

    Raises:
        ArgumentError: it is none, speaks for another issuer, or names addresses that others on the way could read.
    """
    try:
        found = msgspec.json.decode(data, type=OidcProvider)
    except DECODE_ERRORS as error:
        raise ArgumentError(f"the provider does not say how it is asked: {error}") from None
    if found.issuer != issuer:
        raise ArgumentError(
            "the provider speaks for another issuer", hint="Set web.oidc.issuer exactly as it names itself."
        )
    endpoints = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri)
    if not all(map(is_safe_url, endpoints)):
        raise ArgumentError("the provider names an address that is not https")
    if not is_loopback_url(issuer) and any(map(is_loopback_url, endpoints)):
        raise ArgumentError("the provider names an address of this machine, and is not on this machine itself")
    return found


def read_token_response(data: bytes) -> TokenResponse:
    """Return what a provider gives for a code.

    Raises:
        ArgumentError: there is no id token in it.
    """
    try:
        return msgspec.json.decode(data, type=TokenResponse)
    except DECODE_ERRORS:
        raise ArgumentError("the provider's answer holds no id token") from None


def provider_refusal(told: str, word: Any) -> ArgumentError:
    """Return that a provider refuses, and by which word (RFC 6749 4.1.2.1 and 5.2); whatever else stands in its place is not repeated."""
    if not isinstance(word, str) or not _ERROR_CODE.fullmatch(word):
        return ArgumentError(told)
    return ArgumentError(f"{told}: {word}", hint=_HINTS.get(word))


def read_error_code(data: bytes) -> Any:
    """Return the word by which a provider refuses to give anything; None = it says none."""
    try:
        said = msgspec.json.decode(data)
    except DECODE_ERRORS:
        return None
    return said.get("error") if isinstance(said, dict) else None


def read_person_name(claims: Mapping[str, Any], claim: str) -> str:
    """Return under which name somebody comes in.

    Raises:
        ArgumentError: the claim is missing, or it is an address that nobody has proved to have.
    """
    name = claims.get(claim)
    if not isinstance(name, str) or not name:
        raise ArgumentError(
            f"the provider does not say who you are: the claim {claim} is missing", hint="See web.oidc.name_claim."
        )
    if claim == "email" and claims.get("email_verified") is not True:
        raise ArgumentError(
            "your address is not verified at the provider",
            hint="It has to say email_verified, or name another claim: web.oidc.name_claim.",
        )
    return name.strip().casefold()


def select_role(claims: Mapping[str, Any], claim: str, roles: Mapping[str, str]) -> Role | None:
    """Return the role that somebody's groups have here, the one that may most; None = none."""
    said = claims.get(claim)
    groups = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    found = {Role(roles[group]) for group in groups if isinstance(group, str) and group in roles}
    return max(found, key=list(Role).index, default=None)
