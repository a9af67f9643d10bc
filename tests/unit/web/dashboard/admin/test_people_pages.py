"""Pages on who may come in: admins change it, people their own, and what others say is text."""

import re

import pytest

from mainspring.domain.access.permissions import Role
from mainspring.service.access.access_keys import hash_key
from mainspring.store.read import people
from tests.unit.web.auth_site import OWN, PASSWORD, Site

HOSTILE = "<script>alert(1)</script>\" onmouseover='x'"


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path / "s.db")
    yield site
    site.store.close()


@pytest.fixture
def reader(site):
    return site.store.reader


async def entered(site, name="ana"):
    browser = site.browser()
    await browser.sign_in(name)
    return browser


@pytest.mark.asyncio
async def test_admin_adds_changes_and_removes_a_person(site, reader):
    """Each is an act with its actor; what cannot be so says why and changes nothing."""
    ana = await entered(site)
    fields = {"name": "eve", "password": PASSWORD, "role": "operator", "automations": "billing-*, backup"}
    assert "eve can sign in now" in (await ana.submit("/people", "add", **fields)).text
    assert people.person(reader, "eve").automations == ("backup", "billing-*")
    assert (await site.browser().sign_in("eve")).status_code == 303
    await ana.submit("/people", "change", name="eve", role="viewer", automations="")
    assert (people.person(reader, "eve").role, people.person(reader, "eve").automations) == (Role.VIEWER, None)
    assert "1 session of eve ended" in (await ana.submit("/people", "end-sessions", name="eve")).text
    await ana.submit("/people", "set-password", name="eve", password="another long one")
    assert (await site.browser().sign_in("eve")).status_code == 401
    await ana.submit("/people", "remove", name="eve")
    assert people.person(reader, "eve") is None
    assert {
        operation[2] for operation in site.operations() if operation[1] == "person:eve" and operation[0] != "sign in"
    } == {"web:ana"}
    for invalid in ({"role": "king"}, {"name": HOSTILE}, {"password": "short"}, {"name": "bob"}):
        answer = await ana.submit("/people", "add", **{**fields, **invalid})
        assert answer.status_code == 409
        assert "<script>" not in answer.text
    assert "last admin" in (await ana.submit("/people", "remove", name="ana")).text
    assert (await ana.submit("/people", "explode")).status_code == 400


@pytest.mark.asyncio
async def test_exported_tables_match_the_api(site, reader):
    """For admins, without passwords and hashes; one's own page has one's own sessions; what there is not is refused."""
    ana, bob = await entered(site), await entered(site, "bob")
    made = (await ana.submit("/people", "make-token", name="ci", role="viewer")).text
    secret = re.search(r"ms_[A-Za-z0-9_-]{43}", made)[0]
    for of, names in (("people", {"ana", "bob"}), ("tokens", {"ci"}), ("sessions", {"ana", "bob"})):
        answer = await ana.get(f"/people?as=json&of={of}")
        assert {person["name"] for person in answer.json()} == names
        assert answer.headers["content-disposition"] == f'attachment; filename="people-{of}.json"'
        text = answer.text + (await ana.get(f"/people?as=csv&of={of}")).text
        assert not re.search("scrypt|hash", text)
        assert secret not in text
        assert (await bob.get(f"/people?as=json&of={of}")).status_code == 403
    assert {session["name"] for session in (await bob.get("/me?as=json&of=sessions")).json()} == {"bob"}
    for path in ("/people?as=xml&of=people", "/people?as=csv", "/people?as=csv&of=roles", "/me?as=csv&of=tokens"):
        assert (await ana.get(path)).status_code == 400


@pytest.mark.asyncio
async def test_button_submitted_twice_works_once(site, reader):
    """The same page says the same command; another act on that page is another command."""
    ana = await entered(site)
    fields = {"name": "eve", "password": PASSWORD, "role": "viewer", "automations": "", "page": "page.1"}
    for _ in range(2):
        assert (await ana.submit("/people", "add", **fields)).status_code == 200
    assert (await ana.submit("/people", "remove", name="eve", page="page.1")).status_code == 200
    assert len([operation for operation in site.operations() if operation[1] == "person:eve"]) == 2


@pytest.mark.asyncio
async def test_form_that_was_changed_is_another_operation(site, reader):
    """Who goes back to a page and sends it with something else is not told that this was done."""
    ana = await entered(site)
    for role in ("operator", "viewer"):
        await ana.submit("/people", "change", name="bob", role=role, automations="", page="page.1")
        assert people.person(reader, "bob").role == role


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["bob", "olga"])
async def test_pages_of_people_are_for_admins(site, reader, name):
    """Neither a viewer nor an operator sees or changes who may come in."""
    site.add("olga", Role.OPERATOR)
    browser = await entered(site, name)
    answer = await browser.get("/people")
    assert (answer.status_code, "ana" in answer.text) == (403, False)
    answer = await browser.submit("/me", "set-password", name="ana", old=PASSWORD, password="another long one")
    assert answer.status_code == 200
    assert (await site.browser().sign_in()).status_code == 303
    form = re.search(r'name="form" value="([^"]+)"', (await browser.get("/me")).text)[1]
    for act in ("add", "change", "remove", "set-password", "make-token", "end-sessions"):
        sent = {"act": act, "form": form, "name": "eve", "password": PASSWORD, "role": "admin"}
        assert (await browser.ask("POST", "/people", data=sent, headers=OWN)).status_code == 403
    assert people.person(reader, "eve") is None
    assert people.tokens(reader) == []


@pytest.mark.asyncio
async def test_token_is_displayed_once_and_can_be_revoked(site, reader):
    """The page that made it shows it, no other; from the next request on it opens nothing."""
    ana = await entered(site)
    fields = {"name": "deploy-bot", "role": "operator", "automations": "a", "days": "30"}
    text = re.search(r"ms_[A-Za-z0-9_-]{43}", (await ana.submit("/people", "make-token", **fields)).text)[0]
    found = people.token_of(reader, hash_key(text))
    assert (found.name, found.role, found.automations, found.by) == ("deploy-bot", Role.OPERATOR, ("a",), "web:ana")
    assert found.until_at - found.made_at <= 30 * 86_400_000
    page = (await ana.get("/people")).text
    assert "deploy-bot" in page
    assert text not in page
    for days in ("0", "-1", "4000", "x", "1" * 50, "03650000000", "\u0663"):
        assert (await ana.submit("/people", "make-token", **{**fields, "name": "b", "days": days})).status_code == 409
    assert (await ana.submit("/people", "revoke-token", id=found.id)).status_code == 200
    assert people.tokens(reader) == []


@pytest.mark.asyncio
async def test_person_changes_the_own_password(site, reader):
    """Who knows the present one; the own session stays, all others end."""
    bob, other = await entered(site, "bob"), await entered(site, "bob")
    answer = await bob.submit("/me", "set-password", old="wrong", password="another long one")
    assert (answer.status_code, "password is wrong" in answer.text) == (409, True)
    assert (await other.get("/me")).status_code == 200
    assert (await bob.submit("/me", "set-password", old=PASSWORD, password="another long one")).status_code == 200
    assert (await bob.get("/me")).status_code == 200
    assert (await other.get("/me")).status_code == 303
    assert (await site.browser().sign_in("bob", "another long one")).status_code == 303


@pytest.mark.asyncio
async def test_person_ends_own_sessions_only(site, reader):
    """By the id of one, or all others; someone else's stays whatever the form says."""
    bob, other, ana = await entered(site, "bob"), await entered(site, "bob"), await entered(site)
    ids = {session.name: session.id for session in people.web_sessions(reader, site.clock.now())}
    assert (await bob.submit("/me", "end-session", id=ids["ana"])).status_code == 409
    assert (await bob.submit("/me", "end-sessions", name="ana")).status_code == 200
    assert [(await browser.get("/me")).status_code for browser in (bob, other, ana)] == [200, 303, 200]
    assert (await ana.submit("/people", "end-session", id=ids["ana"])).status_code == 200
    assert (await ana.get("/me")).status_code == 303


@pytest.mark.asyncio
async def test_programs_have_no_page_of_their_own(site):
    """A token opens no session's page, whatever cookie comes with it."""
    ana = await entered(site)
    headers = {"authorization": f"Bearer {site.token(role=Role.ADMIN)}"}
    assert (await site.browser().get("/me", headers=headers)).status_code == 404
    assert (await ana.get("/me", headers=headers)).status_code == 404


@pytest.mark.asyncio
async def test_browser_headers_are_escaped(site):
    """What calls itself a browser is shown, and runs nowhere."""
    await site.browser(**{"user-agent": HOSTILE}).sign_in("bob")
    page = (await (await entered(site)).get("/people")).text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
