"""One request: what it sends and returns, the errors it raises, and what the ledger does with them."""

import asyncio
import enum
import inspect
import itertools
import math
import socket
import ssl
import subprocess
import sys
import threading
from datetime import date, timedelta
from decimal import Decimal
from functools import partial

import msgspec
import pytest

import mainspring as ms
from mainspring.actions import http
from mainspring.actions.http.exchange import _read_location
from mainspring.actions.http.prepared_call import prepare_call
from mainspring.app.project import Project
from mainspring.domain.effects.errors import EffectInDoubtError
from mainspring.domain.errors import ArgumentError, ConfigError, DefinitionError, OptionError, UnknownOptionError
from mainspring.domain.failures.classifier import classify
from mainspring.domain.failures.saved_error import RunFailed
from mainspring.integrations.secrets.folder_secrets import FolderSecrets
from mainspring.resources.secret_store import ProviderEntry, SecretStore
from tests.unit.actions.http import example_http_actions as example

NUMBERS = itertools.count(1)
TOKEN = "tok_5d1e8f7a2b9c4036"


class Kind(enum.Enum):
    NEW = "new"


@pytest.fixture
def token(monkeypatch):
    """A secret API of this process."""
    monkeypatch.setenv("MAINSPRING_SECRET_API", TOKEN)
    monkeypatch.setattr(Project, "_newest", None)


def run(fn, tmp_path, **options):
    """Run a function as the only step of a workflow; return its result."""

    @ms.workflow(name=f"w{next(NUMBERS)}")
    async def w(run: ms.Run):
        return await run.options(retry=ms.Retry(attempts=3, initial=timedelta(0)), **options).step(fn)

    return ms.App(tmp_path / "s.db").run(w)


def test_reply_has_the_selected_parts_of_a_response(target):
    """Status, address, headers in small letters, and the body as text, bytes and JSON."""
    reply = http.post(f"{target.base}/echo?a=1", json={"b": 2}, params={"c": "d e", "f": [1, 2]}, headers={"X-A": "g"})
    assert reply.status == 200
    assert reply.url == f"{target.base}/echo?a=1&c=d+e&f=1&f=2"
    assert reply.headers["content-type"] == "application/json"
    sent = reply.json()
    assert sent["body"] == '{"b":2}'
    assert {name.lower(): value for name, value in sent["headers"].items()}.items() >= {
        "content-type": "application/json",
        "x-a": "g",
    }.items()
    assert reply.text.encode() == reply.bytes


def test_binary_reply_survives_the_store(target):
    """A body that is not text is the same after it was saved."""
    reply = http.get(f"{target.base}/binary")
    assert reply.bytes == b"\xff\x00\xfe"
    assert msgspec.json.decode(msgspec.json.encode(reply), type=http.HttpReply) == reply
    with pytest.raises(http.HttpBodyError, match="application/octet-stream"):
        reply.json()


@pytest.mark.parametrize(
    ("data", "kind", "body"),
    [
        ({"a": "b c"}, "application/x-www-form-urlencoded", "a=b+c"),
        ("text", "text/plain; charset=utf-8", "text"),
        (b"\x01", "application/octet-stream", "\x01"),
    ],
)
def test_data_is_sent_by_its_type(target, data, kind, body):
    """A form, text or bytes."""
    sent = http.put(f"{target.base}/echo", data=data).json()
    assert (sent["headers"]["content-type"], sent["body"]) == (kind, body)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"params": {"q": "secret:API"}}, 'ms.secret("NAME")'),
        ({"params": {"q": ["a", "{secret:API}"]}}, "?q={secret:NAME}"),
        ({"headers": {"authorization": "Bearer secret:API"}}, "Bearer {secret:NAME}"),
    ],
)
def test_name_of_a_secret_that_would_be_replaced_or_sent_by_mistake_is_refused(target, token, options, hint):
    """Data in a parameter cannot name a secret, and a header does not go out with a name in place of the value."""
    with pytest.raises(OptionError) as refused:
        http.get(f"{target.base}/echo", **options)
    assert hint in (refused.value.hint or "")
    assert not target.requests
    http.get(f"{target.base}/echo", params={"q": "the secret:API of others"})
    assert len(target.requests) == 1


def test_secrets_are_sent_and_never_returned(target, token, caplog, capsys):
    """The names of secrets stand in the reply, in errors and logs; a target that repeats the token discloses nothing."""
    caplog.set_level("DEBUG")
    url = f"{target.base}/echo/{{secret:API}}?k={{secret:API}}"
    reply = http.get(url, bearer="secret:API", headers={"x-other": "secret:API"}, params={"p": ms.secret("API")})
    _, path, headers = target.requests[-1]
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["x-other"] == TOKEN
    assert path.count(TOKEN) == 3
    texts = [repr(reply), caplog.text, *capsys.readouterr()]
    for status in (404, 500):
        with pytest.raises(http.HttpStatusError) as failed:
            http.get(f"{target.base}/status/{status}?text={TOKEN}&q=other_secret", bearer="secret:API")
        texts += [str(failed.value), repr(failed.value.response)]
    assert not [text for text in texts if TOKEN in text]
    assert "{secret:API}" in reply.body
    assert "other_secret" not in str(failed.value)


def test_refused_secret_is_read_again_once(target, tmp_path, monkeypatch):
    """A 401 with a cached value that was rotated is no failure; with the same value it is one, after two requests of the provider."""
    folder = FolderSecrets(tmp_path / "secrets")
    folder.write("API", "the-old-token-1")
    project = Project.find()
    project.secrets = SecretStore([ProviderEntry(folder, is_local=False)])
    call = partial(http.get, f"{target.base}/guarded/the-new-token-2")
    with pytest.raises(http.HttpStatusError, match="401") as refused:
        call(bearer="secret:API")
    assert refused.value.hint == "Check the secret of the call. To store a new value: mainspring secrets set API"
    folder.write("API", "the-new-token-2")
    assert call(bearer=ms.secret("API")).json() == {"accepted": True}
    sent = [headers["authorization"] for _, _, headers in target.requests]
    assert sent == ["Bearer the-old-token-1"] * 2 + ["Bearer the-new-token-2"]
    assert call(headers={"authorization": "Bearer {secret:API}"}).status == 200


def test_auth_is_user_and_password(target, monkeypatch):
    """Basic authentication; its encoded form is hidden too."""
    monkeypatch.setenv("MAINSPRING_SECRET_LOGIN", "ann:passw0rd!")
    monkeypatch.setattr(Project, "_newest", None)
    reply = http.get(f"{target.base}/echo", auth="secret:LOGIN")
    assert target.requests[-1][2]["authorization"] == "Basic YW5uOnBhc3N3MHJkIQ=="
    assert reply.json()["headers"]["authorization"] == "Basic ***"


def test_bearer_may_be_a_function_and_never_the_value(target):
    """A value would be saved as an argument of a step. The error does not repeat it."""
    assert http.get(f"{target.base}/echo", bearer=lambda: TOKEN).json()["headers"]["authorization"] == "Bearer ***"
    with pytest.raises(OptionError, match="does not name a secret") as refused:
        http.get(f"{target.base}/echo", bearer=TOKEN)
    assert TOKEN not in str(refused.value)
    with pytest.raises(ConfigError, match="MISSING"):
        http.get(f"{target.base}/echo", bearer="secret:MISSING")


def test_more_headers_are_returned_but_never_cookies(target):
    """`keep=` adds a header of the response; a cookie is a secret."""
    reply = http.get(f"{target.base}/status/200", keep=["Server", "Set-Cookie"])
    assert "server" in reply.headers
    assert "set-cookie" not in reply.headers


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, "permanent", "http_400"),
        (401, "permanent", "auth"),
        (404, "permanent", "http_404"),
        (408, "transient", "http_408"),
        (409, "permanent", "http_409"),
        (425, "transient", "http_425"),
        (429, "transient", "rate_limited"),
        (500, "transient", "http_500"),
        (503, "transient", "http_503"),
    ],
)
def test_status_decides_how_a_failure_is_retried(target, status, kind, code):
    """The classifier reads the status of the error, and Retry-After."""
    with pytest.raises(http.HttpStatusError) as failed:
        http.get(f"{target.base}/status/{status}?after=7&text=" + "no%20way%20" * 100)
    verdict = classify(failed.value)
    assert (verdict.kind.value, verdict.code) == (kind, code)
    assert verdict.retry_after == (timedelta(seconds=7) if kind == "transient" else None)
    message = failed.value.message
    assert message.startswith(f"GET {target.base}/status/{status}: {status} ")
    assert "no way no way" in message
    assert len(message) < 450
    assert failed.value.hint


def test_expected_status_is_no_error(target):
    """404 is an answer where the caller says so."""
    assert http.get(f"{target.base}/orders/7", expect=(200, 404)).status == 404
    assert http.get(f"{target.base}/redirect/1?status=307", expect=307).headers["location"] == "/echo"


def test_redirects_of_get_are_followed_five_times(target, token):
    """Not six times; the token stays with the first origin."""
    assert http.get(f"{target.base}/redirect/5", bearer="secret:API").url == f"{target.base}/echo"
    assert target.requests[-1][2]["authorization"] == f"Bearer {TOKEN}"
    with pytest.raises(http.HttpAddressError, match="more than 5 redirects"):
        http.get(f"{target.base}/redirect/6")
    other = target.base.replace("127.0.0.1", "localhost")
    http.get(f"{target.base}/redirect/1?to={other}/echo", bearer="secret:API", allow=["localhost"])
    assert target.requests[-1][1] == "/echo"
    assert "authorization" not in target.requests[-1][2]


def test_redirect_to_another_origin_gets_no_body_and_no_key(target):
    """Also if the key is written as it is, under a name that keys have."""
    other = target.base.replace("127.0.0.1", "localhost")
    options = {"data": "confidential", "headers": {"X-Api-Key": "k1", "X-Plain": "p1"}, "allow": ["localhost"]}
    sent = http.get(f"{target.base}/redirect/1?to={other}/echo", **options).json()
    assert sent["body"] == ""
    assert "x-api-key" not in sent["headers"]
    assert sent["headers"]["x-plain"] == "p1"


def test_redirect_that_is_not_encrypted_is_refused():
    """From https to http; the other way is allowed."""
    call = prepare_call("GET", "https://public.example/a", {})
    with pytest.raises(http.HttpAddressError, match=r"redirects to http://public.example/b, which is not encrypted"):
        _read_location(call, call.target, "http://public.example/b?c")
    assert _read_location(call, call.target, "//other.example").url == "https://other.example/"


def test_headers_of_a_reply_have_no_secret(target, token):
    """The target repeats it in one that a reply has."""
    reply = http.get(f"{target.base}/redirect/1?to=/{{secret:API}}", expect=302)
    assert reply.headers["location"] == "/{secret:API}"


@pytest.mark.parametrize(("status", "error"), [(302, http.HttpStatusError), (307, http.HttpRedirectError)])
def test_redirect_of_post_is_not_followed(target, status, error):
    """307 proves that the target did nothing; 302 may come after the effect."""
    with pytest.raises(error, match="is not followed"):
        http.post(f"{target.base}/redirect/1?status={status}", json={})
    assert len(target.requests) == 1


def test_refused_connection_and_unknown_host_prove_that_nothing_was_sent(target):
    """Both are transient, and release the effect."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"
        for address in (url, "http://unknown-host.invalid/"):
            with pytest.raises(http.HttpNotSentError) as failed:
                http.post(address, json={})
            assert classify(failed.value).not_sent
            assert failed.value.hint
            assert "POST http://" in str(failed.value)


@pytest.mark.parametrize(
    ("reply", "message"), [(b"HTTP/1.1 403 Forbidden\r\n\r\n", r"proxy .*\(403 Forbidden\)"), (b"", "ended")]
)
def test_proxy_that_opens_no_tunnel_proves_that_nothing_was_sent(target, monkeypatch, reply, message):
    """Only CONNECT has left: the target has received nothing."""
    with socket.create_server(("127.0.0.1", 0)) as proxy:

        def refuse():
            connection, _ = proxy.accept()
            with connection:
                assert connection.recv(4096).startswith(b"CONNECT 93.184.215.14:443 ")
                connection.sendall(reply)

        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        thread = threading.Thread(target=refuse)
        thread.start()
        with pytest.raises(http.HttpNotSentError, match=message) as failed:
            http.post("https://93.184.215.14/orders", json={})
        thread.join()
    assert classify(failed.value).not_sent


def test_slow_response_is_ambiguous(target):
    """The request was sent, so the effect may have happened."""
    with pytest.raises(http.HttpTimeoutError, match="within 200ms") as failed:
        http.get(f"{target.base}/slow", timeout="200ms")
    target.released.set()
    assert not classify(failed.value).not_sent
    assert "timeout=" in failed.value.hint


def test_lost_connection_is_ambiguous(target):
    """The target closed it without an answer."""
    with pytest.raises(http.HttpConnectionError, match="the connection ended") as failed:
        http.post(f"{target.base}/orders?lost=1", json={"number": 1})
    assert classify(failed.value).kind.value == "transient"


def test_too_large_body_is_an_error(target):
    """The limit and the fix are named."""
    target.file = b"x" * 2000
    with pytest.raises(http.HttpBodyError, match="larger than") as failed:
        http.get(f"{target.base}/file", max_bytes=1000)
    assert "max_bytes=" in failed.value.hint


def test_certificate_error_is_permanent(target, tmp_path):
    """A certificate that no authority has signed; nothing was sent."""
    subprocess.run(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout pair.pem -out cert.pem".split(),
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "pair.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection:
                try:
                    context.wrap_socket(connection, server_side=True)
                except (ssl.SSLError, OSError):
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(http.HttpCertificateError, match="self-signed") as failed:
            http.get(f"https://localhost:{listener.getsockname()[1]}/x?token=abc", allow=["localhost"])
        thread.join()
    assert "token" not in str(failed.value)
    assert "SSL_CERT_FILE" in failed.value.hint


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"json": 1, "data": b""}, OptionError, "both the body"),
        ({"json": object()}, OptionError, r"not JSON: .*object.*\nat \$"),
        ({"json": {"sum": [1, float("nan")]}}, OptionError, r"nan has no JSON form\nat \$\.sum\[1\]"),
        ({"json": {"sum": -math.inf}}, OptionError, r"-inf has no JSON form\nat \$\.sum"),
        ({"json": {"a b": {1}}, "once": "o"}, OptionError, r"of type set has no JSON form\nat \$\['a b'\]"),
        ({"json": [b"x"]}, OptionError, r"of type bytes has no JSON form\nat \$\[0\]"),
        ({"json": {"a": {1: 2}}}, OptionError, r"the key 1 is not text\nat \$\.a"),
        ({"json": ["\ud800"]}, OptionError, r"lone surrogate\nat \$\[0\]"),
        ({"data": "\ud800"}, OptionError, "data= contains a lone surrogate"),
        ({"data": {"a": "\ud800"}}, OptionError, "data= contains a lone surrogate"),
        ({"params": {"a": "\ud800"}}, OptionError, "params= contains a lone surrogate"),
        ({"auth": lambda: "\ud800"}, OptionError, "auth= contains a lone surrogate"),
        ({"data": 7}, OptionError, "int"),
        ({"headers": {"Host": "a"}}, OptionError, "'Host'"),
        ({"headers": {"x": "a\r\nb: c"}}, OptionError, "cannot have"),
        ({"timeout": "0s"}, OptionError, "greater than zero"),
        ({"expect": 7}, OptionError, "expect="),
        ({"expect": ()}, OptionError, "expect="),
        ({"max_bytes": 0}, OptionError, "max_bytes=0"),
        ({"within": "1h"}, OptionError, "needs once="),
        ({"bearer": lambda: "a", "auth": lambda: "b"}, OptionError, "both the Authorization"),
        ({"onec": "a"}, UnknownOptionError, "this HTTP action has no option 'onec'\nDid you mean 'once'"),
    ],
)
def test_unusable_option_is_an_error(target, options, error, message):
    """Nothing is sent."""
    with pytest.raises(error, match=message):
        http.post(f"{target.base}/echo", **options)
    assert target.requests == []


def test_json_of_python_types_with_one_form_is_sent(target):
    """Tuples, dates and data classes; the fields keep their order."""
    values = {"z": (1, 2), "day": date(2026, 1, 5), "a": Decimal("1.50"), "kind": Kind.NEW}
    assert http.post(f"{target.base}/echo", json=values).json()["body"] == (
        '{"z":[1,2],"day":"2026-01-05","a":"1.50","kind":"new"}'
    )


def test_address_with_a_lone_surrogate_is_an_error(target, tmp_path):
    """In each kind of call; nothing is sent."""
    url = f"{target.base}/\ud800"
    for call in (
        lambda: http.get(url),
        lambda: http.download(url, tmp_path / "a"),
        lambda: list(http.paginate(url)),
        lambda: http.poll(url, until=bool),
    ):
        with pytest.raises(http.HttpAddressError, match="lone surrogates"):
            call()
    assert target.requests == []


@pytest.mark.parametrize("option", ["check", "keyed", "wait", "within"])
def test_option_of_an_effect_that_is_not_recorded_is_an_error(target, option):
    """A PUT without once= has no effect on record: the option would do nothing, and its user would rely on it."""
    with pytest.raises(OptionError, match=rf"{option}= of http.request needs once=") as refused:
        http.put(f"{target.base}/echo", json=1, **{option: None})
    assert "once=" in refused.value.hint
    assert target.requests == []


@pytest.mark.parametrize("option", ["check", "keyed", "wait", "within"])
def test_option_of_an_effect_that_cannot_be_named_is_an_error(target, option):
    """Outside of a step a POST without once= is not recorded, so that no later call is the same."""
    with pytest.raises(OptionError, match=rf"{option}= of http.request needs once=") as refused:
        http.post(f"{target.base}/echo", json=1, **{option: True})
    assert "once=" in refused.value.hint
    assert target.requests == []


def test_check_of_an_action_as_a_step_is_refused_with_a_fix(target, tmp_path):
    """Arguments of a step are saved as JSON, and a function has none."""

    @ms.workflow
    async def order(run: ms.Run) -> None:
        await run.step(http.post, f"{target.base}/echo", json=1, check=lambda: None)

    with pytest.raises(RunFailed, match="call the action in a step of your own"):
        ms.App(tmp_path / "store.db").run(order)
    assert target.requests == []


def test_conflict_without_a_key_is_no_repetition_in_progress(target):
    """Outside of a step and without once= the request has no key, so 409 is that of another one."""
    with pytest.raises(http.HttpStatusError) as failed:
        http.post(f"{target.base}/status/409", json={})
    assert not isinstance(failed.value, http.HttpInProgressError)


@pytest.mark.parametrize("method", ["", "GET /", "CONNECT", "trace", "a b", 7])
def test_unusable_method_is_an_error(target, method):
    """A method is a word in capital letters; two of them are never sent."""
    with pytest.raises(ArgumentError, match="is not a method"):
        http.request(method, target.base)


def test_call_in_an_event_loop_names_the_async_form(target):
    """A plain call would block the loop."""

    async def call():
        http.get(f"{target.base}/echo")

    with pytest.raises(DefinitionError, match="block the event loop") as refused:
        asyncio.run(call())
    assert "http.request_async" in refused.value.hint


def test_call_in_the_body_of_a_workflow_is_an_error(target, tmp_path):
    """An effect belongs into a step."""

    @ms.workflow(name=f"w{next(NUMBERS)}")
    async def w(run: ms.Run):
        await http.request_async("GET", target.base)

    with pytest.raises(ms.RunFailed, match=r"step 'http.request_async' was called straight"):
        ms.App(tmp_path / "s.db").run(w)


def test_child_process_allows_what_its_worker_allows(target, tmp_path):
    """A step with a timeout runs in a process of its own, which reads no settings."""

    @ms.workflow(name=f"w{next(NUMBERS)}")
    async def w(run: ms.Run):
        return await run.options(timeout="1m").step(example.fetch_allowed, target.base)

    assert ms.App(tmp_path / "s.db").run(w) == 200


def test_configuration_allows_a_network(target, tmp_path, monkeypatch):
    """`[actions.http] allow` of the project; without it the target is refused."""
    (tmp_path / "mainspring.toml").write_text('[actions.http]\nallow = ["127.0.0.0/8", "Build.Internal"]\n')
    code = f"from mainspring.actions import http; print(http.get('{target.base}/echo').status)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout == "200\n"
    (tmp_path / "mainspring.toml").unlink()
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert "not a public address" in done.stderr


# -- the ledger --------------------------------------------------------------------------------------------------------


def test_key_header_is_a_quoted_string_that_stays_over_attempts(target, tmp_path):
    """The target sees one key for all attempts of an effect."""

    def order():
        try:
            return http.post(f"{target.base}/orders?dedupes=1", json={"number": 7}, keyed=True)
        except http.HttpStatusError as error:
            errors.append(type(error))
            raise

    errors = []
    target.statuses = [503, 409, 201]
    assert run(order, tmp_path)["status"] == 201
    assert errors == [http.HttpStatusError, http.HttpInProgressError]
    keys = {headers["idempotency-key"] for _, _, headers in target.requests}
    assert len(target.requests) == 3
    assert len(keys) == 1
    assert keys.pop().strip('"').isascii()
    assert target.record.read_text() == "7\n"


def test_get_and_put_have_no_key(target, tmp_path):
    """They may be repeated, and use no ledger."""

    def call():
        http.get(f"{target.base}/echo")
        http.put(f"{target.base}/echo", json=1)

    run(call, tmp_path)
    assert [headers.get("idempotency-key") for _, _, headers in target.requests] == [None, None]


def test_repeat_of_a_key_returns_the_saved_reply(target, tmp_path):
    """One request for two runs; a PUT with once= is recorded too."""

    def call():
        return http.put(f"{target.base}/echo", json=1, once="the put")

    first = run(call, tmp_path)
    assert run(call, tmp_path) == first
    assert len(target.requests) == 1


def test_unknown_outcome_without_check_needs_a_person(target, tmp_path):
    """The target lost the connection after the effect."""

    def call():
        http.post(f"{target.base}/orders?lost=1", json={"number": 8}, once="eight")

    with pytest.raises(ms.RunFailed, match="needs_attention"):
        run(call, tmp_path)
    assert len(target.requests) == 1
    assert EffectInDoubtError.code


@pytest.mark.parametrize("found", [True, {"number": 9}, "reply"])
def test_check_settles_an_unknown_outcome(target, tmp_path, found):
    """It may return True, JSON data, or a reply."""

    def find():
        if found == "reply":
            reply = http.get(f"{target.base}/orders/9", expect=(200, 404))
            return reply if reply.status == 200 else None
        return found if 9 in target.orders else None

    def call():
        return http.post(f"{target.base}/orders?lost=1", json={"number": 9}, once="nine", check=find).text

    assert run(call, tmp_path) == ("" if found is True else '{"number":9}' if found != "reply" else '{"number": 9}')
    assert target.record.read_text() == "9\n"


def test_check_that_returns_an_unexpected_status_has_found_nothing(target, tmp_path):
    """A check may return its reply as it is: 404 means that the target does not have the effect."""

    def call():
        def find():
            return http.get(f"{target.base}/orders/1", expect=(200, 404))

        return http.post(f"{target.base}/job", json={}, once="job", check=find).json()

    target.job_polls = 1
    assert run(call, tmp_path) == {"state": "done"}


def test_refusal_releases_the_effect(target, tmp_path):
    """422 proves that nothing happened: the next run sends again."""

    def call():
        return http.post(f"{target.base}/orders?dedupes=1&status={status}", json={"number": 5}, once="five").status

    status = 422
    with pytest.raises(ms.RunFailed, match="422"):
        run(call, tmp_path)
    status = 201
    assert run(call, tmp_path) == 201


def test_request_can_be_a_step_itself(target, tmp_path):
    """Its arguments and its reply are saved; the secret is a name."""

    @ms.workflow(name=f"w{next(NUMBERS)}")
    async def w(run: ms.Run):
        reply = await run.step(http.request, "POST", f"{target.base}/orders", json={"number": 3})
        return reply.status

    assert ms.App(tmp_path / "s.db").run(w) == 201


def test_no_store_file_has_the_token(target, token, tmp_path):
    """Neither of a success nor of a failure, though the target repeats the token."""

    def call():
        http.post(f"{target.base}/echo/{{secret:API}}", json={}, once="canary", bearer="secret:API")
        http.post(f"{target.base}/status/400?text={TOKEN}", json={}, bearer="secret:API")

    with pytest.raises(ms.RunFailed) as failed:
        run(call, tmp_path)
    assert TOKEN not in str(failed.value)
    found = [file.name for file in tmp_path.iterdir() if file.is_file() and TOKEN.encode() in file.read_bytes()]
    assert found == []


def test_order_of_fields_is_no_other_identity(target, tmp_path):
    """A dictionary that was made in another order is the same body."""
    bodies = [{"a": 1, "b": 2}, {"b": 2, "a": 1}]

    def call():
        return http.post(f"{target.base}/echo", json=bodies.pop(), once="ordered")

    assert run(call, tmp_path) == run(call, tmp_path)
    assert len(target.requests) == 1


@pytest.mark.parametrize("name", [name for name in http.__all__ if name[0].islower()])
def test_action_explains_its_safety(name):
    """`mainspring actions show` prints the paragraph."""
    paragraphs = [" ".join(text.split()) for text in inspect.getdoc(getattr(http, name)).split("\n\n")]
    assert [text for text in paragraphs if text.startswith("Safe to run twice because")]


def test_import_is_light():
    """The library for HTTP is imported by the first request."""
    code = "import sys; from mainspring.actions import http; print(*[n for n in ('httpx2', 'ssl', 'idna') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "httpx2" not in done.stdout
    assert "idna" not in done.stdout
