"""A provider is asked with what proves that it is us, and within bounds."""

import asyncio
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from mainspring.config.web_settings import OidcSettings
from mainspring.domain.access.oidc import PendingSignIn
from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import ArgumentError
from mainspring.resources.secret_store import SecretStore
from mainspring.web.auth import identity_provider
from mainspring.web.auth.identity_provider import IdentityProvider
from tests.oidc_provider import OidcProvider

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
PENDING = PendingSignIn(state="s", nonce="n", verifier=VERIFIER, browser="b", next="", until_at=0)


@pytest.mark.asyncio
async def test_browser_leaves_with_what_has_to_return():
    """State, nonce, the hash of the verifier and not the verifier; what the address holds already stays."""
    provider = OidcProvider("ms", None)
    provider.metadata = {"authorization_endpoint": f"{provider.issuer}/a?x=1"}
    settings = OidcSettings(issuer=provider.issuer, client_id="ms")
    address = await IdentityProvider(settings, SecretStore.of(None, {}), SystemClock(), "https://ops/back").address(
        PENDING
    )
    provider.close()
    query = {name: value for name, (value,) in parse_qs(urlsplit(address).query).items()}
    assert query == {
        "x": "1",
        "response_type": "code",
        "client_id": "ms",
        "redirect_uri": "https://ops/back",
        "scope": "openid email profile",
        "state": "s",
        "nonce": "n",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }


@pytest.mark.asyncio
async def test_address_that_no_one_can_ask_is_reported():
    """As any other that does not answer."""
    async with httpx2.AsyncClient() as client:
        with pytest.raises(ArgumentError, match="does not answer"):
            await identity_provider._read(client, "GET", "https://exa mple.com:x/")


@pytest.mark.asyncio
async def test_provider_that_sends_a_byte_now_and_then_is_not_waited_for(monkeypatch):
    """The whole answer has its time, not each part of it."""

    async def endless():
        while True:
            yield b" "
            await asyncio.sleep(0)

    monkeypatch.setattr(identity_provider, "WITHIN_S", 0.01)
    transport = httpx2.MockTransport(lambda request: httpx2.Response(200, content=endless()))
    async with httpx2.AsyncClient(transport=transport) as client:
        monkeypatch.setattr(identity_provider, "_LARGEST", 2**40)
        with pytest.raises(ArgumentError, match="does not answer"):
            await identity_provider._read(client, "GET", "https://login.example.com")
