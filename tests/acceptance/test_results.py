"""Results come when their runs end: at once in the same process, within 20 ms from elsewhere; many waiters cost little."""

import asyncio

import pytest

import mainspring as ms
from mainspring.domain.failures.saved_error import RunFailed
from mainspring.engine.definitions.registry import Registry
from mainspring.store import process_store
from mainspring.store.process_store import RunEndWaiters
from tests.acceptance.engine_world import LONGEST_S

NEVER_S = 3600.0

with Registry() as REGISTRY:

    @ms.task
    async def double(x: int) -> int:
        """Return twice the number."""
        return x * 2

    @ms.workflow
    async def refuse(run: ms.Run) -> None:
        """Fail."""
        raise ms.Permanent("no")

    @ms.workflow
    async def countdown(run: ms.Run, left: int) -> str:
        """Begin again until nothing is left."""
        if left:
            run.restart(left - 1)
        return "done"

    @ms.workflow
    async def wait_for_go(run: ms.Run) -> str:
        """Wait for a signal."""
        return str(await run.receive("go"))


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    """A store of each kind."""
    return tmp_path / "state.db" if request.param == "sqlite" else request.getfixturevalue("lent_store")


def _never_poll(monkeypatch):
    """Leave only the wake-up."""
    monkeypatch.setattr(process_store, "RunEndWaiters", lambda: RunEndWaiters(NEVER_S))


@pytest.mark.asyncio
async def test_result_returns_when_the_run_ends_in_this_process(place, monkeypatch):
    """By a wake-up: nothing polls here. Also for a run that fails, and for the last of those that began again."""
    _never_poll(monkeypatch)
    app = ms.App(place, registry=REGISTRY)
    async with asyncio.timeout(LONGEST_S), app.running():
        assert await (await app.start(double, 4)).result() == 8
        with pytest.raises(RunFailed):
            await (await app.start(refuse)).result()
        assert await (await app.start(countdown, 3)).result() == "done"
        handles = [await app.start(double, n) for n in range(64)]
        assert await asyncio.gather(*(handle.result() for handle in handles)) == [n * 2 for n in range(64)]


def test_app_run_returns_when_the_run_ends(place, monkeypatch):
    """Blocking, by the same wake-up."""
    _never_poll(monkeypatch)
    assert ms.App(place, registry=REGISTRY).run(double, 21) == 42


@pytest.mark.asyncio
async def test_result_of_a_run_that_another_process_ends_is_found(place):
    """The app that waits has no worker; all that wait are found by reads that ask for all of them."""
    working, waiting = ms.App(place, registry=REGISTRY), ms.App(place, registry=REGISTRY)
    async with asyncio.timeout(LONGEST_S):
        handles = [await waiting.start(double, n) for n in range(20)]
        unending = await waiting.start(wait_for_go)
        results = asyncio.gather(*(handle.result() for handle in handles))
        last = asyncio.create_task(unending.result())
        async with working.running():
            assert await results == [n * 2 for n in range(20)]
            await waiting.signal(unending.id, "go", 1)
            assert await last == "1"
    await asyncio.to_thread(waiting.close)


@pytest.mark.asyncio
async def test_a_thousand_waiters_put_one_question_at_a_time(tmp_path, monkeypatch):
    """They begin with one read each, and then the store is asked for all of them together."""
    reads: list[int] = []
    app = ms.App(tmp_path / "state.db", registry=REGISTRY)
    await app.start(wait_for_go)  # which makes the store
    store = await app.opened_store()
    real = type(store.reader).read

    def counted(reader, query, params=()):
        if query == "list_ended_among":
            reads.append(params[0].count("r_"))
        return real(reader, query, params)

    monkeypatch.setattr(type(store.reader), "read", counted)
    async with asyncio.timeout(60):
        handles = [await app.start(double, n) for n in range(1_000)]
        tasks = [asyncio.create_task(handle.result()) for handle in handles]
        while len(store.end_waiters._waiters) < 1_000:
            await asyncio.sleep(0)
        async with ms.App(app.place, registry=REGISTRY).running():
            assert await asyncio.gather(*tasks) == [n * 2 for n in range(1_000)]
    assert 1_000 in reads
    await asyncio.to_thread(app.close)


@pytest.mark.asyncio
async def test_result_that_does_not_come_in_time_states_the_state_of_the_run(tmp_path):
    """The time of the call is kept, and the run may be awaited again."""
    app = ms.App(tmp_path / "state.db", registry=REGISTRY)
    async with asyncio.timeout(LONGEST_S), app.running():
        handle = await app.start(wait_for_go)
        with pytest.raises(
            TimeoutError,
            match=r"has not ended in 0\.05 s; it is (running|waiting|queued)\. To see why: mainspring explain r_",
        ):
            await handle.result(0.05)
        await app.signal(handle.id, "go", 2)
        assert await handle.result(LONGEST_S) == "2"
