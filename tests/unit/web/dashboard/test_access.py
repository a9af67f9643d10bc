"""Who sees which page and may press which button: each page, by role and method, from the table alone."""

import itertools
import re

import pytest

from mainspring.web.auth.authenticator import RateLimiter
from mainspring.web.dashboard.page_table import PAGES
from tests.unit.web.dashboard.page_world import OWN, PEOPLE, PageWorld, hidden

WHO = (*PEOPLE, "nobody")
METHODS = ("GET", "POST", "PUT", "DELETE")


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One for all: nothing here changes it."""
    found = PageWorld(tmp_path_factory.mktemp("pages") / "s.db")
    authenticator = found.auth.auth.authenticator
    authenticator._visitor_limits = authenticator._anonymous_limits = RateLimiter(
        10_000, 10_000
    )  # each page and button is asked for at once
    yield found
    found.close()


def filled(page):
    """Return the path of a page with names that lead nowhere."""
    return re.sub(r"\{\w+\}", "x", page.path)


def refused(page, role, who, automations):
    """Return the status by which the table refuses; None = the page is reached."""
    if who == "nobody":
        return 303
    if page.whole and automations is not None:
        return 404
    return None if role.reaches(page.role) else 403


@pytest.mark.asyncio
async def test_page_is_seen_by_its_role_only(shared):
    """No one is led to the sign-in; who sees some automations only does not find what is of none."""
    for page, who in itertools.product(PAGES, WHO):
        role, automations = PEOPLE.get(who, (None, None))
        answer = await (await shared.browser(who)).get(filled(page))
        expected = refused(page, role, who, automations)
        where = (page.path, who, answer.status_code)
        if expected is not None:
            assert answer.status_code == expected, where
        else:
            assert answer.status_code == (404 if page.names else 200), where


@pytest.mark.asyncio
async def test_button_is_submitted_by_its_role_only(shared):
    """A form whose page token is not ours, or that no one signed in for, is refused before anything is looked at."""
    for who in WHO:
        await shared.browser(who)
    for page, who in itertools.product(PAGES, WHO):
        role, automations = PEOPLE.get(who, (None, None))
        browser = await shared.browser(who)
        form = hidden((await browser.get("/me")).text, "form")
        for name, button in page.buttons.items():
            data = {"act": name, "form": form, "page": "p1"}
            answer = await browser.ask("POST", filled(page), data=data, headers=OWN)
            where = (page.path, name, who, answer.status_code)
            if who == "nobody":
                assert answer.status_code == 401, where
            elif refused(page, role, who, automations) is not None:
                assert answer.status_code == refused(page, role, who, automations), where
            elif not role.reaches(button.role):
                assert answer.status_code == 403, where
            else:
                assert answer.status_code in (303, 400, 404, 409), where
            for headers, token in ((OWN, "stolen"), ({"sec-fetch-site": "cross-site"}, form), ({}, form)):
                other = await browser.ask("POST", filled(page), data={**data, "form": token}, headers=headers)
                assert other.status_code in (401, 403), where
    operations = shared.auth.operations()
    assert {actor for verb, _, actor in operations if verb not in ("sign in", "add", "make")} == {
        "web:ana",
        "web:olga",
    }


@pytest.mark.asyncio
async def test_other_methods_and_paths_are_not_there(shared):
    """Also with a slash too many."""
    browser = await shared.browser()
    for page in PAGES:
        for method in METHODS[2:]:
            assert (await browser.ask(method, filled(page), headers=OWN)).status_code in (403, 405)
    for path in ("/nothing", "/locks/", "/locks/x", "/nothing//", "/Locks"):
        assert (await browser.get(path)).status_code == 404, path
