"""The listener of webhooks, fuzzed by a document of what it takes and answers: it does what that says."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

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

from tests.hook_openapi import openapi
from tests.hook_samples import SECRET
from tests.hook_world import World, world

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
NEGATIVE_CHECKS = [*CHECKS, negative_data_rejection]
TYPED = ("/orders", "/fields", "/batched")
EVERY = (*TYPED, "/github", "/stripe", "/slack", "/standard", "/open", "/sieved")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """A listener in a loop of its own, and where it is."""
    with _served(tmp_path_factory.mktemp("site")) as found:
        yield found


@contextmanager
def _served(folder):
    ready, loop, ended = threading.Event(), asyncio.new_event_loop(), asyncio.Event()
    found = []

    async def serve():
        async with world(folder) as w, w.listening() as port:
            found.append((w, f"http://127.0.0.1:{port}"))
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(20)
        yield found[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()


def test_document_is_sound_and_names_no_secret(site):
    """By the rules of OpenAPI 3.1; senders, types and parts are in it, values and names of secrets are not."""
    w, url = site
    document = openapi(w.intake.table, url, "1")
    validate(document)
    assert set(document["paths"]) == {"/healthz", "/result", "/filtered", "/paced", "/unset", *EVERY}
    schema = document["paths"]["/orders"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/order.webhook.Order"}
    assert document["components"]["securitySchemes"]["push.webhook"]["name"] == "x-hub-signature-256"
    assert document["paths"]["/open"]["post"]["security"] == []
    assert SECRET not in str(document)
    assert "NOT_SET" not in str(document)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
def test_listener_matches_its_document(site, mode):
    """Whatever fits the document, and whatever does not, is answered as it says: no fault of ours, no status or form that is not in it."""
    w, url = site
    document = openapi(w.intake.table, url, "1")
    schema = schemathesis.openapi.from_dict(document)
    is_invalid = mode is GenerationMode.NEGATIVE
    cases = [schema[path]["POST"].as_strategy(generation_mode=mode) for path in (TYPED if is_invalid else EVERY)]

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=st.one_of(cases))
    def fuzz(case):
        headers = {} if case.path in ("/github", "/open") else {"Authorization": f"Bearer {SECRET}"}
        response = case.call(base_url=url, headers=headers)
        case.validate_response(response, checks=NEGATIVE_CHECKS if is_invalid else CHECKS, headers=headers)

    fuzz()
    answers = {answer for _, answer in w.answers}
    assert answers & ({"misfit", "bad_json", "no_key"} if is_invalid else {"accepted"})
    assert w.app.admission.inside == w.app.admission.bytes == 0
