"""Flags over OFREP: the client of OpenFeature gets our flags, with their types, reasons and errors."""

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from openfeature import api as openfeature
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from starlette.applications import Starlette

from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.flags.flag import FlagKind, FlagReason, FlagSide
from mainspring.domain.flags.flag_change import FlagChange
from mainspring.store.commands.flags import ChangeFlag, DeleteFlag
from mainspring.store.read.flags import list_flag_uses
from mainspring.web.api.ofrep import BASE, OfrepApp
from tests.api_world import ApiWorld, sqlite_world
from tests.browser import served


class OfrepSite:
    """The handlers behind a real server, and a client with the token of a viewer."""

    def __init__(self, world: ApiWorld, app: OfrepApp, address: str) -> None:
        self.world, self.app, self.address = world, app, address
        provider = OFREPProvider(address, headers_factory=lambda: {"Authorization": "Bearer vic"})
        openfeature.set_provider(provider)
        self.client = openfeature.get_client()

    def change(self, name: str, **fields: Any) -> None:
        self.world.store.apply(ChangeFlag(name, FlagChange(**fields)))

    def post(
        self, path: str = "", *, token: str = "vic", headers: dict[str, str] | None = None, **options: Any
    ) -> httpx2.Response:
        sent = {"Authorization": f"Bearer {token}", **(headers or {})}
        return httpx2.post(f"{self.address}{BASE}{path}", headers=sent, trust_env=False, **options)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[OfrepSite]:
    world = sqlite_world(tmp_path)
    app = OfrepApp(world.authenticator, world.site)
    with served(Starlette(routes=app.routes())) as address:
        yield OfrepSite(world, app, address)
    world.api.close()
    world.store.close()


def test_client_of_openfeature_gets_our_flags(site: OfrepSite) -> None:
    """Each type, each side, and the reason; a change counts at the next question."""
    site.change("new-mailer", allow=("ann",), attributes={"country": ("DE",)})
    site.change("region", kind=FlagKind.STRING, on_value='"us"', off_value='"eu"', share=1_000_000)
    site.change("limit", kind=FlagKind.NUMBER, on_value="10", share=1_000_000)
    site.change("plan", kind=FlagKind.JSON, on_value='{"a":[1]}', share=1_000_000)
    client = site.client
    assert client.get_boolean_value("new-mailer", False, EvaluationContext("ann"))
    assert not client.get_boolean_value("new-mailer", True, EvaluationContext("bob"))
    german = client.get_boolean_details("new-mailer", False, EvaluationContext("bob", {"country": "DE", "more": ["x"]}))
    assert (german.value, german.variant, german.reason) == (True, "on", "TARGETING_MATCH")
    assert client.get_string_value("region", "?") == "us"
    assert client.get_integer_value("limit", 1) == 10
    assert client.get_object_value("plan", {}) == {"a": [1]}
    site.change("region", is_killed=True)
    killed = client.get_string_details("region", "?")
    assert (killed.value, killed.variant, killed.reason) == ("eu", "off", "DISABLED")
    site.world.store.apply(DeleteFlag("region"))
    gone = client.get_string_details("region", "?")
    assert (gone.value, gone.error_code) == ("?", ErrorCode.FLAG_NOT_FOUND)


def test_client_uses_its_own_default(site: OfrepSite) -> None:
    """For a side without a value, and for another type than the client wants."""
    site.change("limit", kind=FlagKind.NUMBER, on_value="10")
    assert site.client.get_integer_value("limit", 3) == 3
    assert site.client.get_boolean_value("limit", True) is True


def test_questions_are_counted(site: OfrepSite) -> None:
    """Those about an unknown flag, and each flag of a list."""
    site.change("new-mailer", share=1_000_000)
    site.client.get_boolean_value("new-mailer", False)
    site.client.get_boolean_value("nothing", False)
    site.post(json={})
    site.app.close()
    site.change("later")  # committed after the counts
    uses = {use.flag: (use.side, use.reason, use.number) for use in list_flag_uses(site.world.store.reader, None, 0)}
    assert uses == {
        "new-mailer": (FlagSide.ON, FlagReason.SHARE, 2),
        "nothing": (FlagSide.DEFAULT, FlagReason.UNKNOWN, 1),
    }


def test_all_flags_come_at_once_and_only_when_they_changed(site: OfrepSite) -> None:
    """A client that asks again and again gets 304."""
    site.change("a/b c", share=1_000_000)
    site.change("b")
    body = {"context": {"targetingKey": "ann"}}
    first = site.post(json=body)
    assert [(flag["key"], flag["value"]) for flag in first.json()["flags"]] == [("a/b c", True), ("b", False)]
    assert site.post("/a%2Fb%20c", json=body).json()["value"] is True
    tag = {"If-None-Match": first.headers["etag"]}
    assert site.post(json=body, headers=tag).status_code == 304
    site.change("b", share=1_000_000)
    assert site.post(json=body, headers=tag).status_code == 200


@pytest.mark.parametrize(
    ("path", "options", "status", "code"),
    [
        ("/f", {"content": b"{"}, 400, "PARSE_ERROR"),
        ("/f", {"json": {"context": []}}, 400, "PARSE_ERROR"),
        ("/f", {"json": {"context": {"targetingKey": 1.5}}}, 400, "INVALID_CONTEXT"),
        ("", {"json": {"context": {"targetingKey": True}}}, 400, "INVALID_CONTEXT"),
        ("/" + "x" * 501, {"json": {}}, 400, "INVALID_CONTEXT"),
        ("/f", {"content": b"x" * 300_000}, 400, "PARSE_ERROR"),
        ("/unknown", {"json": {}}, 404, "FLAG_NOT_FOUND"),
        ("/f", {"json": {}, "token": "payer"}, 403, "GENERAL"),
    ],
)
def test_bad_request_gets_the_error_of_the_protocol(
    site: OfrepSite, path: str, options: dict[str, Any], status: int, code: str
) -> None:
    """With what is wrong, for a person."""
    site.change("f")
    headers = {"Content-Type": "application/json"}
    response = site.post(path, headers=headers, **options)
    assert (response.status_code, response.json()["errorCode"]) == (status, code)
    assert response.json()["errorDetails"]


def test_no_one_is_let_in_without_a_token(site: OfrepSite) -> None:
    """Neither path answers."""
    assert site.post("/f", json={}, token="nobody").status_code == 401
    assert site.post(json={}, token="nobody").status_code == 401


def test_store_that_does_not_answer_for_long_is_an_error(site: OfrepSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last flags count for a time; then the client gets 503, and uses its own defaults."""
    site.change("f", share=1_000_000)
    assert site.post("/f", json={}).json()["value"] is True

    def fail(_reader: object) -> int:
        raise StoreUnavailableError("no connection")

    monkeypatch.setattr("mainspring.web.api.ofrep.read_revision", fail)
    assert site.post("/f", json={}).json()["value"] is True
    now = time.monotonic()
    monkeypatch.setattr("mainspring.web.api.ofrep.time", SimpleNamespace(monotonic=lambda: now + 301))
    assert site.post("/f", json={}).status_code == 503
    assert site.post(json={}).status_code == 503
