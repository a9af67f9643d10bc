"""Streams by the API: pages, waits, and server-sent events."""

import asyncio
import json

import msgspec
import pytest

from mainspring.domain.access.permissions import API, Role, Visitor
from mainspring.domain.runs.stream import StreamLimits
from mainspring.resources.known_secrets import KnownSecrets
from mainspring.store.commands.logs import SaveLogs
from mainspring.store.commands.runs import StartRun
from mainspring.web.api import run_event_streams
from tests.api_world import PAY
from tests.contract.store.process import finish
from tests.contract.store.test_streams import write
from tests.unit.web.dashboard.run_world import lines

pytestmark = pytest.mark.asyncio


@pytest.fixture
def run(world):
    """A run that a worker has."""
    world.begin(PAY)
    (claimed,) = world.claim()
    return claimed


class Events:
    """The response to a client that accepts events, as its frames."""

    def __init__(self, world, path, who="ann", query="", **headers) -> None:
        self.gone = asyncio.Event()
        self.status = 0
        self._frames: asyncio.Queue[dict[str, str] | None] = asyncio.Queue()
        fields = {"authorization": f"Bearer {who}", "accept": "text/event-stream"} | headers
        scope = {
            "type": "http",
            "method": "GET",
            "path": f"/api/v1{path}",
            "raw_path": f"/api/v1{path}".encode(),
            "query_string": query.encode(),
            "asgi": {"spec_version": "2.3"},
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()],
        }
        self._task = asyncio.create_task(self._run(world, scope))

    async def _run(self, world, scope) -> None:
        await world.api(scope, self._receive, self._send)
        self._frames.put_nowait(None)

    async def _receive(self):
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message) -> None:
        self.status = message.get("status", self.status)
        for frame in message.get("body", b"").decode().split("\n\n"):
            fields = dict(
                line.split(": ", 1) for line in frame.split("\n") if ": " in line and not line.startswith(":")
            )
            if frame.startswith(":"):
                self._frames.put_nowait({"event": "alive"})
            elif fields and "retry" not in fields:
                self._frames.put_nowait(fields)

    async def next(self) -> dict[str, str] | None:
        return await asyncio.wait_for(self._frames.get(), 20)

    async def close(self) -> None:
        self.gone.set()
        await asyncio.wait_for(self._task, 20)


async def test_page_has_the_records_after_a_number(world, run):
    """With the number to read on from."""
    world.store.apply(write(run, "a", {"b": 1}))
    found = await world.get(f"/runs/{run.id}/streams/tokens", since=1)
    assert (found["next"], found["is_over"], found["continued_by"]) == (2, False, None)
    (record,) = found["records"]
    assert (
        record.items() >= {"seq": 2, "kind": "value", "writer": "s#1", "step": "s", "n": 2, "value": {"b": 1}}.items()
    )
    assert record["at"].startswith("20")
    listed = await world.get(f"/runs/{run.id}/streams")
    assert [(view["name"], view["first"], view["last"]) for view in listed["items"]] == [("tokens", 1, 2)]
    assert (await world.get(f"/runs/{run.id}/streams/none"))["records"] == []


async def test_request_waits_for_a_record_or_the_end(world, run):
    """It is answered as soon as there is one."""
    waiting = asyncio.create_task(world.get(f"/runs/{run.id}/streams/tokens", wait=20))
    await asyncio.sleep(0)
    await asyncio.to_thread(world.store.apply, write(run, "a"))
    assert [record["value"] for record in (await waiting)["records"]] == ["a"]
    waiting = asyncio.create_task(world.get(f"/runs/{run.id}/streams/tokens", since=1, wait=20))
    await asyncio.sleep(0)
    await asyncio.to_thread(world.store.apply, finish(run))
    assert (await waiting)["is_over"] is True


async def test_deleted_records_are_a_410_with_the_first_stored_number(world, run):
    """A client reads on from there."""
    world.store.apply(write(run, "a", n=1))
    world.store.apply(write(run, "b", n=2, limits=StreamLimits(records=1)))
    answer = await world.ask("GET", f"/runs/{run.id}/streams/tokens")
    assert (answer.status_code, answer.json()["code"], answer.json()["at"]) == (410, "truncated", "2")


async def test_events_follow_the_run(world, run):
    """Each has the number of its record as its id; the last one is `end`."""
    world.store.apply(write(run, "a"))
    events = Events(world, f"/runs/{run.id}/streams/tokens")
    first = await events.next()
    assert (first["id"], first["event"], json.loads(first["data"])["value"]) == ("1", "value", "a")
    await asyncio.to_thread(world.store.apply, write(run, "b", attempt=2))
    assert [(await events.next())["event"] for _ in range(2)] == ["retried", "value"]
    await asyncio.to_thread(world.store.apply, finish(run))
    assert (await events.next())["event"] == "end"
    assert await events.next() is None


async def test_browser_continues_after_its_last_event(world, run):
    """It sends the id of it."""
    world.store.apply(write(run, "a", "b", "c"))
    events = Events(world, f"/runs/{run.id}/streams/tokens", last_event_id="2")
    assert (await events.next())["id"] == "3"
    await events.close()
    assert world.api.run_events._open == {}


async def test_events_follow_a_restarted_run(world, run):
    """The numbers continue."""
    world.store.apply(write(run, "a"))
    then = StartRun(id="r_2", automation="pay", kind="task", version=1, input=b"[]", codec="json", trigger="test")
    world.store.apply(finish(run, then=then, detail=msgspec.json.encode({"restarted_as": then.id})))
    events = Events(world, f"/runs/{run.id}/streams/tokens")
    assert (await events.next())["id"] == "1"
    (successor,) = world.claim()
    await asyncio.to_thread(world.store.apply, write(successor, "b"))
    assert (await events.next())["id"] == "2"
    await events.close()


async def test_hidden_run_has_no_stream(world, run):
    """Neither a page nor events."""
    world.authenticator.visitors["backer"] = Visitor(
        entry_point=API, name="backer", role=Role.VIEWER, automations=("backup",)
    )
    path = f"/runs/{run.id}/streams/tokens"
    assert (await world.ask("GET", path, who="backer")).status_code == 404
    events = Events(world, path, who="backer")
    await events.next()
    assert events.status == 404


async def test_visitor_who_loses_the_right_to_a_run_gets_no_more(world, run, monkeypatch):
    """It is checked again while the response lasts."""
    monkeypatch.setattr(run_event_streams, "_BEAT_S", 0.01)
    events = Events(world, f"/runs/{run.id}/streams/tokens", who="payer")
    assert (await events.next())["event"] == "alive"
    world.authenticator.visitors["payer"] = Visitor(
        entry_point=API, name="payer", role=Role.VIEWER, automations=("backup",)
    )
    while (event := await events.next())["event"] == "alive":
        pass
    assert (event["event"], json.loads(event["data"])["code"]) == ("problem", "not_found")
    assert await events.next() is None


async def test_secret_is_hidden_from_viewers(world, run, monkeypatch):
    """As in every response; an operator sees what is stored."""
    monkeypatch.setattr(run_event_streams, "KNOWN_SECRETS", known := KnownSecrets())
    known.add(["hunter2-hunter2"])
    world.store.apply(write(run, "key hunter2-hunter2"))
    seen: dict[str, str] = {}
    for who in ("olga", "vic"):
        events = Events(world, f"/runs/{run.id}/streams/tokens", who=who)
        seen[who] = (await events.next())["data"]
        await events.close()
    assert "hunter2-hunter2" in seen["olga"]
    assert "hunter2-hunter2" not in seen["vic"]


async def test_visitor_has_a_limited_number_of_open_streams(world, run, monkeypatch):
    """Another visitor still gets one."""
    monkeypatch.setattr(run_event_streams, "MOST_OF_ONE", 1)
    path = f"/runs/{run.id}/streams/tokens"
    world.store.apply(write(run, "a"))
    first = Events(world, path)
    await first.next()
    second = Events(world, path)
    await second.next()
    assert second.status == 429
    other = Events(world, path, who="vic")
    assert (await other.next())["id"] == "1"
    await first.close()
    await other.close()


async def test_log_lines_follow_the_run(world, run):
    """As events in the order of their numbers; what is missing has a line of its own."""
    events = Events(world, f"/runs/{run.id}/logs")
    await asyncio.to_thread(world.store.apply, SaveLogs(run.id, (lines("s#1", "a", "b"),)))
    found = [await events.next() for _ in range(2)]
    assert [(event["id"], event["event"], json.loads(event["data"])["text"]) for event in found] == [
        ("1", "line", "a"),
        ("2", "line", "b"),
    ]
    missing = msgspec.structs.replace(lines("s#1", "c"), skipped=3)
    await asyncio.to_thread(world.store.apply, SaveLogs(run.id, (missing,)))
    found = [await events.next() for _ in range(2)]
    assert [event["id"] for event in found] == ["5", "6"]
    assert "3 lines are missing" in found[0]["data"]
    await asyncio.to_thread(world.store.apply, finish(run))
    world.clock.forward(3_000)
    assert (await events.next())["event"] == "end"


async def test_log_continues_in_the_middle_of_a_chunk(world, run):
    """After the last line that the client had; a filter leaves out lines and keeps the numbers."""
    world.store.apply(SaveLogs(run.id, (lines("s#1", "a", "b", "c"),)))
    events = Events(world, f"/runs/{run.id}/logs", last_event_id="1")
    assert [(await events.next())["id"] for _ in range(2)] == ["2", "3"]
    await events.close()
    events = Events(world, f"/runs/{run.id}/logs", query="q=c")
    assert (await events.next())["id"] == "3"
    await events.close()
