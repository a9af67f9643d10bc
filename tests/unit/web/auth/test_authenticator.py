"""The gate: who is let in by what, what other sites cannot do, and that nothing stands beside it. Who may ask how often."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import Response

from mainspring.domain.access.permissions import IDLE_TIMEOUT_MS, Role, Visitor
from mainspring.domain.errors import StoreUnavailableError
from mainspring.service.access import people
from mainspring.service.access.access_keys import hash_key
from mainspring.store.read.people import person, token_of
from mainspring.web.auth.authenticator import RateLimiter
from mainspring.web.auth.middleware import HEADERS, PUBLIC_PATHS, SIGN_IN_PATHS, is_below
from mainspring.web.server.request_slots import RequestSlots
from tests.counted_reads import counted
from tests.unit.web.auth_site import OWN, PASSWORD, Site


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path / "s.db")
    yield site
    site.store.close()


def request_scope(method="GET", path="/api/v1/runs", **headers):
    """A request as the API hands it to the gate."""
    listed = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "scheme": "http",
        "server": ("127.0.0.1", 7171), "client": ("10.0.0.1", 1), "headers": listed,
    }  # fmt: skip
    return Request(scope)


@pytest.mark.asyncio
async def test_every_route_is_authenticated_or_named_public(site):
    """Whatever is added is closed until it is named; the doors are those of the decision, no more."""
    assert (PUBLIC_PATHS, SIGN_IN_PATHS) == (
        ("/healthz", "/readyz", "/metrics", "/i/", "/assets/", "/slack/actions"),
        ("/sign-in", "/first", "/oidc/start", "/oidc/back"),
    )
    routes = site.routes.app().routes
    assert len(routes) >= 10
    behind = []
    for route in routes:
        path = route.path.format(**dict.fromkeys(route.param_convertors, "x"))
        for method in sorted(route.methods):
            answer = await site.browser(**OWN).ask(method, path)
            assert {name.lower() for name in HEADERS} <= set(answer.headers), path
            if is_below(path, PUBLIC_PATHS + SIGN_IN_PATHS):
                assert answer.status_code in (200, 401, 404, 413), (method, path)
                continue
            behind.append(path)
            is_led = answer.status_code == 303 and answer.headers["location"].startswith("/sign-in")
            assert is_led if method in ("GET", "HEAD") else answer.status_code == 401, (method, path)
    assert set(behind) == {"/people", "/me", "/sign-out"}
    for path in ("/", "/nothing", "/people/", "/PEOPLE", "/healthz/", "/i", "/sign-in/x", "/openapi.json"):
        assert (await site.browser().get(path)).status_code == 303, path
    assert (await site.browser().get("/api/v1/x")).status_code == 401


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["x/sign-in?", "x/i/", "127.0.0.1/healthz#", "a b", "\u00e9", "x" * 300])
async def test_host_header_does_not_move_the_path(tmp_path, host):
    """What a sender calls us is no part of what it asks for, where every name is allowed."""
    site = Site(tmp_path / "s.db", is_local_only=False)
    answer = await site.browser().get("/people", headers={"host": host.encode()})
    site.store.close()
    assert answer.status_code == 303


@pytest.mark.asyncio
async def test_token_makes_a_visitor_and_nothing_else_does(site):
    """Bearer, whole and known; a wrong one is not followed by a look at the cookie."""
    text = site.token(automations=["billing-*"])
    found = await site.auth.authenticator.visitor(request_scope(authorization=f"Bearer {text}"))
    assert found == Visitor(entry_point="api", name="bot", role=Role.OPERATOR, automations=("billing-*",))
    browser = site.browser()
    await browser.sign_in()
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    assert isinstance(await site.auth.authenticator.visitor(request_scope(cookie=cookie)), Visitor)
    for headers in (
        "", "Bearer", "Bearer ", f"Basic {text}", f"Bearer {text}x", f"Bearer {text[:-1]}", text, "Bearer ms_", "Bearer x" * 999,
    ):  # fmt: skip
        answer = await site.auth.authenticator.visitor(request_scope(authorization=headers, cookie=cookie))
        assert isinstance(answer, Response), headers
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert text not in bytes(answer.body).decode()


@pytest.mark.asyncio
async def test_revoked_access_counts_at_the_next_request(site):
    """A revoked token, a changed role, a session that was ended."""
    text, browser = site.token(), site.browser()
    await browser.sign_in("bob")
    id = token_of(site.store.reader, hash_key(text)).id
    people.revoke_token(site.store, id, act=site.act())
    assert (await site.auth.authenticator.visitor(request_scope(authorization=f"Bearer {text}"))).status_code == 401
    assert (await browser.get("/people")).status_code == 403
    people.change_person(site.store, "bob", Role.ADMIN, None, act=site.act())
    assert (await browser.get("/people")).status_code == 200
    people.end_sessions(site.store, "bob", act=site.act())
    assert (await browser.get("/people")).status_code == 303


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", "application/json", 0),
        (b"", "", 0),
        (b"a=1", "application/x-www-form-urlencoded", 415),
        (b"{}", "text/plain", 415),
    ],
)
async def test_change_by_token_is_json_or_has_no_body(site, body, kind, status):
    """Nothing that a form of another site could send."""
    headers = {"authorization": f"Bearer {site.token()}", "content_length": str(len(body)), "content_type": kind}
    found = await site.auth.authenticator.visitor(request_scope("POST", **headers))
    assert (found.status_code if isinstance(found, Response) else 0) == status


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (OWN, 200),
        ({"origin": "http://127.0.0.1:7171"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:7171"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({}, 403),
    ],
)
async def test_other_sites_cannot_change_anything(site, headers, status):
    """A browser sends the cookie anyone who asks: only a page of ours may."""
    browser = site.browser()
    await browser.sign_in()
    answer = await browser.submit("/people", "remove", headers=headers, name="bob")
    assert answer.status_code == status
    assert (person(site.store.reader, "bob") is None) == (status == 200)


@pytest.mark.asyncio
async def test_change_needs_the_form_token_of_its_session(site):
    """None, a made-up one, that of another session: nothing is done. JSON carries it in a header."""
    ana, other = site.browser(), site.browser()
    await ana.sign_in()
    await other.sign_in()
    foreign = site.auth.authenticator.form_token(
        request_scope(cookie="; ".join(f"{k}={v}" for k, v in other.cookies.items()))
    )
    for form in ("", "x", foreign, "\u00e9"):
        assert (await ana.submit("/people", "remove", name="bob", form=form)).status_code == 403
    assert person(site.store.reader, "bob") is not None
    cookie = "; ".join(f"{name}={value}" for name, value in ana.cookies.items())
    headers = {
        "cookie": cookie,
        "sec_fetch_site": "same-origin",
        "content_length": "2",
        "content_type": "application/json",
    }
    assert (await site.auth.authenticator.visitor(request_scope("POST", **headers))).status_code == 403
    own = site.auth.authenticator.form_token(request_scope(cookie=cookie))
    assert isinstance(
        await site.auth.authenticator.visitor(request_scope("POST", **headers, x_form_token=own)), Visitor
    )
    assert (
        await site.auth.authenticator.visitor(request_scope("POST", **{**headers, "content_type": "text/plain"}))
    ).status_code == 415


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("site_of", "status"), [("cross-site", 403), ("same-site", 403), ("none", 200), ("same-origin", 200), (None, 200)]
)
async def test_pages_of_others_do_not_read_the_api(site, site_of, status):
    """A page that stands beside ours is sent the cookie too: it opens no stream. A link to a page leads there."""
    browser = site.browser()
    await browser.sign_in()
    cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = {"cookie": cookie} | ({} if site_of is None else {"sec_fetch_site": site_of})
    found = await site.auth.authenticator.visitor(request_scope(path="/api/v1/changes", **headers))
    assert (200 if isinstance(found, Visitor) else found.status_code) == status
    assert isinstance(await site.auth.authenticator.visitor(request_scope(path="/me", **headers)), Visitor)


@pytest.mark.asyncio
async def test_excess_requests_get_retry_after_and_probes_are_answered(site, monkeypatch):
    """A hundred are answered at a time; a stream takes no place of theirs, and who is gone gives its own back."""
    monkeypatch.setattr(site.app, "_slots", RequestSlots(2, 2))
    gone, inside = asyncio.Event(), []

    async def slow(scope, receive, send):
        inside.append(scope["path"])
        if scope["path"] != "/healthz":
            await gone.wait()
        await Response("done")(scope, receive, send)

    monkeypatch.setattr(site.app, "_inner", slow)
    browser = site.browser()
    tasks = [asyncio.create_task(browser.get(path)) for path in ("/i/a", "/i/b")]
    while len(inside) < 2:
        await asyncio.sleep(0)
    refused = await browser.get("/i/c")
    assert (refused.status_code, refused.headers["retry-after"], refused.headers["connection"]) == (503, "1", "close")
    assert (await browser.get("/healthz")).text == "done"
    gone.set()
    assert {(await request).status_code for request in tasks} == {200}
    assert (await browser.get("/i/c")).status_code == 200


@pytest.mark.asyncio
async def test_ended_session_gives_no_access(site, monkeypatch):
    """Idle for too long: the cookie alone means nothing."""
    browser = site.browser()
    await browser.sign_in()
    later = site.clock.now() + IDLE_TIMEOUT_MS
    monkeypatch.setattr(site.clock, "now", lambda: later)
    assert (await browser.get("/me")).status_code == 303


@pytest.mark.asyncio
async def test_visits_are_noted_now_and_then(site, monkeypatch):
    """Not at each request: reading costs no commit."""
    text, noted = site.token(), []
    monkeypatch.setattr(site.store, "submit", lambda command, on_done: noted.append(command))
    await site.auth.authenticator.visitor(request_scope(authorization=f"Bearer {text}"))
    assert [(use.hash, use.is_token) for use in noted] == [(hash_key(text), True)]
    browser = site.browser()
    await browser.sign_in()
    await browser.get("/me")
    assert len(noted) == 1


@pytest.mark.asyncio
async def test_current_visitors_are_read_at_once(site, monkeypatch):
    """The same visitors as each request by itself would have; what was taken away is not among them, nor what is over."""
    texts = [site.token(name) for name in ("bot1", "bot2", "bot3")]
    browsers = [site.browser(), site.browser()]
    await browsers[0].sign_in("ana")
    await browsers[1].sign_in("bob")
    requests = [request_scope(authorization=f"Bearer {text}") for text in texts]
    requests += [
        request_scope(cookie="; ".join(f"{name}={value}" for name, value in browser.cookies.items()))
        for browser in browsers
    ]
    authenticator = site.auth.authenticator
    keys = [authenticator.key(request) for request in requests]
    assert [authenticator.current_visitors(keys)[key] for key in keys] == [
        await authenticator.visitor(request) for request in requests
    ]
    assert authenticator.key(request_scope()) is None
    reads_made = counted(site.store.reader)
    authenticator.current_visitors(keys)
    assert len(reads_made) == 2
    people.revoke_token(site.store, token_of(site.store.reader, keys[0].hash).id, act=site.act())
    people.end_sessions(site.store, "bob", act=site.act())
    people.change_person(site.store, "ana", Role.ADMIN, None, act=site.act())
    assert set(authenticator.current_visitors(keys)) == {keys[1], keys[2], keys[3]}
    later = site.clock.now() + IDLE_TIMEOUT_MS
    monkeypatch.setattr(site.clock, "now", lambda: later)
    assert set(authenticator.current_visitors(keys)) == {keys[1], keys[2]}
    assert authenticator.current_visitors([]) == {}


@pytest.mark.asyncio
async def test_frequent_requests_get_429(site):
    """A stranger sooner than someone who is known; another address is not touched."""
    text = site.token()
    answers = [await site.auth.authenticator.visitor(request_scope()) for _ in range(100)]
    assert answers[0].status_code == 401
    assert answers[-1].status_code == 429
    known = [await site.auth.authenticator.visitor(request_scope(authorization=f"Bearer {text}")) for _ in range(100)]
    assert all(isinstance(visitor, Visitor) for visitor in known)


@pytest.mark.asyncio
async def test_unreachable_store_gives_no_access(site):
    """It fails closed, and says that it is not the asker's fault."""
    browser = site.browser()
    await browser.sign_in()
    site.store.close()
    page = await browser.get("/people")
    assert (page.status_code, page.text) == (503, "the store does not answer: try again\n")
    answer = await browser.ask("POST", "/people", data={"act": "remove", "name": "bob"}, headers=OWN)
    assert (answer.status_code, "what you sent is sent again and counts once" in answer.text) == (503, True)
    assert (await browser.get("/healthz")).status_code == 200
    site.store.open()


@pytest.mark.asyncio
async def test_store_that_becomes_unreachable_within_a_request_is_reported(site, monkeypatch):
    """Between the gate's look and the page's own: a sentence, and no fault of ours."""
    browser = site.browser()
    await browser.sign_in()

    async def away(request):
        raise StoreUnavailableError("the store is out of reach\nat /srv/state.db")

    monkeypatch.setattr(site.auth.authenticator, "session", away)
    monkeypatch.setattr(site.auth.authenticator, "visitor", lambda *_: known())

    async def known():
        return Visitor(entry_point="web", name="ana", role=Role.ADMIN)

    answer = await browser.get("/me")
    assert (answer.status_code, answer.text) == (503, "the store is out of reach\n")


@pytest.mark.asyncio
async def test_public_pages_are_closed_without_a_person(tmp_path):
    """It says what to do; probes continue. With the first person the pages open."""
    site = Site(tmp_path / "s.db", is_local_only=False, people=False)
    browser = site.browser()
    for path in ("/", "/sign-in", "/first?token=x", "/people"):
        answer = await browser.get(path)
        assert answer.status_code == 503
        assert "mainspring open" in answer.text
    assert (await browser.get("/healthz")).status_code == 200
    assert (await browser.get("/i/x")).status_code == 404
    assert "no one can sign in yet" in await site.auth.invitation(again=True)
    site.add("ana", Role.ADMIN)
    now = site.clock.now() + 5_000
    site.clock.now = lambda: now
    assert (await browser.get("/sign-in")).status_code == 200
    assert await site.auth.invitation(again=True) is None
    site.store.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("body", [b"x" * 70_000, b"a=%ff&" * 60, b"\xff=\xff"])
async def test_form_that_is_none_of_ours_is_refused(site, body):
    """Too large, too many fields, no text."""
    answer = await site.browser(**OWN).ask(
        "POST", "/sign-in", content=body, headers={"content-type": "application/x-www-form-urlencoded"}
    )
    assert answer.status_code == 413
    assert PASSWORD not in answer.text


@pytest.mark.asyncio
async def test_little_is_read_of_who_is_unknown(site):
    """A long form is read of anyone who is in alone, and before that it is looked who asks."""
    long = {"act": "x", "text": "x" * 100_000}
    for headers in ({}, {"cookie": f"{site.auth.site.cookie}=nothing"}):
        answer = await site.browser(**OWN).ask("POST", "/me", data=long, headers=headers)
        assert (answer.status_code, answer.headers["connection"]) == (401, "close")
    browser = site.browser(**OWN)
    await browser.sign_in()
    answer = await browser.submit("/me", "x", text="x" * 100_000)
    assert "there is no such operation" in answer.text


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:7171", 200),
        ("localhost:7171", 200),
        ("[::1]:7171", 200),
        ("ops.example.com", 200),
        ("OPS.internal:443", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example:7171", 403),
        ("localhost.evil.example", 403),
    ],
)
async def test_page_of_another_site_cannot_call_loopback_by_its_own_name(tmp_path, host, status):
    """DNS rebinding: the sign-in is shown and taken under our own names only; what wants a proof is answered under any."""
    site = Site(tmp_path / "s.db", public_url="https://ops.example.com", allowed_hosts=("ops.internal",))
    try:
        browser = site.browser(host=host)
        assert (await browser.get("/sign-in")).status_code == status
        assert (await browser.sign_in(headers={"sec-fetch-site": "same-origin"})).status_code == (
            303 if status == 200 else 403
        )
        assert (await browser.get("/healthz")).status_code == 200
        bearer = {"authorization": f"Bearer {site.token()}"}
        assert (await site.browser(host=host).get("/api/v1/nothing", headers=bearer)).status_code == 404
    finally:
        site.store.close()


@pytest.mark.asyncio
async def test_request_with_two_lengths_is_refused(site):
    """Content-Length with Transfer-Encoding: a proxy before us may have read another request."""
    headers = {"content-length": "3", "transfer-encoding": "chunked"}
    answer = await site.browser().ask("POST", "/sign-in", content=b"a=b", headers=headers)
    assert (answer.status_code, answer.headers["connection"]) == (400, "close")


@pytest.mark.asyncio
async def test_stranger_is_evaluated_before_its_form_is_read(site, monkeypatch):
    """Nothing of a form is read of an address that asked too often, of another site, or at a page for known visitors."""
    read = []

    async def body():
        read.append(1)
        yield b"name=ana"

    form = {"content-type": "application/x-www-form-urlencoded"}
    assert (await site.browser().ask("POST", "/sign-in", content=body(), headers=form)).status_code == 403
    assert (await site.browser(**OWN).ask("POST", "/people", content=body(), headers=form)).status_code == 401
    monkeypatch.setattr(site.auth.authenticator, "has_quota", lambda request: False)
    assert (await site.browser(**OWN).ask("POST", "/sign-in", content=body(), headers=form)).status_code == 429
    assert read == []


@pytest.mark.asyncio
async def test_place_is_free_when_an_answer_starts(site, monkeypatch):
    """A client that does not read its answer keeps no one waiting; assets need no place at all."""
    monkeypatch.setattr(site.app, "_slots", RequestSlots(1, 1))
    stuck, started = asyncio.Event(), asyncio.Event()

    async def unread(message):
        started.set()
        await stuck.wait()

    async def nothing():
        return {"type": "http.disconnect"}

    scope = {
        "type": "http", "method": "GET", "path": "/sign-in", "raw_path": b"/sign-in", "query_string": b"", "scheme": "http",
        "server": ("127.0.0.1", 7171), "client": ("10.0.0.1", 1), "headers": [], "http_version": "1.1",
    }  # fmt: skip
    slow = asyncio.create_task(site.app(scope, nothing, unread))
    await started.wait()
    assert (await site.browser().get("/sign-in")).status_code == 200
    stuck.set()
    await slow


def test_places_are_bounded_for_each_address():
    """One address leaves some to the others; those that a proxy speaks for without a name share all of them."""
    places = RequestSlots(4, 2)
    first, second = places.take("203.0.113.9"), places.take("203.0.113.9")
    assert places.take("203.0.113.9") is None
    assert places.take("203.0.113.10") is not None
    assert places.take(None) is not None
    assert places.take(None) is None
    first.leave()
    first.leave()
    assert places.take(None) is not None
    assert places.take("203.0.113.9") is None
    second.leave()
    assert places.take("203.0.113.9") is not None


def test_limiter_allows_a_burst_and_then_the_rate():
    """Who waits gets more, never more than the burst; others are not touched."""
    limiter = RateLimiter(rate=2, burst=3)
    assert [limiter.acquire("a", 0) for _ in range(4)] == [True, True, True, False]
    assert limiter.acquire("b", 0)
    assert [limiter.acquire("a", 500), limiter.acquire("a", 500)] == [True, False]
    assert [limiter.acquire("a", 90_000) for _ in range(4)] == [True, True, True, False]


@given(st.lists(st.integers(-2_000, 5_000), max_size=60))
def test_limiter_never_allows_more_than_rate_and_burst(gaps):
    """Whatever the times are, also where the clock is set back."""
    limiter, now, passed, allowed = RateLimiter(rate=2, burst=3), 0, 0, 0
    for gap in gaps:
        now += gap
        passed += max(0, gap)
        allowed += limiter.acquire("a", now)
    assert allowed <= 3 + 2 * passed / 1_000


def test_limiter_forgets_the_oldest_addresses():
    """A flood of addresses takes no more memory than so much."""
    limiter = RateLimiter(rate=1, burst=1, most=3)
    for number in range(10):
        limiter.acquire(f"a{number}", number)
    assert len(limiter) == 3
