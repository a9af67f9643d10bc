"""Signing in by a provider, with a real one on loopback: who it says, once, in the browser that left, for us."""

import sys

import pytest
from msgspec.structs import replace

from mainspring.config.web_settings import OidcSettings
from mainspring.domain.access.permissions import Role
from mainspring.domain.extras import install_command
from mainspring.store.read import people
from tests.oidc_provider import DISCOVERY, FORGERIES, OidcProvider, key_of
from tests.unit.web.auth_site import Site

SECRET = "what only the client knows: +&%"
EVE = {"email": "Eve@Example.com", "email_verified": True, "groups": ["dev", "everybody"]}
OPTIONS = {"roles": {"ops": "admin", "dev": "operator"}}


@pytest.fixture
def provider():
    provider = OidcProvider("mainspring", SECRET)
    provider.claims = dict(EVE)
    yield provider
    provider.close()


@pytest.fixture
def site(tmp_path, provider):
    oidc = OidcSettings(issuer=provider.issuer, client_id="mainspring", client_secret="secret:oidc", **OPTIONS)
    site = Site(tmp_path / "s.db", is_local_only=False, people=False, oidc=oidc)
    yield site
    site.store.close()


async def return_from_provider(browser, provider, back="", **answer):
    """Leave, sign in there, and come back as a browser does."""
    left = await browser.get("/oidc/start", params={"next": back} if back else {})
    assert left.status_code == 303
    code, state = provider.sign_in(left.headers["location"])
    return await browser.get(
        "/oidc/back", params={"code": code, "state": state, **answer}, headers={"sec-fetch-site": "cross-site"}
    )


@pytest.mark.asyncio
async def test_person_of_the_provider_is_signed_in(site, provider):
    """With the role of the groups, as the name that it says; pages are open to others because there is a provider."""
    browser = site.browser()
    assert provider.issuer.removeprefix("http://") in (await browser.get("/sign-in")).text
    answer = await return_from_provider(browser, provider, back="/me")
    assert (answer.status_code, answer.headers["location"]) == (303, "/me")
    assert "eve@example.com" in (await browser.get("/me")).text
    (session,) = people.web_sessions(site.store.reader, site.clock.now())
    assert (session.name, session.role, session.source) == ("eve@example.com", Role.OPERATOR, "provider")
    assert site.operations()[0] == ("sign in", "person:eve@example.com", "web:eve@example.com")


@pytest.mark.asyncio
async def test_client_proves_itself_in_the_form_where_the_provider_wants_that(site, provider):
    """And a provider without a secret has the verifier alone."""
    provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert (await return_from_provider(site.browser(), provider)).status_code == 303
    provider.secret = None
    assert (await return_from_provider(site.browser(), provider)).status_code == 303


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "lies",
    [
        {"nonce": "another"}, {"aud": "another"}, {"iss": "https://evil.example"}, {"exp": 1}, {"groups": ["none"]}, {"groups": None},
        {"email": None}, {"email_verified": False}, {"email_verified": None},
        {"email": "<script>alert(1)</script>"}, {"email": "local"}, {"email": "ana"},
    ],
)  # fmt: skip
async def test_token_for_another_audience_gives_no_access(site, provider, lies):
    """Another sign-in, client or time; no group, no name, the name of someone else."""
    site.add("ana", Role.ADMIN)
    provider.lies = lies
    browser = site.browser()
    answer = await return_from_provider(browser, provider)
    assert answer.status_code == 403
    assert "<script>" not in answer.text
    assert (await browser.get("/me")).status_code == 303
    assert people.web_sessions(site.store.reader, site.clock.now()) == []


@pytest.mark.asyncio
@pytest.mark.parametrize("forgery", FORGERIES)
async def test_unsigned_token_gives_no_access(site, provider, forgery):
    """Anyone who answers in its place, or changes what it says, has none of its keys."""
    provider.forgery = forgery
    browser = site.browser()
    answer = await return_from_provider(browser, provider)
    assert answer.status_code == 403
    assert "sign" in answer.text
    assert (await browser.get("/me")).status_code == 303
    assert people.web_sessions(site.store.reader, site.clock.now()) == []


@pytest.mark.asyncio
async def test_key_that_the_provider_changed_counts_from_the_next_sign_in_on(site, provider, monkeypatch):
    """Keys are asked for once an hour, and once more for one that is not among them, but not again and again."""
    started_at = site.clock.now()
    for _ in range(2):
        assert (await return_from_provider(site.browser(), provider)).status_code == 303
    assert provider.requests.count("/keys") == 1
    provider.key = key_of("ES256", "second")
    assert (await return_from_provider(site.browser(), provider)).status_code == 403
    monkeypatch.setattr(site.clock, "now", lambda: started_at + 30_000)
    for _ in range(2):
        assert (await return_from_provider(site.browser(), provider)).status_code == 303
    assert provider.requests.count("/keys") == 2
    provider.forgery = "a key that it does not show"
    for _ in range(2):
        assert (await return_from_provider(site.browser(), provider)).status_code == 403
    assert provider.requests.count("/keys") == 2
    monkeypatch.setattr(site.clock, "now", lambda: started_at + 60_000)
    for _ in range(2):
        assert (await return_from_provider(site.browser(), provider)).status_code == 403
    assert (provider.requests.count("/keys"), provider.requests.count(DISCOVERY)) == (3, 1)


@pytest.mark.asyncio
async def test_key_that_the_provider_took_back_counts_for_an_hour_at_most(site, provider, monkeypatch):
    """Also where a clock was put back: then no one knows how old what we have is."""
    started_at = site.clock.now()
    assert (await return_from_provider(site.browser(), provider)).status_code == 303
    provider.published_key = key_of("ES256", "second")
    for later, status in ((3_599_000, 303), (3_601_000, 403), (-60_000, 403)):
        now = started_at + later
        monkeypatch.setattr(site.clock, "now", lambda now=now: now)
        provider.lies = {"iat": now // 1_000, "exp": now // 1_000 + 60}
        assert (await return_from_provider(site.browser(), provider)).status_code == status
    assert provider.requests.count("/keys") == 3


@pytest.mark.asyncio
async def test_unreachable_keys_give_no_access(site, provider):
    """What cannot be checked is not believed; the next sign-in looks again."""
    provider.away = {"/keys"}
    answer = await return_from_provider(site.browser(), provider)
    assert answer.status_code == 403
    assert "the identity provider answers with 503 at /keys" in answer.text
    provider.away = set()
    assert (await return_from_provider(site.browser(), provider)).status_code == 303


@pytest.mark.asyncio
async def test_sign_in_states_what_is_not_installed(tmp_path, provider, monkeypatch):
    """The form for names and passwords stays."""
    monkeypatch.setitem(sys.modules, "authlib.oidc.core", None)
    oidc = OidcSettings(issuer=provider.issuer, client_id="mainspring", **OPTIONS)
    site = Site(tmp_path / "s.db", oidc=oidc)
    answer = await site.browser().get("/oidc/start")
    assert answer.status_code == 404
    assert "[oidc]&#39;" in answer.text
    assert (await site.browser().sign_in()).status_code == 303
    assert site.auth.fault.hint == install_command("oidc")
    site.store.close()


@pytest.mark.asyncio
async def test_answer_counts_once_and_in_the_browser_that_left(site, provider):
    """A link to come back that someone sends signs no one in as that someone."""
    left, other = site.browser(), site.browser()
    start = await left.get("/oidc/start")
    code, state = provider.sign_in(start.headers["location"])
    await other.get("/oidc/start")
    for browser, params in (
        (other, {"code": code, "state": state}),
        (left, {"code": code, "state": state}),
        (left, {"code": code}),
    ):
        assert (await browser.get("/oidc/back", params=params)).status_code == 403
    assert (await return_from_provider(site.browser(), provider, iss="https://evil.example")).status_code == 403
    assert (await return_from_provider(site.browser(), provider, iss=provider.issuer)).status_code == 303


@pytest.mark.asyncio
async def test_sign_in_that_took_too_long_restarts(site, provider, monkeypatch):
    """Ten minutes, as a start-up link."""
    browser = site.browser()
    code, state = provider.sign_in((await browser.get("/oidc/start")).headers["location"])
    later = site.clock.now() + 600_000
    monkeypatch.setattr(site.clock, "now", lambda: later)
    assert (await browser.get("/oidc/back", params={"code": code, "state": state})).status_code == 403


@pytest.mark.asyncio
@pytest.mark.parametrize(("status", "answer"), [(500, None), (200, b"<html>"), (200, b"x" * 300_000), (302, None)])
async def test_provider_that_fails_is_reported(site, provider, status, answer):
    """As a sentence, without what was sent to it."""
    browser = site.browser()
    left = await browser.get("/oidc/start")
    code, state = provider.sign_in(left.headers["location"])
    provider.status, provider.answer = status, answer
    back = await browser.get("/oidc/back", params={"code": code, "state": state})
    assert back.status_code == 403
    assert "the identity provider" in back.text
    assert SECRET not in back.text
    assert code not in back.text


@pytest.mark.asyncio
async def test_refusal_is_reported_by_its_word(site, provider):
    """With what to look at where it is ours to fix; what is no such word is not repeated."""
    browser = site.browser()
    for word, is_displayed in (("access_denied", True), ("<b>Call me</b>", False), ("", False)):
        start = await browser.get("/oidc/start")
        _, state = provider.sign_in(start.headers["location"])
        back = await browser.get("/oidc/back", params={"error": word, "state": state})
        assert back.status_code == 403
        assert (f"did not accept you: {word}" in back.text, "Call me" in back.text) == (is_displayed, False)
    for answer, text in (
        (b'{"error":"invalid_client"}', "with 401 at /token: invalid_client. See web.oidc.client_id"),
        (b'{"error":["Call me"]}', "with 401 at /token"),
        (b"Call me", "with 401 at /token"),
    ):
        provider.status, provider.answer = 200, None
        start = await browser.get("/oidc/start")
        code, state = provider.sign_in(start.headers["location"])
        provider.status, provider.answer = 401, answer
        back = await browser.get("/oidc/back", params={"code": code, "state": state})
        assert (text in back.text, "Call me" in back.text) == (True, False), back.text


@pytest.mark.asyncio
async def test_provider_that_is_unreachable_is_reported(tmp_path, provider):
    """The form for names and passwords stays; nothing of ours is broken."""
    oidc = replace(OidcSettings(client_id="mainspring", **OPTIONS), issuer=provider.issuer)
    site = Site(tmp_path / "s.db", oidc=oidc)
    provider.close()
    answer = await site.browser().get("/oidc/start")
    assert answer.status_code == 404
    assert "the identity provider does not answer" in answer.text
    assert 'name="password"' in answer.text
    site.store.close()
