"""Requests that wait for the end of a run: answered when it ends, within bounds of their own."""

import asyncio
import contextlib

import httpx2
import msgspec
import pytest

from mainspring.app.remote.client import Client
from mainspring.app.remote.remote_handle import _FIRST_POLL_INTERVAL_S
from mainspring.domain.failures.saved_error import RunFailed
from mainspring.service.actor import Actor, operation_context
from mainspring.service.runs.run import mark_done
from mainspring.store.commands.runs import StartRun
from mainspring.store.sqlite.store import SqliteStore
from mainspring.web.api import run_waiters
from mainspring.web.server.request_slots import SLOT_KEY, RequestSlots
from tests.api_world import sqlite_world
from tests.contract.store.process import finish, halt

pytestmark = pytest.mark.asyncio


@pytest.fixture
def world(tmp_path):
    found = sqlite_world(tmp_path)
    yield found
    found.api.close()
    found.store.close()


def client_of(world, token="ann"):
    async def never(_seconds):
        raise AssertionError("the client polls")

    return Client("http://here/", token=token, transport=httpx2.ASGITransport(world.api), sleep=never)


def end(world, run):
    mark_done(world.store, run, act=operation_context(Actor.cli("a", "b"), world.clock), result={"paid": True})


async def until(is_so):
    """Let the loop turn until something is so."""
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.001)


def waits(world):
    """Whether a request waits."""
    return world.api.run_waits.open > 0


async def test_result_comes_when_the_run_ends(world):
    """The client does not poll."""
    handle = await client_of(world).start("pay", amount=1)
    result = asyncio.ensure_future(handle.result())
    await until(lambda: waits(world))
    end(world, handle.id)
    assert not result.done()
    assert await result == {"paid": True}
    assert world.api.run_waits.open == 0


async def test_result_comes_when_another_process_ends_the_run(world, tmp_path):
    """Its commit is of another store object on the same file."""
    handle = await client_of(world).start("pay", amount=1)
    result = asyncio.ensure_future(handle.result())
    await until(lambda: waits(world))
    with contextlib.closing(SqliteStore(tmp_path / "state.db", clock=world.clock)) as other:
        other.open()
        mark_done(other, handle.id, act=operation_context(Actor.cli("a", "b"), world.clock), result={"paid": True})
    assert await result == {"paid": True}


async def test_wait_continues_with_the_successor_of_the_run(world):
    """Of a run that restarts itself the newest one is waited for, in the same request."""
    first = world.begin()
    (run,) = world.claim()
    waiting = asyncio.ensure_future(world.get(f"/runs/{first}", wait=30, newest=True))
    await until(lambda: waits(world))
    successor = StartRun(f"{first[:-1]}x", "pay", "task", 1, b"{}", "json", "test")
    world.store.apply(finish(run, detail=b'{"restarted_as": "%s"}' % successor.id.encode(), then=successor))
    await until(lambda: successor.id in world.store.end_waiters._waiters)
    end(world, successor.id)
    assert ((await waiting)["id"], world.api.run_waits.open) == (successor.id, 0)


async def test_run_that_needs_a_person_ends_the_wait(world):
    """As `result` of a handle in the same process does."""
    handle = await client_of(world).start("pay", amount=1)
    (run,) = world.claim()
    result = asyncio.ensure_future(handle.result())
    await until(lambda: waits(world))
    world.store.apply(halt(run))
    with pytest.raises(RunFailed):
        await result


async def test_answer_comes_when_the_time_is_over(world):
    """With the run as it is."""
    handle = await client_of(world).start("pay", amount=1)
    assert (await world.get(f"/runs/{handle.id}", wait=0.01))["state"] == "queued"
    with pytest.raises(TimeoutError):
        await handle.result(timeout=0.01)


async def test_wait_is_bounded(world, monkeypatch):
    """In its length, and in how many of one visitor and of all may wait: one more is answered at once."""
    handle = await client_of(world).start("pay", amount=1)
    assert (await world.ask("GET", f"/runs/{handle.id}", params={"wait": 31})).status_code == 400
    monkeypatch.setattr(run_waiters, "MOST_OF_ONE", 1)
    first = asyncio.ensure_future(world.get(f"/runs/{handle.id}", wait=30))
    await until(lambda: waits(world))
    assert (await world.get(f"/runs/{handle.id}", wait=30))["state"] == "queued"
    assert world.api.run_waits.has_capacity(world.authenticator.visitors["olga"])
    monkeypatch.setattr(run_waiters, "MOST", 1)
    assert not world.api.run_waits.has_capacity(world.authenticator.visitors["olga"])
    first.cancel()


async def test_process_that_ends_lets_no_one_wait(world):
    """It says so, and a client asks again."""
    handle = await client_of(world).start("pay", amount=1)
    waiting = asyncio.ensure_future(world.ask("GET", f"/runs/{handle.id}", params={"wait": 30}))
    await until(lambda: waits(world))
    world.api.close()
    answer = await waiting
    assert (answer.status_code, answer.json()["code"]) == (503, "ending")


async def test_request_that_waits_holds_no_request_place(world):
    """A hundred that wait keep no one out."""
    places = RequestSlots(1, 1)

    async def inner_app(scope, receive, send):
        scope[SLOT_KEY] = places.take("10.0.0.1")
        await world.api(scope, receive, send)

    handle = await client_of(world).start("pay", amount=1)
    transport = httpx2.ASGITransport(inner_app)
    waiting = asyncio.ensure_future(Client("http://here/", token="ann", transport=transport).run(handle.id).result())
    await until(lambda: waits(world))
    assert places.take("10.0.0.1") is not None
    end(world, handle.id)
    assert await waiting == {"paid": True}


async def test_client_that_others_keep_from_waiting_polls(world, monkeypatch):
    """The pauses grow, as they did."""
    monkeypatch.setattr(run_waiters, "MOST", 0)
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            end(world, handle.id)

    handle = await client_of(world).start("pay", amount=1)
    client = Client("http://here/", token="ann", transport=httpx2.ASGITransport(world.api), sleep=sleep)
    assert await client.run(handle.id).result() == {"paid": True}
    assert pauses == sorted(pauses)
    assert pauses[0] == _FIRST_POLL_INTERVAL_S


async def test_disconnected_client_frees_its_slot(world):
    """Its connection ends: nothing waits for no one."""
    handle = await client_of(world).start("pay", amount=1)
    gone = asyncio.Event()

    async def receive():
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        pass

    path = f"/api/v1/runs/{handle.id}"
    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"wait=30",
        "headers": [(b"authorization", b"Bearer ann")],
    }
    answered = asyncio.ensure_future(world.api(scope, receive, send))
    await until(lambda: world.api.run_waits.open == 1)
    gone.set()
    await answered
    assert world.api.run_waits.open == 0


async def test_request_without_a_slot_keeps_its_place(world, monkeypatch):
    """It is answered like every other: a wait for which there is no room is no way around the limit of requests."""
    monkeypatch.setattr(run_waiters, "MOST", 0)
    places = RequestSlots(1, 1)
    place = places.take("10.0.0.1")

    async def inner_app(scope, receive, send):
        scope[SLOT_KEY] = place
        await world.api(scope, receive, send)

    handle = await client_of(world).start("pay", amount=1)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(inner_app), base_url="http://here") as http:
        path, headers = f"/api/v1/runs/{handle.id}?wait=30", {"Authorization": "Bearer ann"}
        assert (await http.get(path, headers=headers)).status_code == 200
    assert places.take("10.0.0.1") is None


async def test_token_revoked_during_the_wait_gets_nothing(world):
    """The answer comes up to half a minute after the token was checked."""
    handle = await client_of(world).start("pay", amount=1)
    waiting = asyncio.ensure_future(world.ask("GET", f"/runs/{handle.id}", params={"wait": 30}))
    await until(lambda: waits(world))
    del world.authenticator.visitors["ann"]
    end(world, handle.id)
    assert (await waiting).status_code == 401


async def test_token_restricted_during_the_wait_gets_less(world):
    """It is of other automations now."""
    handle = await client_of(world).start("pay", amount=1)
    waiting = asyncio.ensure_future(world.ask("GET", f"/runs/{handle.id}", params={"wait": 30}))
    await until(lambda: waits(world))
    world.authenticator.visitors["ann"] = msgspec.structs.replace(
        world.authenticator.visitors["ann"], automations=("backup",)
    )
    end(world, handle.id)
    assert (await waiting).status_code == 404
