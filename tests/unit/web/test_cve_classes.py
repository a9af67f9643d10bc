"""The classes of holes that peers had, each as a test of its own against this web process: it stays closed here."""

import ast
import json
import logging
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainspring.app.setup.process_log import JsonFormatter
from mainspring.domain.access.permissions import API, Role, Visitor
from mainspring.domain.errors import MainspringError
from mainspring.domain.redaction.secret_url import read_secret_url
from mainspring.domain.values.template import expand_template
from mainspring.integrations.base.egress_policy import EGRESS_POLICY
from mainspring.service.spool import Spool
from mainspring.web.api.table import ROUTES
from tests.api_world import sqlite_world
from tests.hook_samples import Request
from tests.hook_world import JSON, world
from tests.unit.web.auth_site import OWN, Site

SRC = Path(__file__).resolve().parents[3] / "src"
TRAVERSALS = (
    "..%2f..%2f..%2fetc%2fpasswd",
    "%2e%2e%2f%2e%2e%2fpyproject.toml",
    "..%5c..%5cwin.ini",
    "%2fetc%2fpasswd",
    "....//etc/passwd",
)


@pytest.fixture
def api(tmp_path):
    found = sqlite_world(tmp_path)
    yield found
    found.api.close()
    found.store.close()


@pytest.fixture
def site(tmp_path):
    found = Site(tmp_path / "s.db")
    yield found
    found.store.close()


def calls_in_src():
    """Give the name of each function that is called in the source, with its file."""
    for file in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield ast.unparse(node.func), file.name


def imports_in_src():
    """Give the name of each module that is imported in the source."""
    for file in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from (name.name for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module


@pytest.mark.asyncio
async def test_content_type_decides_the_parser_and_server_made_fields_come_from_the_server(tmp_path):
    """CVE-2026-21858 (n8n): a JSON body that says it is a form with files names no file; key, time and name are not the body's."""
    faked = {
        "files": [{"filepath": "/etc/passwd"}],
        "key": "mine",
        "at": 1,
        "name": "n",
        "headers": {"x": "y"},
        "id": "d_0",
    }
    async with world(tmp_path) as w:
        answer = await w.ask("/open", Request(json.dumps(faked).encode(), JSON))
        assert answer.status == 202
        ((key, body),) = w.rows("select key, body from deliveries")
        assert key != "mine"
        assert msgspec.json.decode(body) == faked
        assert answer.json["delivery"] != "d_0"
        for kind in ("multipart/form-data; boundary=x", "application/xml", "text/html", "application/x-yaml"):
            refused = await w.ask("/open", Request(json.dumps(faked | {"n": kind}).encode(), {"content-type": kind}))
            assert refused.status == 415, kind
        form = {"content-type": "application/x-www-form-urlencoded"}
        await w.ask("/open", Request(b'{"filepath": "/etc/passwd"}', form))
        assert w.rows("select count(*) from deliveries where state <> 'refused'")[0][0] <= 2
        assert "root:" not in str(w.rows("select body from deliveries"))


def test_templates_are_data_and_nothing_evaluates_text():
    """CVE-2025-68613, CVE-2026-1470, CVE-2025-68668, CVE-2026-49444 (n8n): there is no sandbox, for no text is ever run as code."""
    assert {
        name for name, _ in calls_in_src() if name in ("eval", "exec", "compile", "builtins.eval", "builtins.exec")
    } == set()
    data = {"data": {"a": "{data.b}", "b": "secret"}}
    assert expand_template("{data.a}", data) == "{data.b}"
    for hostile in (
        "{data.__class__}",
        "{data.a.__class__.__mro__}",
        "{data[a]}",
        "{data.a!r}",
        "{data.b:{data.a}}",
        "{0.__globals__}",
    ):
        with pytest.raises(MainspringError):
            expand_template(hostile, data)


def test_names_from_outside_never_leave_their_folder(tmp_path):
    """CVE-2026-21877 (n8n): what is chosen freely becomes a part of a file's name only where it cannot lead out of its folder."""
    spool = Spool(tmp_path / "spool")
    for name in ("../../outside", "/etc/cron.d/x", "a/b", "..", "x\x00y", "\u202e", "n" * 200):
        lock = spool.lock(name)
        assert lock is not None
        (path,) = lock.files
        assert path.resolve().is_relative_to((tmp_path / "spool").resolve()), name
        lock.release()
    assert [path.name for path in tmp_path.iterdir()] == ["spool"]


@pytest.mark.asyncio
async def test_no_caller_names_a_credential_or_where_it_is_sent(api):
    """CVE-2026-42226 (n8n): no request has a field for a secret or an address; a channel is tried by its configured name."""
    for route in ROUTES:
        names = {
            field.encode_name
            for kind in (route.request_type, route.query)
            if kind
            for field in msgspec.structs.fields(kind)
        }
        assert not names & {
            "secret",
            "secrets",
            "credential",
            "credentials",
            "url",
            "address",
            "endpoint",
            "verify",
            "host",
        }, route.path
    assert (await api.ask("POST", "/channels/https:%2f%2fevil.example/test", json={})).status_code in (404, 422)


@pytest.mark.parametrize(
    "address", ["::ffff:169.254.169.254", "::ffff:a9fe:a9fe", "64:ff9b::a9fe:a9fe", "169.254.169.254"]
)
def test_mapped_addresses_lead_nowhere_inside(address):
    """CVE-2026-42449 (n8n-mcp): the metadata service, in whatever form; the whole corpus is in
    tests/unit/resources/test_egress_policy.py."""
    assert EGRESS_POLICY.refusal("outside.example", [address]) is not None


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/api/v1/changes", "/api/events/in", "/", "/healthz", "/ws"])
async def test_web_sockets_are_answered_nowhere(site, path):
    """CVE-2026-7723 (Prefect): a socket beside the routes that no one guards. None is accepted, nothing behind hears of it."""
    received = []
    app = site.auth.around(lambda *of: received.append(of))
    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "headers": [],
        "query_string": b"",
        "scheme": "ws",
    }
    await app(scope, None, received.append)
    assert received == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/runs/health",
        "/api/v1/healthz",
        "/people/readyz",
        "/healthz/people",
        "/x/healthz",
        "/api/v1/ready",
        "//healthz",
        "/metrics/x",
    ],
)
async def test_path_that_ends_like_a_probe_is_guarded(site, path):
    """CVE-2026-3514 (Prefect): only the exact paths of probes need no proof."""
    assert (await site.browser().get(path)).status_code in (303, 401, 404)
    assert (await site.browser().get("/healthz")).status_code == 200


@pytest.mark.asyncio
async def test_roles_hold_for_programs_and_filters_are_no_sql(api):
    """CVE-2026-22683, CVE-2026-23696 (Windmill): a viewer acts by no route (all of them: api/test_access.py), and a filter is a value."""
    run = api.begin()
    for path, body in (
        (f"/runs/{run}/cancel", {}),
        ("/automations/pay/runs", {"input": {"amount": 1}}),
        ("/bulk", {"verb": "retry"}),
    ):
        assert (await api.ask("POST", path, who="vic", json=body)).status_code == 403, path
    before = (await api.get("/runs"))["items"]
    for hostile in (
        "' or '1'='1",
        "pay' union select hash from api_tokens --",
        "%",
        "pay%",
        "_ay",
        "'; drop table runs; --",
        "pay\\",
    ):
        assert (await api.get("/runs", name=hostile))["items"] == [], hostile
    assert (await api.get("/runs"))["items"] == before


@given(st.text("paybil-*ng ", max_size=12), st.text("paybilng-x", max_size=12))
def test_patterns_are_matched_whole_and_prefixes_are_whole_words(pattern, name):
    """CVE-2026-45426 (Airflow): `lstrip` takes letters for a prefix. A pattern fits as the shell's does, from the first letter on."""
    visitor = Visitor(entry_point=API, name="x", role=Role.VIEWER, automations=(pattern,))
    assert visitor.may_view(name) == fnmatchcase(name, pattern)


def test_no_word_is_stripped_letter_by_letter():
    """The same: what takes off a prefix takes off a word. Letters are stripped nowhere, and `secret:` is a prefix."""
    for file in SRC.rglob("*.py"):
        if file.name == "error_normalizer.py":  # takes the letters of a literal's prefix off, which come in any order
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("strip", "lstrip", "rstrip")
            ):
                text = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else ""
                assert not any(part.isalpha() for part in str(text)), (file, text)
    for name in ("secretcode", "secre:t", "s:x"):
        with pytest.raises(MainspringError):
            read_secret_url(name)


@pytest.mark.slow
def test_no_value_is_read_as_a_program():
    """CVE-2026-25917 (Airflow): values are JSON of a type that the code names; what could build objects is imported nowhere."""
    imported = set(imports_in_src())
    assert not imported & {"pickle", "marshal", "shelve", "dill", "cloudpickle", "jsonpickle", "yaml"}
    assert not {name for name, _ in calls_in_src() if name.endswith(("pickle.loads", "marshal.loads", "yaml.load"))}


@pytest.mark.asyncio
async def test_session_ends_with_its_sign_out_and_its_cookie_is_of_this_host(tmp_path):
    """CVE-2026-48726, CVE-2026-28779 (Airflow): the cookie that was kept opens nothing more, and no other host or path can set it."""
    site = Site(tmp_path / "s.db", public_url="https://ops.example.com")
    try:
        browser = site.browser(**OWN)
        answer = await browser.sign_in()
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-")
        assert all(part in cookie for part in ("Secure", "HttpOnly", "Path=/", "SameSite=lax"))
        assert "Domain" not in cookie
        cookies_before = dict(browser.cookies)
        assert (await browser.get("/me")).status_code == 200
        await browser.submit("/me", "x")
        form = (await browser.get("/me")).text.partition('name="form" value="')[2].partition('"')[0]
        assert (await browser.ask("POST", "/sign-out", data={"form": form}, headers=OWN)).status_code == 303
        thief = site.browser()
        thief.cookies = cookies_before
        assert (await thief.get("/me")).status_code == 303
    finally:
        site.store.close()


@pytest.mark.asyncio
async def test_lines_of_logs_cannot_be_forged_and_viewers_do_not_read_the_audit_log(api):
    """CVE-2024-32077, CVE-2024-26280 (Airflow)."""
    hostile = 'x\n{"level": "info", "text": "forged"}\r\x1b[2J\u2028'
    record = logging.LogRecord("users", logging.INFO, "f", 1, hostile, None, None)
    line = JsonFormatter("production").format(record)
    assert "\n" not in line
    assert "\x1b" not in line
    assert msgspec.json.decode(line)["text"].startswith("x\n{")
    assert (await api.ask("GET", "/audit-log", who="vic")).status_code == 403


@pytest.mark.asyncio
@pytest.mark.parametrize("hostile", TRAVERSALS)
async def test_no_path_leads_to_a_file(site, api, hostile):
    """CVE-2026-33497 (Langflow): each place of each route, and the assets, take a traversal for a name that does not exist."""
    for route in ROUTES:
        if not route.names or route.method != "GET":
            continue
        path = route.path
        for name in route.names:
            path = path.replace("{" + name + "}", hostile)
        answer = await api.ask("GET", path)
        nothing = answer.status_code == 200 and answer.json()["items"] == []  # a filter by a cause that nothing has
        assert nothing or answer.status_code in (400, 404, 422), (path, answer.status_code)
        assert "root:" not in answer.text
    for path in (f"/assets/{hostile}", f"/i/{hostile}", f"/{hostile}"):
        answer = await site.browser().get(path)
        assert answer.status_code in (303, 404), path
        assert "[project]" not in answer.text
