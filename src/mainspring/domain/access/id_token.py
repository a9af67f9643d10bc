"""The id token: the proof of a provider about a person, signed by a key that the provider publishes. Pure.

joserfc checks the signature and authlib the claims (OpenID Connect Core 3.1.3.7). Invariant: returned claims were signed by a private
key, for us, for this very sign-in, and lately. Imported late: it needs the extra `oidc`.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import ClaimError, InvalidKeyIdError, JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey, import_key
from joserfc.jws import JWSRegistry

from mainspring.domain.access.oidc import DECODE_ERRORS, PendingSignIn, TokenResponse
from mainspring.domain.errors import ArgumentError

ALGORITHMS: Final = ("RS256", "ES256", "PS256", "EdDSA")
"""None of them has a key that its reader could sign with."""
_SKEW_S = 120
_MAX_AGE_S = 600
_MIN_KEY_BITS = 2_048
_MISMATCHES = {
    "iss": "another issuer",
    "aud": "another client",
    "azp": "another client",
    "nonce": "another sign-in",
    "exp": "another time",
    "iat": "another time",
    "nbf": "another time",
    "at_hash": "another access token",
}


class _KeySet(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


class _SignatureRegistry(JWSRegistry):
    """Registry of our algorithms alone, without warnings: joserfc calls EdDSA deprecated for its name."""

    def get_alg(self, name: str) -> Any:
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError
        return self.algorithms[name]


_SIGNATURES: Final = _SignatureRegistry(strict_check_header=False)  # other header fields are ignored


def read_signing_keys(data: bytes) -> KeySet:
    """Return the signing keys of a provider; unknown kinds are left out.

    Raises:
        ArgumentError: there is none.
    """
    try:
        entries = msgspec.json.decode(data, type=_KeySet).keys
    except DECODE_ERRORS:
        entries = []
    keys = [key for entry in entries if (key := _read_signing_key(entry)) is not None]
    if not keys:
        raise ArgumentError("the identity provider shows no key that it could sign with")
    return KeySet(keys)


def verify_claims(
    answer: TokenResponse, keys: KeySet, pending: PendingSignIn, *, issuer: str, client_id: str, now_s: int
) -> Mapping[str, Any] | None:
    """Return the claims of an id token; None = it names a key that is not among these.

    Raises:
        ArgumentError: it is not signed by the provider, or not for us, this sign-in or this time; names which.
    """
    try:
        read = jwt.decode(answer.id_token, keys, registry=_SIGNATURES)
    except InvalidKeyIdError:
        return None
    except UnsupportedAlgorithmError:
        raise ArgumentError(f"the answer of the identity provider is not signed by {' or '.join(ALGORITHMS)}") from None
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError):
        raise ArgumentError("the answer of the identity provider is not signed by the provider") from None
    options: Any = {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client_id}}
    expected = {"client_id": client_id, "nonce": pending.nonce, "access_token": answer.access_token}
    claims = CodeIDToken(read.claims, read.header, options, expected)
    try:
        claims.validate(now_s, _SKEW_S)
    except ClaimError as error:
        raise ArgumentError(
            f"the answer of the identity provider is for {_MISMATCHES.get(error.claim, 'another client')}"
        ) from None
    except (TypeError, ValueError):
        raise ArgumentError("the answer of the identity provider is for another client") from None
    if claims["iat"] < now_s - _MAX_AGE_S:
        raise ArgumentError("the answer of the identity provider is for another time")
    return read.claims


def _read_signing_key(entry: dict[str, Any]) -> Key | None:
    try:
        key = import_key(entry)
    except Exception:  # noqa: BLE001 - a key that cannot be read signs nothing here; the others do
        return None
    if key.get("use") not in (None, "sig") or not isinstance(key, RSAKey | ECKey | OKPKey):
        return None
    return None if isinstance(key, RSAKey) and key.public_key.key_size < _MIN_KEY_BITS else key
