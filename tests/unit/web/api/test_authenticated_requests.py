"""The API where it stands in the web process: behind the entrance, for holders of tokens and for people at the pages."""

from types import SimpleNamespace

import httpx2
import pytest
from starlette.applications import Starlette

from mainspring.app.remote.api_errors import DeniedError
from mainspring.app.remote.client import Client
from mainspring.config import Settings
from mainspring.domain.access.permissions import Role
from mainspring.domain.errors import NotFoundError
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.service.access import people
from mainspring.web.api.api_asgi import ApiApp
from mainspring.web.api.call import HandlerContext
from tests.api_world import BACKUP, PAY, announce
from tests.unit.web.auth_site import OWN, hidden
from tests.unit.web.auth_site import Site as AuthSite


class Behind:
    """A web process's application with the API in it."""

    def __init__(self, path):
        self.auth = AuthSite(path)
        self.auth.store.open_session("worker")
        announce(self.auth.store, PAY, BACKUP)
        site = HandlerContext(self.auth.store, PLAIN_SEALING, Settings(), self.auth.clock)
        self.api = ApiApp(self.auth.auth.authenticator, site)
        self.app = self.auth.auth.around(Starlette(routes=[*self.auth.auth.routes(), self.api.mounted()]))

    def client(self, token):
        return Client("http://here", token=token, transport=httpx2.ASGITransport(self.app))

    async def ask(self, method, path, **options):
        transport = httpx2.ASGITransport(self.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://here", trust_env=False) as client:
            return await client.request(method, path, **options)


@pytest.fixture
def behind(tmp_path):
    found = Behind(tmp_path / "s.db")
    yield found
    found.api.close()
    found.auth.store.close()


@pytest.mark.asyncio
async def test_holder_of_a_token_works_in_its_name(behind):
    """Until it is revoked; and no one without one."""
    token = behind.auth.token("deploy-bot", Role.OPERATOR)
    client = behind.client(token)
    handle = await client.start("pay", amount=1)
    assert (await client.read("runs"))["items"][0]["trigger"] == "api:deploy-bot"
    for other in (None, "ms_nonsense", "nonsense"):
        with pytest.raises(DeniedError):
            await behind.client(other).cancel(handle.id)
    made = next(subject for verb, subject, _ in behind.auth.operations() if verb == "make")
    assert made == "token:deploy-bot"
    (row,) = behind.auth.store.reader.read_text("select id from api_tokens")
    people.revoke_token(behind.auth.store, row[0], act=behind.auth.act())
    with pytest.raises(DeniedError):
        await client.cancel(handle.id)


@pytest.mark.asyncio
async def test_token_of_some_automations_sees_no_others(behind):
    """Also by name."""
    client = behind.client(behind.auth.token("payer", Role.OPERATOR, ["pay"]))
    await client.start("pay", amount=1)
    with pytest.raises(NotFoundError):
        await client.start("backup")
    with pytest.raises(NotFoundError):
        await client.publish("paid")


@pytest.mark.asyncio
async def test_every_answer_below_the_api_is_guarded(behind):
    """What is not there is not told to strangers either, and answers carry the headers of the entrance."""
    for path in ("/api/v1/runs", "/api/v1/nothing", "/api/v1/openapi.json", "/api/v1/changes", "/api/v2/runs"):
        answer = await behind.ask("GET", path)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), path
        assert answer.headers["x-content-type-options"] == "nosniff"
    bearer = {"Authorization": f"Bearer {behind.auth.token()}"}
    answer = await behind.ask("GET", "/api/v1/openapi.json", headers=bearer)
    assert answer.json()["openapi"] == "3.1.0"
    assert answer.headers["cache-control"] == "private, no-cache"
    refused = await behind.ask("POST", "/api/v1/events", headers=bearer, content=b"x=1")
    assert refused.status_code == 415


FORM = "application/x-www-form-urlencoded"


@pytest.mark.asyncio
async def test_disconnect_is_noticed_with_any_declared_length(behind):
    """A stream listens for its asker's end: told again and again that an empty body came, it would keep the whole process busy."""
    received = []

    async def inner(scope, receive, send):
        received.append((await receive())["type"])

    async def gone():
        return {"type": "http.disconnect"}

    headers = [(b"authorization", f"Bearer {behind.auth.token()}".encode()), (b"content-type", FORM.encode())]
    scope = {
        "type": "http", "method": "GET", "path": "/api/v1/changes", "raw_path": b"/api/v1/changes", "query_string": b"",
        "scheme": "http", "server": ("127.0.0.1", 7171), "client": ("10.0.0.1", 1), "headers": headers,
    }  # fmt: skip
    await behind.auth.auth.around(inner)(scope, gone, None)
    assert received == ["http.disconnect"]


@pytest.mark.asyncio
async def test_form_is_no_body_of_the_api(behind):
    """Not from a page of ours either: its fields would be passed over, and the act done without them."""
    browser = behind.auth.browser(**OWN)
    await browser.sign_in()
    token = behind.auth.token()
    run = (await behind.client(token).start("pay", amount=1)).id
    form = hidden((await browser.get("/me")).text, "form")
    path = f"/api/v1/runs/{run}/cancel"
    browser.site = SimpleNamespace(app=behind.app)
    answer = await browser.ask("POST", path, headers={"x-form-token": form}, data={"undo": "true", "form": form})
    assert (answer.status_code, answer.json()["code"]) == (415, "body_rejected")
    answer = await browser.ask("POST", path, headers={"x-form-token": form}, json={"undo": True})
    assert answer.status_code == 200
