"""Who gets in where: each route, by role and by method, from the table alone."""

import itertools
import re

import pytest

from mainspring.domain.access.permissions import Role
from mainspring.resources.known_secrets import KnownSecrets
from mainspring.web.api.route import BASE
from mainspring.web.api.table import ROUTES
from tests.api_world import VISITORS, sqlite_world

UNUSED_METHODS = ("PUT", "DELETE")
METHODS = ("GET", "POST", *UNUSED_METHODS)
WHO = ("ann", "olga", "vic", "payer", "nobody")
JSON = {"Content-Type": "application/json"}
PATHS = sorted({route.path for route in ROUTES} | {"/openapi.json"})
REFUSED = {401: "unauthenticated", 403: "forbidden", 404: "no_path", 405: "method"}


def filled(path: str) -> str:
    """Return a path whose names lead nowhere."""
    return re.sub(r"\{\w+\}", "x", path)


def code_of(answer):
    is_problem = answer.headers.get("content-type") == "application/problem+json"
    return answer.json()["code"] if is_problem and answer.content else None


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """One for all: some tests begin runs in it, in any order."""
    found = sqlite_world(tmp_path_factory.mktemp("api"))
    yield found
    found.api.close()
    found.store.close()


def expected_code(path, method, who):
    """Return the status by which the table refuses; None = the route is reached."""
    if who == "nobody":
        return 401
    if path == "/openapi.json":
        return None if method == "GET" else 405
    route = next((route for route in ROUTES if (route.path, route.method) == (path, method)), None)
    if route is None:
        return 405
    if route.whole and who == "payer":
        return 404
    return None if VISITORS[who].may(route.role) else 403


@pytest.mark.asyncio
async def test_route_is_reached_by_its_role_and_method_only(world):
    """No one, each role, and who sees some automations only: let in exactly where the table says so."""
    before = world.site.reads.audit_rows()
    for path, method, who in itertools.product(PATHS, METHODS, WHO):
        if method in UNUSED_METHODS and who not in ("ann", "nobody"):
            continue
        # What is refused is refused before the body is looked at, so no act of this test is done.
        answer = await world.ask(method, filled(path), who=who, content=b"{", headers=JSON)
        expected, code = expected_code(path, method, who), code_of(answer)
        where = (path, method, who, answer.status_code, code)
        if expected is None:
            assert code not in REFUSED.values(), where
            assert answer.status_code in ((200, 404, 422) if method == "GET" else (400,)), where
        else:
            assert answer.status_code == expected, where
            assert code == REFUSED[expected], where
    assert world.site.reads.audit_rows() == before


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/nothing",
        "/runs/",
        "//runs",
        "/RUNS",
        "/runs/x/y",
        "/runs/%00",
        "/runs/%ff",
        "/../metrics",
        "/runs/x/retry/",
    ],
)
async def test_unknown_route_is_not_found(world, path):
    """Paths are exact, for an admin too."""
    answer = await world.ask("GET", path)
    assert (answer.status_code, code_of(answer)) == (404, "no_path")


def test_every_operation_needs_more_than_read_access():
    """What changes something is a POST with a body and a role above viewer; what looks takes no body, except a query of a run."""
    for route in ROUTES:
        assert (route.method == "POST") == (route.request_type is not None), route.path
        is_read = route.method == "GET" or route.id == "queries.ask"
        assert is_read or route.role.reaches(Role.OPERATOR), route.path
        assert route.line.endswith("."), route.path
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)
    assert len({route.id for route in ROUTES}) == len(ROUTES)


def test_visitors_of_some_automations_reach_only_what_belongs_to_automations():
    """What is of no automation is marked so; a new noun has to be thought about here."""
    nouns = {route.path.split("/")[1] for route in ROUTES if not route.whole}
    assert nouns == {
        *("runs", "logs", "questions", "automations", "bulk", "failed", "search", "schedule", "schedules"),
        *("incidents", "alerts", "errors", "triggers", "deliveries", "now", "handover", "rollouts"),
    }
    assert BASE == "/api/v1"


@pytest.mark.asyncio
async def test_viewers_do_not_read_the_audit_log(world):
    """Neither its list nor its check, nor what the handover tells of it."""
    world.begin()
    for path in ("/audit-log", "/audit-log/check"):
        assert (await world.ask("GET", path, who="vic")).status_code == 403
        assert (await world.ask("GET", path, who="olga")).status_code == 200
    assert (await world.get("/handover", who="olga"))["acts"] != []
    assert (await world.get("/handover", who="vic"))["acts"] == []


@pytest.mark.asyncio
async def test_known_secrets_are_hidden_from_viewers(world, monkeypatch):
    """In every answer, in whatever form, also in names; an operator reads what is stored."""
    monkeypatch.setattr("mainspring.web.api.api_asgi.KNOWN_SECRETS", known := KnownSecrets())
    known.add(["correct-horse/battery"])
    run = world.begin(
        data=b'{"amount":1,"to":"correct-horse/battery","x":{"correct-horse/battery":"a correct-horse%2Fbattery"}}'
    )
    for who, hidden in (("vic", True), ("olga", False)):
        text = (await world.ask("GET", f"/runs/{run}", who=who)).text
        assert ("correct-horse" not in text) == hidden, who
        assert ("***" in text) == hidden, who
