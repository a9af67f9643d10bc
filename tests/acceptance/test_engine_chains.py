"""A run that restarts again and again (`run.restart`) is one thing to people: messages, events, its key and its handle follow."""

import asyncio

import pytest

import mainspring as ms
from mainspring.domain.errors import KeyConflictError
from mainspring.domain.states import RunState
from mainspring.engine.definitions.registry import Registry
from tests.acceptance.engine_world import REPLAYING, World

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.parametrize("settings", [None, REPLAYING], ids=["suspended", "replayed"]),
]


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    return tmp_path if request.param == "sqlite" else request.getfixturevalue("lent_store")


def double(n: int) -> int:
    return 2 * n


with Registry() as COUNTERS:

    @ms.workflow
    async def count(run: ms.Run, total: int, got: list[int] | None = None) -> list[int]:
        """Accept a few, do something between, restart, until there are enough."""
        got = list(got or [])
        while len(got) < total:
            got.append((await run.event("n", where={"for": "me"})).number)
            if len(got) % 3 == 0:
                await run.step(double, len(got))
                run.restart(total, got)
        return got

    @ms.workflow
    async def receive_all(run: ms.Run, total: int, got: list[int] | None = None) -> list[int]:
        """The same of signals, of two names at once: what comes beside the one that is waited for first must not be lost."""
        got = list(got or [])
        while len(got) < total:
            received = [asyncio.ensure_future(run.receive(name, int)) for name in ("a", "b")]
            done, _ = await asyncio.wait(received, return_when=asyncio.FIRST_COMPLETED)
            got += [task.result() for task in received if task in done]
            for task in received:
                task.cancel()
            if len(got) % 3 == 0:
                run.restart(total, got)
        return got


async def test_events_published_while_a_run_restarts_count_once_each(place, settings):
    """Four publish at the same time, without a pause; the chain has each event once, and those of one publisher in its order."""
    total = 40
    async with World(place).engine(COUNTERS, settings) as engine:
        handle = await engine.start(count, total)
        numbers = [range(first, total, 4) for first in range(4)]

        async def publish(some):
            for number in some:
                await engine.app.publish("n", {"for": "me", "number": number})
                await engine.app.publish("n", {"for": "you", "number": number})

        await asyncio.gather(*(publish(some) for some in numbers))
        got = await handle.result(60)
        assert sorted(got) == list(range(total))
        assert all([n for n in got if n % 4 == first] == list(numbers[first]) for first in range(4))


async def test_signals_sent_while_a_run_restarts_count_once_each(place, settings):
    """To the id of the first run, all the time; the handle follows too."""
    total = 30
    async with World(place).engine(COUNTERS, settings) as engine:
        handle = await engine.start(receive_all, total)

        async def send(name, some):
            for number in some:
                await handle.signal(name, number)

        await asyncio.gather(send("a", range(0, total, 2)), send("b", range(1, total, 2)))
        got = await handle.result(60)
        assert sorted(got) == list(range(total))
        assert [n for n in got if n % 2] == list(range(1, total, 2))


async def test_handle_and_key_follow_a_run_that_restarts(place, settings):
    """Its state, its row and a message are those of the newest; the same start finds it, and another input is refused."""
    with Registry() as registry:

        @ms.workflow
        async def poll(run: ms.Run, turn: int = 0) -> int:
            if turn < 5:
                run.restart(turn + 1)
            return await run.receive("end", int)

    async with World(place).engine(registry, settings) as engine:
        keyed = engine.app.options(key="k")
        handle = await keyed.start(poll)
        await engine.when(lambda: [row for row in engine.reads.list_runs().runs if row.state is RunState.WAITING], bool)
        assert await handle.status() is RunState.WAITING
        newest = (await handle.view()).id
        assert newest != handle.id
        found = await keyed.start(poll)
        assert (found.id, found.created) == (newest, False)
        with pytest.raises(KeyConflictError):
            await keyed.start(poll, 9)
        await handle.signal("end", 7)
        assert await handle.result(60) == await found.result(10) == 7
        assert await handle.status() is RunState.SUCCEEDED


async def test_question_of_a_run_that_restarted_is_answered_by_its_first_id(place, settings):
    """The one that the newest run asks."""
    with Registry() as registry:

        @ms.workflow
        async def requests(run: ms.Run, turn: int = 0) -> str:
            if turn < 2:
                run.restart(turn + 1)
            return await run.ask("Go on?")

    async with World(place).engine(registry, settings) as engine:
        handle = await engine.start(requests)
        await engine.when(lambda: engine.history(engine.reads.newest_of(handle.id)).waits, bool)
        await engine.app.answer(handle.id, "yes")
        assert await handle.result(60) == "yes"
