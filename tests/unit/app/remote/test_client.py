"""A client of the API: the verbs of an app, the same errors, and acts that count once however often they are sent."""

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import msgspec
import pytest

import mainspring as ms
from mainspring.app.remote import remote_handle
from mainspring.app.remote.api_errors import DeniedError, make_api_error
from mainspring.app.remote.client import Client
from mainspring.domain import errors
from mainspring.domain.definitions.definition import Definition, DefinitionKind
from mainspring.domain.errors import (
    ArgumentError,
    BusyError,
    ConfigError,
    ConflictError,
    MainspringError,
    NotFoundError,
    OptionError,
    StoreUnavailableError,
    UnknownNameError,
    ValueRefusedError,
)
from mainspring.domain.failures.failure import Failure
from mainspring.domain.failures.saved_error import RunFailed
from mainspring.domain.states import OutcomeState, RunState
from mainspring.service.actor import Actor, operation_context
from mainspring.service.runs import run
from mainspring.store.commands.inbox import OpenWait
from mainspring.web.api.problem import problem_from_error
from tests.api_world import ApiWorld, announce, sqlite_world
from tests.contract.store.process import fail, halt
from tests.contract.store.test_streams import write
from tests.contract.store.test_updates import accept, reply

CART = Definition(kind=DefinitionKind.WORKFLOW, name="cart")


class Receipt(msgspec.Struct):
    """A result."""

    paid: bool


class Unsure(httpx2.AsyncBaseTransport):
    """A line that loses the first answers, or has another in their place; what was asked was done all the same."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, *lost: int | None) -> None:
        self._inner, self._lost = inner, list(lost)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._inner.handle_async_request(request)
        if not self._lost:
            return answer
        status = self._lost.pop(0)
        if status is None:
            raise httpx2.ReadError("gone")
        return httpx2.Response(status)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiWorld]:
    monkeypatch.setattr(remote_handle, "SERVER_WAIT_S", 0.0)  # a wait at the server is tested beside the API
    found = sqlite_world(tmp_path)
    yield found
    found.api.close()
    found.store.close()


def client_of(world: ApiWorld, token: str | None = "ann", *lost: int | None, sleep=None) -> Client:
    async def no_time(_seconds: float) -> None:
        if sleep is not None:
            sleep()

    transport = Unsure(httpx2.ASGITransport(world.api), *lost)
    return Client("http://here/", token=token, transport=transport, sleep=no_time)


@pytest.mark.asyncio
async def test_run_is_started_and_its_result_is_typed(world):
    """With options; what is found by its key is said to be so."""
    client = client_of(world)
    later = datetime(2100, 1, 1, tzinfo=UTC)
    starter = client.options(key="k", at=later, priority=3, tags={"a": "b"}, title="the first")
    first, again = await starter.start("pay", amount=3), await starter.start("pay", amount=3)
    assert (first.created, again.created, first.id) == (True, False, again.id)
    view = world.site.reads.run_history(first.id).run
    assert (view.priority, view.title, view.due_at) == (3, "the first", round(later.timestamp() * 1000))
    assert await first.status() is RunState.QUEUED
    with pytest.raises(TimeoutError):
        await first.result(timeout=0)

    def end() -> None:
        run.mark_done(
            world.store, first.id, act=operation_context(Actor.cli("a", "b"), world.clock), result={"paid": True}
        )

    client = client_of(world, sleep=end)
    assert await client.run(first.id).result(type=Receipt) == Receipt(paid=True)
    with pytest.raises(ValueRefusedError):
        await client.run(first.id).result(type=int)


@pytest.mark.asyncio
async def test_verbs_run_as_the_holder_of_the_token(world):
    """Signal, publish, cancel; a run that did not succeed is an error with its state."""
    async with client_of(world, "olga") as client:
        handle = await client.start("pay", amount=1)
        await client.signal(handle.id, "go", {"n": 1})
        assert await client.publish("paid", {"n": 1}, key="k") == 0
        await client.cancel(handle.id, "not needed")
        with pytest.raises(RunFailed, match="cancelled"):
            await handle.result()
        assert (await client.read("runs", name="pay"))["items"][0]["id"] == handle.id
    found = {(row.actor, row.verb, row.reason) for row in world.site.reads.audit_rows()}
    assert ("api:olga", "cancel", "not needed") in found
    assert {actor for actor, _, _ in found} == {"api:olga"}


@pytest.mark.asyncio
async def test_stream_that_is_not_followed_ends_with_what_is_stored(world):
    """While the run is live, and over more records than a page has; it never waits."""
    world.begin()
    (claimed,) = world.claim()
    for start in range(0, 1_200, 100):
        world.store.apply(write(claimed, *range(start, start + 100), n=start + 1))
    slept: list[int] = []
    handle = client_of(world, sleep=lambda: slept.append(1)).run(claimed.id)
    records = [record async for record in handle.stream("tokens", type=int, follow=False)]
    assert [record.value for record in records] == list(range(1_200))
    assert [record async for record in handle.stream("tokens", since=1_200, follow=False)] == []
    assert slept == []


@pytest.mark.asyncio
async def test_update_returns_its_reply(world):
    """Typed; an error of the workflow has its class, and the same id is the same update."""
    announce(world.store, CART)
    outcomes = [
        {"output": b'{"paid":true}'},
        {"state": OutcomeState.FAILED, "output": None, "failure": Failure("ValueError", "invalid", "no")},
    ]

    def answer() -> None:
        (fact,) = world.site.reads.run_history(claimed.id).facts
        rank = 2 * (3 - len(outcomes)) - 1
        world.store.apply(accept(claimed, rank, fact.seq, rank))
        world.store.apply(reply(claimed, rank + 1, rank, **outcomes.pop(0)))

    client = client_of(world, sleep=answer)
    handle = await client.start("cart")
    (claimed,) = world.claim()
    with pytest.raises(TimeoutError, match=r"stays in force.*id='u1'"):
        await client_of(world).run(handle.id).update("add", 1, id="u1", timeout=0)
    assert await handle.update("add", 1, id="u1", type=Receipt) == Receipt(paid=True)
    with pytest.raises(ms.UpdateFailed, match="ValueError: no"):
        await handle.update("add", 2)
    assert await handle.update("add", 1, id="u1") == {"paid": True}


@pytest.mark.asyncio
async def test_start_with_update_finds_the_run_of_its_key(world):
    """The handle says whether this request created it; a run that needs attention is an error."""
    announce(world.store, CART)

    def stop() -> None:
        (claimed,) = world.claim()
        world.store.apply(halt(claimed))

    client = client_of(world, sleep=stop)
    starter = client.options(key="k")
    with pytest.raises(RunFailed, match="needs_attention"):
        await starter.start_with_update(ms.Update("add", 1), "cart")
    (row,) = (await client.read("runs", name="cart"))["items"]
    with pytest.raises(TimeoutError):
        await client.options(key="other").start_with_update(ms.Update("add", 1), "cart", timeout=0)
    with pytest.raises(ConflictError):
        await client.cancel(row["id"])
        await starter.start_with_update(ms.Update("add", 1, id="late"), "cart")


@pytest.mark.asyncio
async def test_answer_names_its_question_where_several_are_open(world):
    """Without it the error lists them; the other one stays open."""
    client = client_of(world)
    handle = await client.start("pay", amount=1)
    (run,) = world.claim()
    for ident, text in (("ask#1", "Pay it?"), ("ask#2", "Tell them?")):
        question = msgspec.json.encode({"text": text, "choices": ["yes", "no"]})
        world.store.apply(OpenWait(run.id, run.claim, ident, "ask", "ask", question=question))
    with pytest.raises(ConflictError, match=r"(?s)2 open questions.*ask#1: Pay it\? \[yes, no\].*ask#2: Tell them"):
        await client.answer(handle.id, "yes")
    await client.answer(handle.id, "no", question="ask#2")
    assert [fact.ident for fact in world.site.reads.run_history(handle.id).facts] == ["ask#2"]
    await client.answer(handle.id, "yes")
    with pytest.raises(NotFoundError, match="no open question"):
        await client.answer(handle.id, "yes")


@pytest.mark.asyncio
async def test_run_that_failed_gives_the_reason(world):
    """With the failure as the run has it; what is sealed of it stays where the codec is."""
    client = client_of(world)
    handle = await client.start("pay", amount=1)
    (claimed,) = world.claim()
    world.store.apply(fail(claimed))
    with pytest.raises(RunFailed) as raised:
        await handle.result()
    failure = world.site.reads.run_history(handle.id).run.failure
    assert (raised.value.failure, raised.value.state) == (failure, RunState.FAILED)
    await client.retry(handle.id)
    assert await handle.status() is RunState.QUEUED


@pytest.mark.asyncio
async def test_errors_are_those_of_an_app(world):
    """By what they are, with the words of the project; no one and the wrong role are denied."""
    client = client_of(world)
    handle = await client.start("pay", amount=1)
    with pytest.raises(NotFoundError):
        await client.start("nope")
    with pytest.raises(ArgumentError, match="amount"):
        await client.start("pay", amount="1")
    with pytest.raises(ConflictError):
        await client.retry(handle.id)
    with pytest.raises(NotFoundError):
        await client.answer(handle.id, "yes")
    with pytest.raises(ValueRefusedError):
        await client.publish("paid", float("nan"))
    for token in ("nobody", "vic", None):
        with pytest.raises(DeniedError):
            await client_of(world, token).cancel(handle.id)


@pytest.mark.asyncio
async def test_operation_whose_answer_was_lost_counts_once(world):
    """Sent again under the same command id, until there is an answer; and not for ever."""
    handle = await client_of(world, "ann", None, 503, 502).start("pay", amount=1)
    assert [row.id for row in world.site.reads.list_runs().runs] == [handle.id]
    with pytest.raises(StoreUnavailableError):
        await client_of(world, "ann", None, None, None, None).start("pay", amount=1)
    with pytest.raises(StoreUnavailableError):
        await client_of(world, "ann", 503, 503, 503, 503).start("pay", amount=1)


@pytest.mark.asyncio
@pytest.mark.parametrize("page", [b"<html>Sign in</html>", b"", b"\xff"])
async def test_page_of_a_proxy_is_reported(page):
    """A proxy that asks people to sign in answers 200 to everything: what is wrong is the address, not some JSON."""
    async with Client(
        "http://here", transport=httpx2.MockTransport(lambda _: httpx2.Response(200, content=page))
    ) as client:
        with pytest.raises(
            MainspringError, match="http://here answered 200, but not as a project of Mainspring"
        ) as raised:
            await client.start("pay", amount=1)
    assert "proxy" in str(raised.value.hint).lower()


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["//evil.example/x", "https://evil.example/x", "/runs", "../../x"])
async def test_token_goes_to_the_project_only(path):
    """Whatever the path is made of."""
    requests = []

    def answer(request):
        requests.append(request.url.host)
        return httpx2.Response(200, content=b"{}")

    async with Client("http://here/ms", token="t", transport=httpx2.MockTransport(answer)) as client:
        await client.read(path)
        await client.act(path, {})
    assert requests == ["here", "here"]


def test_every_error_of_the_service_returns_as_itself():
    """Through a problem and out of it again."""
    for error in (
        BusyError(timedelta(seconds=3), "full"),
        UnknownNameError("step", "a", ["b"]),
        ValueRefusedError("x", "$.a[1]", "it is too large"),
        *(kind("said", hint="do") for kind in (errors.KeyConflictError, errors.OptionError, errors.StoreFullError)),
    ):
        problem = problem_from_error(error)
        found = make_api_error(problem.status, msgspec.json.encode(problem), "http://here")
        assert (type(found), found.message, found.hint) == (type(error), error.message, error.hint)
    assert make_api_error(
        429, msgspec.json.encode(problem_from_error(BusyError(timedelta(seconds=3)))), ""
    ).retry_after == timedelta(seconds=3)
    assert (
        found := make_api_error(
            422, msgspec.json.encode(problem_from_error(ValueRefusedError("x", "$.a", "large"))), ""
        )
    ).path == "$.a"
    assert (found.value_name, found.reason) == ("x", "large")
    assert type(make_api_error(500, b"<html>", "http://here")) is StoreUnavailableError
    assert type(make_api_error(418, b"<html>", "http://here")) is MainspringError
    assert type(make_api_error(404, b'{"code": "no_path", "detail": "x"}', "http://here")) is NotFoundError


@pytest.mark.parametrize("url", ["here", "ftp://here", "http://", "https://ann:secret@here", "http://[::1"])
def test_address_that_is_none_is_refused_and_not_repeated(url):
    """It may hold a password."""
    with pytest.raises(ConfigError) as raised:
        ms.connect(url)
    assert "secret" not in str(raised.value)


def test_client_needs_no_store():
    """What connects from elsewhere loads no database, no engine, no pages."""
    code = "import sys, mainspring; mainspring.connect; print('\\n'.join(sys.modules))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = ("apsw", "starlette", "rich", "click", "mainspring.store", "mainspring.engine", "mainspring.web")
    assert not [name for name in output if name.startswith(heavy)]


@pytest.mark.asyncio
async def test_headers_of_a_start_and_of_an_event_are_sent(world):
    """The API checks them as the app does, and stores them with the run."""
    client = client_of(world)
    started = await client.options(headers={"Tenant": "acme"}).start("pay", amount=3)
    assert world.site.reads.run_history(started.id).run.headers == b'{"tenant":"acme"}'
    secret = await client.options(headers={"x-token": "hush", "tenant": "acme"}).start("pay", amount=4)
    for path in (f"runs/{secret.id}", f"runs/{secret.id}/story"):
        text = (await client._http.get(f"http://here/api/v1/{path}")).text
        assert "hush" not in text
        assert '"tenant":"acme"' in text
    plain = await client.start("pay", amount=3)
    assert world.site.reads.run_history(plain.id).run.headers is None
    with pytest.raises(OptionError, match="not a valid name"):
        await client.options(headers={"a b": "c"}).start("pay", amount=3)
    assert await client.publish("paid", 1, headers={"tenant": "acme"}) == 0
    with pytest.raises(OptionError, match="limit is 8,192"):
        await client.publish("paid", 1, headers={"tenant": "x" * 9_000})


@pytest.mark.asyncio
async def test_baggage_of_the_caller_becomes_a_header(world):
    """Only in a program that uses OpenTelemetry; a header of that name takes precedence, and the others if there is no space for both."""
    baggage = pytest.importorskip("opentelemetry.baggage")
    context = pytest.importorskip("opentelemetry.context")
    token = context.attach(baggage.set_baggage("user", "7"))
    try:
        client = client_of(world)
        found = await client.options(headers={"tenant": "acme"}).start("pay", amount=3)
        own = await client.options(headers={"Baggage": "a=b"}).start("pay", amount=4)
        full = await client.options(headers={"text": "x" * 8_170}).start("pay", amount=5)
    finally:
        context.detach(token)
    assert world.site.reads.run_history(found.id).run.headers == b'{"baggage":"user=7","tenant":"acme"}'
    assert world.site.reads.run_history(own.id).run.headers == b'{"baggage":"a=b"}'
    assert b"baggage" not in world.site.reads.run_history(full.id).run.headers
