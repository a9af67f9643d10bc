"""The stream of what changed: nouns, to whom they are for, and no longer than someone may listen."""

import asyncio
import json
import threading

import pytest
from starlette.requests import Request

from mainspring.domain.access.permissions import API, Role, Visitor
from mainspring.domain.runs.log_chunk import LogChunk
from mainspring.service import automation
from mainspring.service.actor import Actor, operation_context
from mainspring.store.commands.automations import SetQueue
from mainspring.store.commands.logs import SaveLogs
from mainspring.store.read.status.change_tokens import read_change_tokens
from mainspring.store.read.status.visible_change_tokens import read_visible_change_tokens
from mainspring.web.api import change_streams
from mainspring.web.api.change_streams import OF_AUTOMATIONS, ChangeStreams
from mainspring.web.api.request_parsing import ApiError
from mainspring.web.api.table import ROUTES
from tests.api_world import BACKUP, PAY, VISITORS
from tests.counted_reads import counted


class Steps:
    """Looks are made one by one, when a test says so."""

    def __init__(self) -> None:
        self._go = asyncio.Semaphore(0)
        self.waits = asyncio.Event()

    async def pause(self) -> None:
        self.waits.set()
        await self._go.acquire()

    def poll(self) -> None:
        self.waits.clear()
        self._go.release()


class Listener:
    """One who listens: what it was sent, message by message."""

    def __init__(self, changes: ChangeStreams, world, who: str) -> None:
        self.gone = asyncio.Event()
        self.ended = False
        self.full = asyncio.Event()
        """Cleared = it takes nothing for the time being."""
        self.full.set()
        self._got: asyncio.Queue[str] = asyncio.Queue()
        scope = {
            "type": "http", "method": "GET", "path": "/api/v1/changes", "query_string": b"", "asgi": {"spec_version": "2.3"},
            "headers": [(b"authorization", f"Bearer {who}".encode())],
        }  # fmt: skip
        request = Request(scope, self._receive)
        self.response = changes.stream(request, world.authenticator.visitors[who])
        self._task = asyncio.create_task(self._run(scope))

    async def _run(self, scope) -> None:
        await self.response(scope, self._receive, self._send)
        self.ended = True
        self._got.put_nowait("")

    async def _receive(self):
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message) -> None:
        await self.full.wait()
        if message.get("body"):
            self._got.put_nowait(message["body"].decode())

    async def next(self) -> str:
        return await asyncio.wait_for(self._got.get(), 10)

    async def nouns(self) -> set[str]:
        event, data = (await self.next()).strip().split("\n")
        assert event == "event: changed"
        return set(json.loads(data.removeprefix("data: "))["nouns"])

    async def over(self) -> None:
        await asyncio.wait_for(self._task, 10)


@pytest.mark.asyncio
async def test_stream_reports_which_nouns_changed(world):
    """All at first, then those that did; who sees some automations only hears of no others."""
    steps = Steps()
    changes = ChangeStreams(world.authenticator, world.site, steps.pause)
    ann, payer = Listener(changes, world, "ann"), Listener(changes, world, "payer")
    assert "retry" in await ann.next()
    await payer.next()
    assert await ann.nouns() >= OF_AUTOMATIONS | {"queues", "workers"}
    assert await payer.nouns() == OF_AUTOMATIONS
    await steps.waits.wait()
    world.store.apply(SetQueue("mail", 2))
    world.begin()
    steps.poll()
    assert {"runs", "queues", "audit-log"} <= await ann.nouns()
    assert await payer.nouns() == {"runs"}
    late = Listener(changes, world, "ann")
    await late.next()
    assert await late.nouns() >= OF_AUTOMATIONS
    for stream in (ann, payer, late):
        stream.gone.set()
        await stream.over()
    assert changes.open == 0
    changes.close()


@pytest.mark.asyncio
async def test_change_is_followed_by_a_newer_status(world):
    """Also where a page was drawn in the same second: it would be reported nothing more, and continue showing that."""
    steps = Steps()
    changes = ChangeStreams(world.authenticator, world.site, steps.pause)
    ann = Listener(changes, world, "ann")
    assert "retry" in await ann.next()
    await ann.nouns()
    await steps.waits.wait()
    assert world.site.project_status.of(world.site).verdict.count == 0
    world.open_incident()
    assert world.site.project_status.of(world.site).verdict.count == 0
    steps.poll()
    assert "incidents" in await ann.nouns()
    assert world.site.project_status.of(world.site).verdict.count == 1
    ann.gone.set()
    await ann.over()
    changes.close()


@pytest.mark.asyncio
async def test_restricted_visitor_gets_no_change_of_other_automations(world):
    """Not even that something did, nor by a sign of life that comes later for it; what is its own is heard of."""
    steps = Steps()
    changes = ChangeStreams(world.authenticator, world.site, steps.pause)
    payer, ann = Listener(changes, world, "payer"), Listener(changes, world, "ann")
    for stream in (payer, ann):
        assert "retry" in await stream.next()
        await stream.nouns()
    for place in range(14):
        await steps.waits.wait()
        if place < 3:
            world.begin(BACKUP, b"{}")
            world.open_incident("backup", f"i_{place}")
        steps.poll()
    assert await payer.next() == ": alive\n\n"
    assert {"runs", "incidents"} <= await ann.nouns()
    await steps.waits.wait()
    world.begin()
    steps.poll()
    assert await payer.nouns() == {"runs"}
    await steps.waits.wait()
    world.open_incident("pay", "i_9")
    steps.poll()
    assert await payer.nouns() == {"incidents"}
    changes.close()
    for stream in (payer, ann):
        await stream.over()


@pytest.mark.parametrize(("definition", "data", "is_seen"), [(BACKUP, b"{}", False), (PAY, b'{"amount":1}', True)])
def test_marks_of_a_part_change_with_it_only(world, definition, data, is_seen):
    """Each noun of automations by what is done to one that is seen; anyone who sees none has none."""
    reader, now, is_visible = world.site.reader, world.clock.now(), VISITORS["payer"].may_view
    assert read_visible_change_tokens(reader, now, is_visible).keys() == OF_AUTOMATIONS
    assert read_visible_change_tokens(reader, now, lambda name: False) == {}
    runs, name, act = [], definition.name, operation_context(Actor.web("ana"), world.clock)
    lines = (LogChunk(ident="s", attempt=1, first_at=now, last_at=now, lines=1, size=1, body=b""),)
    for noun, change in {
        "runs": lambda: runs.append(world.begin(definition, data)),
        "logs": lambda: world.store.apply(SaveLogs(runs[-1], lines)),
        "incidents": lambda: world.open_incident(name),
        "automations": lambda: automation.pause(world.store, name, act=act),
    }.items():
        before = read_visible_change_tokens(reader, now, is_visible)
        change()
        found = read_visible_change_tokens(reader, now, is_visible)
        assert {noun_found for noun_found, mark in found.items() if before[noun_found] != mark} == (
            {noun} if is_seen else set()
        )


@pytest.mark.asyncio
async def test_stream_that_has_no_news_gives_signs_of_life(world):
    """A comment now and then, so that anyone who is between knows that it lives; and nothing else."""
    steps = Steps()
    changes = ChangeStreams(world.authenticator, world.site, steps.pause)
    ann = Listener(changes, world, "ann")
    await ann.next()
    await ann.nouns()
    for _ in range(15):
        await steps.waits.wait()
        steps.poll()
    assert await ann.next() == ": alive\n\n"
    changes.close()
    await ann.over()


@pytest.mark.asyncio
async def test_slow_listener_has_each_noun_queued_once(world):
    """However long it does not read: what waits for it does not grow."""
    steps = Steps()
    changes = ChangeStreams(world.authenticator, world.site, steps.pause)
    ann = Listener(changes, world, "ann")
    await ann.next()
    await ann.nouns()
    ann.full.clear()
    world.store.apply(SetQueue("mail", 2))
    for _ in range(3):
        await steps.waits.wait()
        world.begin()
        steps.poll()
    await steps.waits.wait()
    ann.full.set()
    received = [await ann.nouns(), await ann.nouns()]
    assert set().union(*received) >= {"runs", "queues"}
    changes.close()
    assert await ann.next() == ""
    await ann.over()


@pytest.mark.asyncio
async def test_stream_ends_when_its_visitor_loses_access(world):
    """Whose token was revoked hears of nothing more."""
    steps = Steps()
    changes = ChangeStreams(world.authenticator, world.site, steps.pause)
    ann = Listener(changes, world, "ann")
    await ann.next()
    await ann.nouns()
    del world.authenticator.visitors["ann"]
    await steps.waits.wait()
    world.begin()
    steps.poll()
    await ann.over()
    assert changes.open == 0
    changes.close()


@pytest.fixture
def few(monkeypatch):
    """Six streams at a time, three of one visitor, and four that one look tells."""
    monkeypatch.setattr(change_streams, "MOST", 6)
    monkeypatch.setattr(change_streams, "MOST_OF_ONE", 3)
    monkeypatch.setattr(change_streams, "_LISTENERS_AT_ONCE", 4)


def bots(world, count: int) -> list[str]:
    found = [f"bot{place}" for place in range(count)]
    world.authenticator.visitors |= {who: Visitor(entry_point=API, name=who, role=Role.VIEWER) for who in found}
    return found


@pytest.mark.asyncio
async def test_streams_of_one_visitor_are_bounded_and_end_with_the_process(world, few):
    """One too many is refused, whatever is left for others; when the process ends all of them do."""
    changes = ChangeStreams(world.authenticator, world.site, Steps().pause)
    listeners = [Listener(changes, world, "ann") for _ in range(3)]
    with pytest.raises(ApiError) as raised:
        Listener(changes, world, "ann")
    assert (raised.value.problem.status, raised.value.problem.code) == (429, "too_many_streams")
    listeners.append(Listener(changes, world, "olga"))
    changes.close()
    for listener in listeners:
        await listener.over()
    assert changes.open == 0
    with pytest.raises(ApiError):
        Listener(changes, world, "olga")


@pytest.mark.asyncio
async def test_visitor_with_most_streams_loses_one_at_the_limit(world, few):
    """The oldest of its own goes; no one takes a place from who has no more than itself would have."""
    changes = ChangeStreams(world.authenticator, world.site, Steps().pause)
    greedy = [Listener(changes, world, "ann") for _ in range(3)]
    other_listeners = [Listener(changes, world, who) for who in bots(world, 3)]
    late = Listener(changes, world, "olga")
    await greedy[0].over()
    assert changes.open == 6
    with pytest.raises(ApiError) as raised:
        Listener(changes, world, "ann")
    assert (raised.value.problem.status, raised.value.problem.code) == (503, "too_many_streams")
    assert not any(stream.ended for stream in (*greedy[1:], *other_listeners, late))
    changes.close()
    for stream in (*greedy, *other_listeners, late):
        await stream.over()


@pytest.mark.asyncio
async def test_many_listeners_are_notified_in_turns(world, few):
    """Of six four hear of a change at the first look, the other two at the next, though that finds something new."""
    steps = Steps()
    changes = ChangeStreams(world.authenticator, world.site, steps.pause)
    listeners = [Listener(changes, world, who) for who in bots(world, 6)]
    for stream in listeners:
        assert "retry" in await stream.next()
    for stream in listeners[:4]:
        assert "runs" in await stream.nouns()
    await steps.waits.wait()
    world.begin()
    steps.poll()
    for stream in listeners[4:]:
        assert await stream.nouns() >= {"runs", "queues", "audit-log"}
    for stream in listeners[:2]:
        assert "runs" in await stream.nouns()
    changes.close()
    for stream in listeners:
        await stream.over()


@pytest.mark.asyncio
async def test_listener_that_joins_during_a_poll_stays(world):
    """It was let in by itself, and is not among those who were asked for."""
    steps, go, still = Steps(), threading.Event(), world.authenticator.current_visitors
    world.authenticator.current_visitors = lambda keys: (go.wait(10), still(keys))[1]
    changes = ChangeStreams(world.authenticator, world.site, steps.pause)
    ann = Listener(changes, world, "ann")
    await ann.next()
    late = Listener(changes, world, "olga")
    await late.next()
    go.set()
    for stream in (ann, late):
        assert "runs" in await stream.nouns()
    changes.close()
    for stream in (ann, late):
        await stream.over()


@pytest.mark.asyncio
async def test_poll_reads_the_store_once_for_all_listeners(world, few):
    """Who is still let in is one question for all of them, and so is what changed."""
    steps = Steps()
    store_reads = []
    still = world.authenticator.current_visitors
    world.authenticator.current_visitors = lambda keys: (store_reads.append(len(keys)), still(keys))[1]
    changes = ChangeStreams(world.authenticator, world.site, steps.pause)
    listeners = [Listener(changes, world, who) for who in bots(world, 4)]
    for stream in listeners:
        await stream.next()
        await stream.nouns()
    await steps.waits.wait()
    reads = counted(world.store.reader)
    steps.poll()
    await steps.waits.wait()
    assert store_reads == [4, 4]
    assert 0 < len(reads) <= 20
    changes.close()
    for stream in listeners:
        await stream.over()


def test_tokens_change_with_their_data(world):
    """And stay the same while nothing does."""
    reader, now, run = world.site.reader, world.clock.now(), world.begin()
    before = read_change_tokens(reader, now)
    assert read_change_tokens(reader, now + 1_000) == before
    world.open_incident()
    assert {noun for noun, mark in read_change_tokens(reader, now).items() if before[noun] != mark} == {"incidents"}
    before = read_change_tokens(reader, now)
    world.store.apply(
        SaveLogs(run, (LogChunk(ident="s", attempt=1, first_at=1, last_at=1, lines=1, size=1, body=b""),))
    )
    assert {noun for noun, mark in read_change_tokens(reader, now).items() if before[noun] != mark} == {"logs"}
    assert set(before) <= {route.path.split("/")[1] for route in ROUTES}
