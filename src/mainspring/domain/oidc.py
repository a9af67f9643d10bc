"""What is said between us and a provider of identities (OpenID Connect, authorisation code with PKCE). Pure.

An id token comes over TLS straight from the provider's token endpoint, which we asked, and TLS says who answered; what is judged is whether
it is for us, for this very sign-in, and of now (OpenID Connect Core 3.1.3.7, 6). A token that came any other way is none.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from mainspring.domain.access import Role
from mainspring.domain.errors import ArgumentError
from mainspring.domain.notify_url import is_safe_url

WELL_KNOWN = "/.well-known/openid-configuration"
_SKEW_S = 120
_OLDEST_S = 600


class Provider(msgspec.Struct, frozen=True):
    """What a provider says of itself; other keys are not looked at."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)

    @property
    def takes_basic(self) -> bool:
        """Whether the client's secret goes into a header; else into the form."""
        return "client_secret_basic" in self.token_endpoint_auth_methods_supported


class Asked(msgspec.Struct, frozen=True):
    """One sign-in under way: what has to come back with it, and what proves that it was ours."""

    state: str
    nonce: str
    verifier: str
    browser: str
    """Hash of the key that the browser was given when it left."""
    next: str
    until_at: int


def read_provider(data: bytes, issuer: str) -> Provider:
    """Return what a provider says of itself.

    Raises:
        ArgumentError: it is none, speaks for another issuer, or names addresses that others on the way could read.
    """
    try:
        found = msgspec.json.decode(data, type=Provider)
    except msgspec.DecodeError as error:
        raise ArgumentError(f"the provider does not say how it is asked: {error}") from None
    if found.issuer != issuer:
        raise ArgumentError(
            "the provider speaks for another issuer", hint="Set web.oidc.issuer exactly as it names itself."
        )
    if not (is_safe_url(found.authorization_endpoint) and is_safe_url(found.token_endpoint)):
        raise ArgumentError("the provider names an address that is not https")
    return found


def leave_for(provider: Provider, client_id: str, back: str, asked: Asked) -> str:
    """Return the address that the browser is sent to."""
    challenge = urlsafe_b64encode(hashlib.sha256(asked.verifier.encode()).digest()).decode().rstrip("=")
    values = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": back,
        "scope": "openid email profile",
        "state": asked.state,
        "nonce": asked.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    joint = "&" if "?" in provider.authorization_endpoint else "?"
    return f"{provider.authorization_endpoint}{joint}{urlencode(values)}"


def claims_of(answer: bytes) -> dict[str, Any]:
    """Return the claims of the id token in a token endpoint's answer.

    Raises:
        ArgumentError: there is none.
    """
    try:
        token = msgspec.json.decode(answer, type=dict[str, Any])["id_token"]
        _, body, _ = token.split(".")
        return msgspec.json.decode(urlsafe_b64decode(body + "=" * (-len(body) % 4)), type=dict[str, Any])
    except (KeyError, ValueError, AttributeError, TypeError, msgspec.DecodeError):
        raise ArgumentError("the provider's answer holds no id token") from None


def check_claims(claims: Mapping[str, Any], *, issuer: str, client_id: str, nonce: str, now_s: int) -> None:
    """Take claims that are for us, for this sign-in, and of now.

    Raises:
        ArgumentError: they are not; says which of it.
    """
    audience = claims.get("aud")
    several = audience if isinstance(audience, list) else [audience]
    expires, issued = _number(claims.get("exp")), _number(claims.get("iat"))
    wrong = [
        text
        for text, is_right in (
            ("another issuer", claims.get("iss") == issuer),
            ("another client", client_id in several and claims.get("azp", client_id) == client_id),
            ("several clients", len(several) == 1 or "azp" in claims),
            ("another sign-in", claims.get("nonce") == nonce),
            ("another time", expires is not None and now_s < expires + _SKEW_S),
            ("another time", issued is not None and now_s - _OLDEST_S <= issued <= now_s + _SKEW_S),
        )
        if not is_right
    ]
    if wrong:
        raise ArgumentError(f"the provider's answer is for {wrong[0]}")


def name_of(claims: Mapping[str, Any], claim: str) -> str:
    """Return under which name somebody comes in.

    Raises:
        ArgumentError: the claim is missing, or it is an address that nobody has proved to have.
    """
    name = claims.get(claim)
    if not isinstance(name, str) or not name:
        raise ArgumentError(
            f"the provider does not say who you are: the claim {claim} is missing", hint="See web.oidc.name_claim."
        )
    if claim == "email" and claims.get("email_verified", True) is not True:
        raise ArgumentError("your address is not verified at the provider")
    return name.strip().casefold()


def role_of(claims: Mapping[str, Any], claim: str, roles: Mapping[str, str]) -> Role | None:
    """Return the role that somebody's groups have here, the one that may most; None = none."""
    said = claims.get(claim)
    groups = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    found = {Role(roles[group]) for group in groups if isinstance(group, str) and group in roles}
    return max(found, key=list(Role).index, default=None)


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
