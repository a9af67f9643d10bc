"""A client of the identity provider: its metadata and signing keys, and the exchange of a code for an id token.

Each response is bounded (size, time, no redirect), and no error repeats what was sent. Imported late: it needs the extra `oidc`.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote_plus, urlsplit

import httpx2
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.discovery import get_well_known_url
from joserfc.jwk import KeySet

from mainspring.config.web_settings import OidcSettings
from mainspring.domain.access.id_token import read_signing_keys, verify_claims
from mainspring.domain.access.oidc import (
    OidcProvider,
    PendingSignIn,
    TokenResponse,
    provider_refusal,
    read_error_code,
    read_provider,
    read_token_response,
)
from mainspring.domain.clock import Clock
from mainspring.domain.errors import ArgumentError
from mainspring.integrations.base.pinned_client import open_client
from mainspring.resources.secret_store import SecretStore

WITHIN_S: Final = 10.0
_LARGEST = 256 * 1024
_KEEP_KEYS_MS = 3_600_000
_AGAIN_MS = 10_000
"""The least time between two reads of the keys because of an unknown one."""
_SECRET = "secret:"  # a prefix
_FORM = {"content-type": "application/x-www-form-urlencoded"}


class IdentityProvider:
    """The identity provider of a web process. `back` = the address of `/oidc/back` for browsers."""

    def __init__(self, settings: OidcSettings, secrets: SecretStore, clock: Clock, back: str) -> None:
        self._settings = settings
        self._issuer, self._client_id = settings.issuer or "", settings.client_id or ""
        self._secrets = secrets
        self._clock = clock
        self._back = back
        self._cached_metadata: tuple[int, OidcProvider] | None = None
        self._cached_keys: tuple[int, KeySet] | None = None

    async def address(self, pending: PendingSignIn) -> str:
        """Return the address that the browser is sent to."""
        address: str = prepare_grant_uri(
            (await self._provider()).authorization_endpoint,
            self._client_id,
            "code",
            redirect_uri=self._back,
            scope="openid email profile",
            state=pending.state,
            nonce=pending.nonce,
            code_challenge=create_s256_code_challenge(pending.verifier),
            code_challenge_method="S256",
        )
        return address

    async def claims(self, code: str, pending: PendingSignIn) -> Mapping[str, Any]:
        """Return the provider's claims about the person who signed in, for a code.

        Raises:
            ArgumentError: it does not answer, or its answer is not valid for this sign-in.
            ConfigError: the client secret is not set.
        """
        answer = read_token_response(await self._redeem(code, pending))
        keys = await self._keys()
        claims = self._read(answer, keys, pending)
        if claims is None:
            # Providers change their keys at any time; a token with an unknown key is rejected after a second read.
            claims = self._read(answer, await self._keys(but=keys), pending)
        if claims is None:
            raise ArgumentError("the identity provider signed its answer with a key that it does not publish")
        return claims

    def _read(self, answer: TokenResponse, keys: KeySet, pending: PendingSignIn) -> Mapping[str, Any] | None:
        now_s = self._clock.now() // 1_000
        return verify_claims(answer, keys, pending, issuer=self._issuer, client_id=self._client_id, now_s=now_s)

    async def _redeem(self, code: str, pending: PendingSignIn) -> bytes:
        provider, named = await self._provider(), self._settings.client_secret
        secret = None if named is None else await asyncio.to_thread(self._secrets.get, named.removeprefix(_SECRET))
        is_basic = secret is not None and provider.accepts_basic_auth
        form = prepare_token_request(
            "authorization_code",
            redirect_uri=self._back,
            code=code,
            client_id=self._client_id,
            code_verifier=pending.verifier,
            client_secret=None if is_basic else secret,
        )
        # RFC 6749 2.3.1: both are encoded as in a form before they are a name and a password.
        auth = (quote_plus(self._client_id), quote_plus(secret)) if secret is not None and is_basic else None
        async with _make_client() as client:
            return await _read(client, "POST", provider.token_endpoint, content=form, headers=_FORM, auth=auth)

    async def _provider(self) -> OidcProvider:
        """Return the provider's metadata, read once an hour."""
        now = self._clock.now()
        if self._cached_metadata is None or not 0 <= now - self._cached_metadata[0] < _KEEP_KEYS_MS:
            async with _make_client() as client:
                data = await _read(client, "GET", get_well_known_url(self._issuer, external=True))
            self._cached_metadata = now, read_provider(data, self._issuer)
        return self._cached_metadata[1]

    async def _keys(self, *, but: KeySet | None = None) -> KeySet:
        """Return the provider's keys, read once an hour, and again if `but`, the cached set, lacks one."""
        now, cached = self._clock.now(), self._cached_keys
        max_age = _AGAIN_MS if cached is not None and cached[1] is but else _KEEP_KEYS_MS
        if cached is None or not 0 <= now - cached[0] < max_age:
            address = (await self._provider()).jwks_uri
            async with _make_client() as client:
                cached = self._cached_keys = now, read_signing_keys(await _read(client, "GET", address))
        return cached[1]


def _make_client() -> httpx2.AsyncClient:
    return open_client(timeout=WITHIN_S, follow_redirects=False, headers={"accept": "application/json"})


async def _read(client: httpx2.AsyncClient, method: str, url: str, **options: Any) -> bytes:
    """Return the response of a provider. Raises ArgumentError if it fails, never with what was sent."""
    body = bytearray()
    try:
        # The client's own timeout is for each part: a provider that sends a byte now and then would have no limit.
        async with asyncio.timeout(WITHIN_S), client.stream(method, url, **options) as answer:
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > _LARGEST:
                    raise ArgumentError("the answer of the identity provider is too large")
            status = answer.status_code
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
        detail = f": {error}" if isinstance(error, httpx2.ConnectError) and "allowed_networks" in str(error) else ""
        raise ArgumentError(
            f"the identity provider does not answer ({type(error).__name__}{detail}): try again"
        ) from None
    if status != 200:
        raise provider_refusal(
            f"the identity provider answers with {status} at {urlsplit(url).path}", read_error_code(bytes(body))
        )
    return bytes(body)
