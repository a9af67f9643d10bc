"""Facts from outside: events, signals, answers; each counts once and in order, whether it comes before or after the wait."""

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

import mainspring as ms
from mainspring.domain.errors import ArgumentError, NotFoundError
from mainspring.domain.states import RunState
from mainspring.engine.body.request import WAIT_TIMER_SUFFIX
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.insight.runs.steps import list_step_lines
from mainspring.insight.runs.waits import list_waits
from mainspring.store.commands.inbox import ExpireWait
from mainspring.store.commands.journal import SaveOutcome
from mainspring.testing.clock import FakeClock
from tests.acceptance.engine_world import AT_ONCE, REPLAYING, World

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.parametrize("settings", [None, REPLAYING], ids=["suspended", "replayed"]),
]


async def test_signals_are_received_first_in_first_out(tmp_path, settings):
    """Also those that came before anyone asked."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> list[int]:
            await run.receive("begin")
            return [await run.receive("n", int) for _ in range(3)]

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(work)
        for n in (1, 2):
            await engine.app.signal(run.id, "n", n)
        await engine.app.signal(run.id, "begin")
        await engine.app.signal(run.id, "n", 3)
        assert await run.result(60) == [1, 2, 3]


async def test_event_published_while_a_run_waits_wakes_it(tmp_path, settings):
    """Its data are attributes; `where` chose it among others of its name."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run, charge: str) -> int:
            paid = await run.event("payment.settled", where={"charge.id": charge})
            return paid.amount

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(work, "c1")
        await engine.until(run, RunState.WAITING)
        assert await engine.app.publish("payment.settled", {"charge": {"id": "c2"}, "amount": 1}) == 0
        assert await engine.app.publish("payment.settled", {"charge": {"id": "c1"}, "amount": 2}) == 1
        assert await run.result(60) == 2


async def test_event_published_after_the_start_but_before_the_wait_counts(tmp_path, settings):
    """Nothing is lost between the two: an event counts from the run's creation on."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> int:
            await run.receive("go")
            return (await run.event("e")).n

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.WAITING)
        await engine.app.publish("e", {"n": 7})
        await engine.app.signal(run.id, "go")
        assert await run.result(60) == 7


async def test_event_counts_once_per_run(tmp_path, settings):
    """A second wait needs a second event; another run gets the first one as well."""
    with Registry() as registry:

        @ms.workflow
        async def two(run: ms.Run) -> list[int]:
            return [(await run.event("e")).n, (await run.event("e")).n]

        @ms.workflow
        async def once(run: ms.Run) -> int:
            return (await run.event("e")).n

    async with World(tmp_path).engine(registry, settings) as engine:
        a, b = await engine.start(two), await engine.start(once)
        await engine.until(a, RunState.WAITING)
        await engine.until(b, RunState.WAITING)
        await engine.app.publish("e", {"n": 1})
        assert await b.result(60) == 1
        await engine.when(lambda: len(engine.history(a).outcomes), lambda n: n >= 1)
        assert (await engine.until(a, RunState.WAITING)).state is RunState.WAITING
        await engine.app.publish("e", {"n": 2})
        assert await a.result(60) == [1, 2]


async def test_event_with_a_key_published_again_counts_once(tmp_path, settings):
    """A webhook that is delivered three times is one event."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> list[int]:
            return [(await run.event("e")).n, (await run.event("e")).n]

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.WAITING)
        for _ in range(3):
            await engine.app.publish("e", {"n": 1}, key="d-1")
        await engine.app.publish("e", {"n": 2}, key="d-2")
        assert await run.result(60) == [1, 2]


async def test_answer_is_one_of_the_choices(tmp_path, settings):
    """A wrong one is refused with the nearest, the right one continues the run."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            return await run.ask("Ship it?", choices=["approve", "refund"], evidence={"amount": 5})

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(work)
        await engine.when(lambda: engine.history(run).waits, bool)
        (wait,) = engine.history(run).waits
        assert msgspec.json.decode(wait.question)["evidence"] == {"amount": 5}
        with pytest.raises(ArgumentError, match="approve"):
            await engine.app.answer(run.id, "aprove")
        await engine.app.answer(run.id, "approve")
        assert await run.result(60) == "approve"


async def test_question_that_no_one_answers_takes_otherwise(tmp_path, settings):
    """After that an answer is too late and says so."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            answer = await run.ask("Ship it?", within="20ms", otherwise="no")
            await run.receive("end")
            return answer

    async with World(tmp_path).engine(registry, settings or AT_ONCE) as engine:
        run = await engine.start(work)
        await engine.when(lambda: [o.name for o in engine.history(run).outcomes], bool)
        with pytest.raises(NotFoundError, match="open question"):
            await engine.app.answer(run.id, "yes")
        await engine.app.signal(run.id, "end")
        assert await run.result(60) == "no"


async def test_question_is_closed_before_the_end_of_its_time_is_saved(tmp_path, settings, monkeypatch):
    """Otherwise an answer that comes between the two commits is accepted and lost."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            return await run.ask("Ship it?", within="20ms", otherwise="no")

    async with World(tmp_path).engine(registry, settings) as engine:
        store, written = engine.working.store, []
        submit = store.submit

        def note(command, *rest):
            if isinstance(command, ExpireWait | SaveOutcome):
                written.append((type(command), command.ident))
            submit(command, *rest)

        monkeypatch.setattr(store, "submit", note)
        assert await (await engine.start(work)).result(60) == "no"
    (end,) = [ident for kind, ident in written if kind is SaveOutcome]
    question = end.removesuffix(WAIT_TIMER_SUFFIX)
    assert written[:2] == [(ExpireWait, question), (SaveOutcome, end)]


_LIMIT = timedelta(seconds=40)


def _waiting_work() -> Registry:
    with Registry() as registry:

        @ms.workflow(name="asks")
        async def requests(run: ms.Run) -> str | None:
            return await run.ask("Publish?", choices=["publish", "refuse"], within="40s", otherwise="refuse")

        @ms.workflow(name="receives")
        async def receives(run: ms.Run) -> str:
            try:
                return await run.receive("word", str, within="40s")
            except TimeoutError:
                return "late"

        @ms.workflow(name="subscribes")
        async def subscribes(run: ms.Run) -> str:
            try:
                return (await run.event("word", within="40s")).word
            except TimeoutError:
                return "late"

    return registry


async def _answer(app: ms.App, kind: str, run: str) -> None:
    if kind == "asks":
        await app.answer(run, "publish")
    elif kind == "receives":
        await app.signal(run, "word", "publish")
    else:
        await app.publish("word", {"word": "publish"})


@pytest.mark.parametrize("kind", ["asks", "receives", "subscribes"])
@pytest.mark.parametrize("is_late", [False, True], ids=["in_time", "late"])
async def test_message_at_the_deadline_is_too_late(tmp_path, settings, kind, is_late):
    """No worker runs then: the instant of the commit decides, not that at which a worker reads it."""
    clock = FakeClock()
    world = World(tmp_path, clock)
    async with world.engine(_waiting_work(), settings or AT_ONCE) as engine:
        run = (await engine.start(kind)).id
        await engine.until(run, RunState.WAITING)
    clock.advance(_LIMIT - timedelta(milliseconds=0 if is_late else 1))
    client = ms.App(world.path, clock=clock)
    if is_late and kind == "asks":
        with pytest.raises(NotFoundError, match="ended at"):
            await _answer(client, kind, run)
    else:
        await _answer(client, kind, run)
    client.close()
    clock.advance(timedelta(seconds=20))
    async with world.engine(_waiting_work(), settings or AT_ONCE) as engine:
        ended = await engine.until(run, RunState.SUCCEEDED)
    late = "refuse" if kind == "asks" else "late"
    assert msgspec.json.decode(ended.result) == (late if is_late else "publish")


@pytest.mark.parametrize("kind", ["asks", "receives", "subscribes"])
async def test_message_committed_in_time_wins_before_it_is_read(tmp_path, settings, kind, monkeypatch):
    """The timer is due in the worker before it reads the inbox; the store knows better."""
    clock = FakeClock()
    del settings  # it stays loaded
    async with World(tmp_path, clock).engine(_waiting_work(), WorkerOptions(suspend_after_ms=60_000)) as engine:
        run = (await engine.start(kind)).id
        await engine.when(lambda: engine.history(run).run.state, lambda state: state is RunState.RUNNING)
        driver = await engine.when(lambda: engine.working.worker.drivers.get(run), bool)
        await engine.when(lambda: driver.wakeups.next(), bool)
        monkeypatch.setattr(engine.working.worker._inboxes, "poll", lambda: None)
        if kind != "receives":
            await engine.when(lambda: engine.history(run).waits, bool)
        clock.advance(_LIMIT - timedelta(milliseconds=1))
        await _answer(engine.app, kind, run)
        clock.advance(timedelta(seconds=20))
        driver.waits.rearm()
        assert msgspec.json.decode((await engine.until(run, RunState.SUCCEEDED)).result) == "publish"


async def test_late_event_of_a_wait_that_was_abandoned_is_not_lost_for_the_next_one(tmp_path, settings):
    """A time-out of a wait does not eat the event that comes after it."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            try:
                await run.event("e", within="10ms")
            except TimeoutError:
                await run.receive("again")
            return (await run.event("e")).what

    async with World(tmp_path).engine(registry, settings or AT_ONCE) as engine:
        run = await engine.start(work)
        await engine.when(lambda: [o.name for o in engine.history(run).outcomes], bool)
        await engine.app.publish("e", {"what": "late"})
        await engine.app.signal(run.id, "again")
        assert await run.result(60) == "late"


async def test_first_of_several_waits_wins_and_the_others_are_closed(tmp_path, settings):
    """`asyncio.wait` over waits works, and chooses the same winner in a replay."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> list[str]:
            tasks = {
                asyncio.ensure_future(run.receive("s", str)): "signal",
                asyncio.ensure_future(run.event("e")): "event",
                asyncio.ensure_future(run.ask("q")): "question",
            }
            done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in rest:
                task.cancel()
            await run.receive("end")
            return [tasks[t] for t in done]

    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.WAITING)
        await engine.app.publish("e", {})
        await engine.when(
            lambda: [w.kind for w in engine.history(run).waits if not w.filled], lambda kinds: kinds == []
        )
        await engine.app.signal(run.id, "end")
        assert await run.result(60) == ["event"]


async def test_durable_sleep_holds_nothing_and_ends_in_time(tmp_path, settings):
    """`asyncio.sleep` in a body is a row with a due time."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> bool:
            before = run.now()
            await asyncio.sleep(0.03)
            return (run.now() - before).total_seconds() >= 0.03

    async with World(tmp_path).engine(registry, settings or AT_ONCE) as engine:
        assert await (await engine.start(work)).result(60) is True


async def test_wait_has_the_span_that_it_took(tmp_path, settings):
    """From its asking to its end, on run time: of a timer, a message and a child alike."""
    clock = FakeClock()
    with Registry() as registry:

        @ms.workflow
        async def child(run: ms.Run) -> None:
            await asyncio.sleep(20)

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await asyncio.sleep(60)
            await run.receive("go")
            await run.child(child)

    async with World(tmp_path, clock).engine(registry, settings) as engine:
        run = await engine.start(work)

        def waits(kind: str) -> bool:
            return any(wait["kind"] == kind for wait in list_waits(engine.history(run)))

        await engine.when(lambda: waits("timer"), bool)
        await engine.pass_time(timedelta(seconds=60))
        await engine.when(lambda: waits("signal"), bool)
        await engine.pass_time(timedelta(seconds=5))
        await engine.app.signal(run.id, "go")
        await engine.when(lambda: engine.reads.list_runs(name="child", states=(RunState.WAITING,)).runs, bool)
        await engine.pass_time(timedelta(seconds=20))
        await engine.until(run, RunState.SUCCEEDED)
        spans = {line.kind: line.duration_ms(clock.now()) for line in list_step_lines(engine.history(run))}
    assert spans == {"timer": 60_000, "signal": 5_000, "child": 20_000}


async def test_event_reports_when_it_was_published(tmp_path, settings):
    """Whether it came before the wait or after; a field of its own of that name hides it."""
    clock = FakeClock()
    seen = []
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> list[str]:
            await run.receive("go")
            early = await run.event("early")
            late = await run.event("late")
            own = await run.event("own")
            seen[:] = [early.at, late.at, own.at]
            return [early.at.isoformat(), late.at.isoformat(), own.at]

    async with World(tmp_path, clock).engine(registry, settings) as engine:
        run = await engine.start(work)
        at = [datetime.fromtimestamp(clock.now() / 1000, UTC)]
        await engine.app.publish("early", {})
        await engine.pass_time(timedelta(seconds=10))
        await engine.app.signal(run.id, "go")
        await engine.when(lambda: list_waits(engine.history(run)), lambda found: [w["name"] for w in found] == ["late"])
        await engine.pass_time(timedelta(seconds=10))
        at.append(datetime.fromtimestamp(clock.now() / 1000, UTC))
        await engine.app.publish("late", {})
        await engine.when(lambda: list_waits(engine.history(run)), lambda found: [w["name"] for w in found] == ["own"])
        await engine.pass_time(timedelta(seconds=10))
        await engine.app.publish("own", {"at": "noon"})
        assert await run.result(60) == [at[0].isoformat(), at[1].isoformat(), "noon"]
    assert seen == [*at, "noon"]
