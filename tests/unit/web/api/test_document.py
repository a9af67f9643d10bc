"""The document of the API: sound, whole, and true of what is answered, whatever is asked."""

import asyncio
import os
import threading
from collections.abc import Iterator

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openapi_spec_validator import validate
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from mainspring.web.api.document import build_document
from mainspring.web.api.problem import CODES, ERROR_STATUSES
from mainspring.web.api.route import BASE
from mainspring.web.api.table import ROUTES
from mainspring.web.server.connection import ConnectionLimits
from mainspring.web.server.http_server import build_server, open_socket
from tests.unit.web.api.populated_world import make_populated_world, populate

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
NEGATIVE_CHECKS = [*CHECKS, negative_data_rejection]
EVERY = bool(os.environ.get("TESTS_LONG"))
# The long tier asks all of them.
WITH_BODY = {
    "runs.listed",
    "incidents.listed",
    "automations.begin",
    "bulk.retry",
    "events.publish",
    "workers.drain",
    "files.list",
    "files.download",
}
KEY = {"Authorization": "Bearer ann"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, list[str]], str]]:
    """The API behind a real server, in a loop of its own."""
    world = make_populated_world(tmp_path_factory.mktemp("site"))
    names = populate(world)
    listener = open_socket("127.0.0.1:0", "web.bind")
    serving = build_server(world.api, ConnectionLimits(100, 100))
    thread = threading.Thread(target=lambda: asyncio.run(serving.serve(sockets=[listener])))
    thread.start()
    yield names, f"http://127.0.0.1:{listener.getsockname()[1]}"
    serving.should_exit = True
    thread.join()
    world.api.close()
    world.store.close()


def test_document_is_sound_and_has_every_route():
    """By the rules of OpenAPI 3.1: one operation for each row, with its role, its words, and what it refuses."""
    document = build_document(ROUTES, "1")
    validate(document)
    found = {(path, method) for path, methods in document["paths"].items() for method in methods}
    undocumented = {(f"{BASE}/changes", "get"), (f"{BASE}/openapi.json", "get")}
    assert found == {(f"{BASE}{route.path}", route.method.lower()) for route in ROUTES} | undocumented
    for route in ROUTES:
        operation = document["paths"][f"{BASE}{route.path}"][route.method.lower()]
        assert (operation["x-least-role"], operation["summary"]) == (route.role, route.line)
        assert {"401", "403", "404", "422", "503"} <= set(operation["responses"])
        assert {str(status) for _, status in ERROR_STATUSES} <= set(operation["responses"])
    assert "unauthenticated" in CODES
    run = document["components"]["schemas"]["RunRow"]["properties"]
    assert run["created_at"] == {"type": "string", "format": "date-time"}


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
def test_api_matches_its_document(site, mode):
    """Whatever fits the document, and whatever does not, is answered as it says: no fault of ours, no status or form that is not in it.

    Most requests are about something that exists: the path has its name in place of a drawn one.
    """
    names, url = site
    with httpx2.Client(trust_env=False) as client:
        document = client.get(f"{url}{BASE}/openapi.json", headers=KEY).json()
    # Each request has a key: one that is wrong for the want of it would be right by then.
    del document["security"]
    schema = schemathesis.openapi.from_dict(document)
    is_invalid = mode is GenerationMode.NEGATIVE
    cases = [
        schema[f"{BASE}{route.path}"][route.method].as_strategy(generation_mode=mode)
        for route in ROUTES
        if EVERY or route.id in WITH_BODY
    ]

    answered = []

    @settings(max_examples=300 if EVERY else 20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=st.one_of(cases), is_known=st.sampled_from([True, True, False]), place=st.integers(0, 50))
    def fuzz(case, is_known, place):
        known = {name: names[name] for name in case.path_parameters or {} if is_known and name in names}
        case.path_parameters = {
            **(case.path_parameters or {}),
            **{n: given[place % len(given)] for n, given in known.items()},
        }
        response = case.call(base_url=url, headers=KEY)
        # The fuzzer's own list of refusals has no 413.
        refuses = is_invalid and response.status_code != 413 and not known
        case.validate_response(response, checks=NEGATIVE_CHECKS if refuses else CHECKS, headers=KEY)
        answered.append(response.status_code)

    fuzz()
    assert len(answered) >= 20
    assert any(status >= 400 for status in answered) if is_invalid else any(status < 400 for status in answered)
