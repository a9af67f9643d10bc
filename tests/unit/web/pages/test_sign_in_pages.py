"""Signing in and out by pages: cookies, sessions that no one could plant, links that open once, other hosts and sub-paths."""

from datetime import timedelta

import pytest

from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import BusyError
from mainspring.service.access.access_keys import hash_key
from mainspring.store.read import people
from tests.unit.web.auth_site import OWN, PASSWORD, Site, hidden

HOSTILE = "<script>alert(1)</script>\" onmouseover='x'"


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path / "s.db")
    yield site
    site.store.close()


@pytest.fixture
def behind(tmp_path):
    """Behind a proxy that ends TLS and takes /ms off."""
    site = Site(tmp_path / "b.db", public_url="https://ops.example.com/ms")
    yield site
    site.store.close()


@pytest.mark.asyncio
async def test_person_signs_in_and_out(site):
    """Without a script: a form, a cookie, a page, a button."""
    browser = site.browser()
    assert (await browser.get("/me")).headers["location"] == "/sign-in?next=/me"
    assert 'action="/sign-in"' in (await browser.get("/sign-in")).text
    answer = await browser.sign_in()
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    page = await browser.get("/me")
    assert page.status_code == 200
    assert "script" not in page.text
    left = await browser.ask("POST", "/sign-out", data={"form": hidden(page.text, "form")}, headers=OWN)
    assert (left.status_code, left.headers["location"]) == (303, "/sign-in")
    assert people.web_sessions(site.store.reader, site.clock.now()) == []
    assert (await browser.get("/me")).status_code == 303
    assert [operation[:2] for operation in site.operations()[:2]] == [
        ("sign out", "person:ana"),
        ("sign in", "person:ana"),
    ]


@pytest.mark.asyncio
async def test_wrong_name_and_wrong_password_read_the_same(site):
    """No one hears which of the two it was; nothing that was typed comes back."""
    answers = [await site.browser().sign_in(*pair) for pair in (("ana", "wrong"), ("eve", "wrong"), (HOSTILE, HOSTILE))]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert "set-cookie" not in answers[0].headers


@pytest.mark.asyncio
async def test_guessing_gets_slower(site):
    """The sixth guess waits, even with the right password."""
    for _ in range(5):
        assert (await site.browser().sign_in("ana", "wrong")).status_code == 401
    answer = await site.browser().sign_in()
    assert answer.status_code == 429
    assert "try again in 1 s" in answer.text
    assert answer.headers["retry-after"] == "1"


@pytest.mark.asyncio
async def test_wait_is_reported_with_its_length(site, monkeypatch):
    """To people and to programs: anyone who comes sooner is sent away again."""

    def busy(*_):
        raise BusyError(timedelta(seconds=64.2), "too many wrong passwords")

    monkeypatch.setattr(site.auth.sign_in, "by_password", busy)
    answer = await site.browser().sign_in()
    assert (answer.status_code, "try again in 65 s" in answer.text) == (429, True)
    assert answer.headers["retry-after"] == "65"


@pytest.mark.asyncio
async def test_planted_session_is_not_the_one_that_is_signed_in(site):
    """Anyone who put a cookie into the browser, made up or of an own session, knows nothing afterwards."""
    planted = site.browser()
    await planted.sign_in("bob")
    victim = site.browser()
    victim.cookies = dict(planted.cookies)
    await victim.sign_in()
    assert victim.cookies != planted.cookies
    assert (await planted.get("/me")).status_code == 303
    assert "ana" in (await victim.get("/me")).text
    made_up = site.browser()
    made_up.cookies = {site.auth.site.cookie: "known"}
    await made_up.sign_in()
    assert made_up.cookies[site.auth.site.cookie] != "known"
    assert people.web_session(site.store.reader, hash_key("known")) is None


@pytest.mark.asyncio
@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}, {}])
async def test_other_sites_cannot_sign_a_person_in(site, headers):
    """Else someone could work as someone else without knowing."""
    answer = await site.browser().sign_in(headers=headers)
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


@pytest.mark.asyncio
async def test_cookie_is_for_our_pages_only(site, behind):
    """No script reads it, no other site sends it along with a form; behind TLS it goes no other way."""
    plain = (await site.browser().sign_in()).headers["set-cookie"]
    assert plain.startswith("mainspring-")
    assert "HttpOnly" in plain
    assert "samesite=lax" in plain.lower()
    assert "Path=/;" in plain
    assert "secure" not in plain.lower()
    assert "domain" not in plain.lower()
    secure = (await behind.browser().sign_in()).headers["set-cookie"]
    assert secure.startswith("__Host-mainspring-")
    assert "Secure" in secure
    assert "Path=/;" in secure


@pytest.mark.asyncio
async def test_pages_work_below_a_path_of_another_host(behind):
    """Links and forms lead where browsers can go; the proxy's origin is ours; TLS is asked for from then on."""
    browser = behind.browser()
    answer = await browser.get("/people")
    assert answer.headers["location"] == "/ms/sign-in?next=/people"
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    page = (await browser.get("/sign-in")).text
    assert 'action="/ms/sign-in"' in page
    assert 'href="/ms/assets/look-' in page
    answer = await browser.sign_in(back="/people", headers={"origin": "https://ops.example.com"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/ms/people")
    assert (await browser.sign_in(headers={"origin": "https://ops.example.com.evil.example"})).status_code == 403


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("proxies", "message", "address"),
    [
        (("127.0.0.0/8",), "1.2.3.4, 203.0.113.9", "203.0.113.9"),
        (("127.0.0.0/8", "203.0.113.0/24"), "1.2.3.4, 203.0.113.9", "1.2.3.4"),
        (("127.0.0.0/8",), "1.2.3.4, nonsense", "127.0.0.1"),
        (("10.0.0.0/8",), "1.2.3.4, 203.0.113.9", "127.0.0.1"),
        ((), "1.2.3.4", "127.0.0.1"),
    ],
)
async def test_forwarded_headers_count_only_from_trusted_proxies(tmp_path, proxies, message, address):
    """The last address that is no trusted proxy itself; a sender can write what it likes before that."""
    site = Site(tmp_path / "s.db", trusted_proxies=proxies)
    await site.browser().sign_in(headers={**OWN, "x-forwarded-for": message})
    found = [session.address for session in people.web_sessions(site.store.reader, site.clock.now())]
    site.store.close()
    assert found == [address]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("back", "location"),
    [
        ("/people?x=1", "/people?x=1"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/\t/evil.example", "/"),
        ("/a\r\nset-cookie: x=1", "/"),
        ("x" * 3_000, "/"),
    ],
)
async def test_sign_in_leads_to_our_own_pages_only(site, back, location):
    """Whatever a link to the sign-in says."""
    assert (await site.browser().sign_in(back=back)).headers["location"] == location


@pytest.mark.asyncio
async def test_text_of_a_link_is_escaped(site):
    """Nothing of it runs in the page."""
    page = (await site.browser().get("/sign-in", params={"next": HOSTILE})).text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.asyncio
async def test_start_link_lets_in_once(site):
    """A scanner's HEAD does not use it up; the second who follows it stays outside."""
    invitation = await site.auth.invitation(again=True)
    path = invitation.split()[1].removeprefix("http://127.0.0.1:7171")
    browser = site.browser()
    assert (await browser.ask("HEAD", path)).status_code == 200
    answer = await browser.get(path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await browser.get("/people")).status_code == 200
    late = site.browser()
    assert (await late.get(path)).status_code == 404
    assert not late.cookies
    assert (await late.get("/first")).status_code == 404
    assert site.operations()[0] == ("sign in", "person:local", "web:local")


@pytest.mark.asyncio
async def test_start_link_is_offered_until_there_is_a_person(tmp_path):
    """Later only where someone looks at the terminal; it leads where browsers can go."""
    site = Site(tmp_path / "s.db", people=False, public_url="https://ops.example.com/ms")
    assert "https://ops.example.com/ms/first?token=" in await site.auth.invitation(again=False)
    assert "/first" in await site.auth.invitation(again=False)
    site.add("ana", Role.ADMIN)
    assert await site.auth.invitation(again=False) is None
    assert "/first" in await site.auth.invitation(again=True)
    site.store.close()


@pytest.mark.asyncio
async def test_secrets_are_not_in_the_store(site):
    """Anyone who reads a backup can neither sign in nor continue with a session."""
    browser = site.browser()
    await browser.sign_in()
    (key,) = browser.cookies.values()
    for table in ("people", "web_sessions", "api_tokens", "start_links", "audit_log"):
        text = str(site.store.reader.read_text(f"select * from {table}"))
        assert key not in text
        assert PASSWORD not in text
