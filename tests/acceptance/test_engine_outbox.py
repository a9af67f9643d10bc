"""What steps send commits with their outcomes, whatever kind of step it is, and whatever happens to its attempts."""

import asyncio
from datetime import timedelta
from typing import Any

import apsw
import pytest

import mainspring as ms
from mainspring.domain.ids import make_idempotency_key
from mainspring.domain.runs.outbox import outbox_entry_id
from mainspring.domain.states import RunState
from mainspring.engine.attempts.step_context import NotInStepError
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.service.runs import run_recovery
from mainspring.store import failpoints
from mainspring.store.read.outbox import list_messages_of
from tests.acceptance import engine_steps
from tests.acceptance.engine_world import Engine, World

pytestmark = pytest.mark.asyncio
NO_SENDER: Any = {"schedules": False}


@pytest.fixture(params=["file", "server"])
def place(request, tmp_path):
    """Where the store is: all of this holds for both databases."""
    return tmp_path if request.param == "file" else request.getfixturevalue("lent_store")


def sent(engine: Engine, run: ms.Handle | str) -> list[str]:
    """The ids of what a run has put into the outbox, in order."""
    name = run if isinstance(run, str) else run.id
    return [message.id for message in list_messages_of(engine.working.store.reader, name)]


def events(engine: Engine) -> list[tuple[str, bytes]]:
    rows = engine.working.store.reader.read_text("select id, data from events order by seq")
    return [(str(name), bytes(data)) for name, data in rows]


def id_of(run: ms.Handle | str, ident: str, number: int = 1, generation: int = 0) -> str:
    name = run if isinstance(run, str) else run.id
    return outbox_entry_id(make_idempotency_key(name, ident, generation), number)


async def test_every_kind_of_step_sends(place):
    """A straight task, steps in loop, thread and child process, a spread item, a child and an undo: each sends once, under its own id."""
    with Registry() as registry:

        @ms.task
        async def single() -> str:
            return ms.send("orders/eu", 1)

        async def in_loop() -> None:
            ms.send("orders/eu", 1)

        def undo(number: int) -> None:
            ms.send("orders/eu", -number)

        @ms.workflow
        async def inner(run: ms.Run) -> None:
            await run.step(in_loop)

        @ms.workflow
        async def all_kinds(run: ms.Run) -> None:
            await run.step(in_loop)
            await run.options(undo=undo).step(engine_steps.send_one, 7)
            await run.options(isolate="process").step(engine_steps.send_one, 8)
            await run.map(engine_steps.send_one, [9], spread=True)
            await run.child(inner)
            await run.rollback("enough")

    async with World(place).engine(registry, **NO_SENDER) as engine:
        single_run = await engine.start(single)
        assert await single_run.result() == id_of(single_run, "single#1")
        assert sent(engine, single_run) == [id_of(single_run, "single#1")]
        run = await engine.start(all_kinds)
        await engine.until(run, RunState.FAILED)
        outcomes = [outcome for outcome in engine.history(run).outcomes if outcome.kind in ("step", "undo")]
        idents = [outcome.ident for outcome in outcomes if outcome.ident != "undo:inner#1"]
        seconds = [2 if "send_one" in ident and "undo" not in ident else 1 for ident in idents]
        assert sent(engine, run) == [id_of(run, ident, n) for ident, n in zip(idents, seconds, strict=True)]
        assert len(idents) == 4
        by_run = engine.working.store.reader.read_text("select run, count(*) from outbox group by run")
        assert sorted(n for _, n in by_run) == [1, 1, 1, 4], "the task, the spread item, the child; the workflow's own"
        assert [data for _, data in events(engine)] == [b'{"number":7}', b'{"number":8}', b'{"number":9}']


async def test_failed_attempts_send_nothing(place):
    """Of a step that is tried three times the last attempt's messages go, under the ids of the first; of one that fails none."""
    tries: list[str] = []
    with Registry() as registry:

        @ms.task(retry=ms.Retry(attempts=3, initial="1ms"))
        async def third_time() -> None:
            tries.append(ms.send("orders/eu", len(tries)))
            ms.publish("tried", len(tries))
            if len(tries) < 3:
                raise ms.Transient("not yet")

        @ms.task(retry=ms.Retry(attempts=2, initial="1ms"))
        async def never() -> None:
            ms.send("orders/eu", 1)
            ms.publish("never")
            raise ms.Transient("no")

    async with World(place).engine(registry, **NO_SENDER) as engine:
        run = await engine.start(third_time)
        await run.result()
        assert len(tries) == 3
        assert set(tries) == {*sent(engine, run)} == {id_of(run, "third_time#1")}
        bad = await engine.start(never)
        await engine.until(bad, RunState.FAILED)
        assert sent(engine, bad) == []
        assert [data for _, data in events(engine)] == [b"3"]


async def test_event_of_a_step_wakes_runs(place):
    """An event published by a step wakes the run that waits for it, also from a straight task; a key counts once."""
    with Registry() as registry:

        @ms.workflow
        async def waits(run: ms.Run) -> int:
            event = await run.event("paid", where={"order": 1})
            return int(event.amount)

        @ms.task
        def pays(amount: int) -> None:
            ms.publish("paid", {"order": 1, "amount": amount}, key="order-1")

    async with World(place).engine(registry, **NO_SENDER) as engine:
        waiting = await engine.start(waits)
        await engine.until(waiting, RunState.WAITING)
        for amount in (5, 6):
            await (await engine.start(pays, amount)).result()
        assert await waiting.result() == 5
        assert len(events(engine)) == 1


async def test_new_generation_sends_again(place):
    """A run that is continued from an earlier step does that step again: its messages are new ones."""
    fails = [True]
    with Registry() as registry:

        async def first() -> None:
            ms.send("orders/eu", 1)

        async def second() -> None:
            if fails:
                raise ms.Permanent("not today")

        @ms.workflow
        async def two(run: ms.Run) -> None:
            await run.step(first)
            await run.step(second)

    async with World(place).engine(registry, **NO_SENDER) as engine:
        run = await engine.start(two)
        await engine.until(run, RunState.FAILED)
        fails.clear()
        await engine.act(run_recovery.retry_from, run.id, "first#1")
        await engine.until(run, RunState.SUCCEEDED)
        assert sent(engine, run) == [id_of(run, "first#1"), id_of(run, "first#1", generation=1)]


async def test_step_whose_value_is_refused_has_sent(place):
    """Its work is done and is not done again, so what it sends goes, although a person has to give its result."""
    with Registry() as registry:

        async def odd() -> Any:
            ms.send("orders/eu", 1)
            return object()

        @ms.workflow
        async def refused(run: ms.Run) -> None:
            await run.step(odd)

    async with World(place).engine(registry, **NO_SENDER) as engine:
        run = await engine.start(refused)
        await engine.until(run, RunState.NEEDS_ATTENTION)
        assert sent(engine, run) == [id_of(run, "odd#1")]
        await engine.give(run, b"1")
        await engine.until(run, RunState.SUCCEEDED)
        assert len(sent(engine, run)) == 1


async def test_step_in_doubt_and_step_abandoned_send_nothing(place):
    """An at-most-once step that raises is in doubt, one that the body abandoned never returned: nothing of them goes."""
    started = asyncio.Event()
    with Registry() as registry:

        async def doubtful() -> None:
            ms.send("orders/eu", 1)
            raise RuntimeError("who knows")

        async def slow() -> None:
            ms.send("orders/eu", 2)
            started.set()
            await asyncio.sleep(3600)

        @ms.workflow
        async def abandon(run: ms.Run) -> None:
            with_time = run.options(timeout=timedelta(hours=1)).step(slow)
            try:
                await asyncio.wait_for(with_time, 0.2)
            except TimeoutError:
                await run.options(delivery="at_most_once").step(doubtful)

    async with World(place).engine(registry, **NO_SENDER) as engine:
        run = await engine.start(abandon)
        await engine.until(run, RunState.NEEDS_ATTENTION)
        assert started.is_set()
        assert sent(engine, run) == []


async def test_body_and_foreign_code_are_refused(place):
    """In a body, which runs again and again, and outside of a run nothing can be sent; the error shows what to write."""
    messages: list[str] = []
    with Registry() as registry:

        @ms.workflow
        async def body(run: ms.Run) -> None:
            for call in (lambda: ms.send("orders/eu", 1), lambda: ms.publish("paid")):
                with pytest.raises(NotInStepError) as caught:
                    call()
                messages.append(str(caught.value))

    async with World(place).engine(registry, **NO_SENDER) as engine:
        await (await engine.start(body)).result()
        assert all("run.step" in text and "body of a workflow" in text for text in messages)
        with pytest.raises(NotInStepError, match=r"app\.publish"):
            ms.publish("paid")


async def test_transactional_step_that_is_repeated_sends_and_measures_what_it_did(place, tmp_path):
    """Its effect is committed and its worker gone before the outcome is: the repeat calls nothing, and has the same records."""
    apsw.Connection(str(tmp_path / "user.db")).execute("create table paid (n int)")
    calls: list[int] = []
    with Registry() as registry:

        @ms.task(delivery="transactional", retry=ms.Retry(attempts=2, initial="1ms"))
        def pay(tx: ms.Tx) -> int:
            calls.append(1)
            tx.execute("insert into paid values (1)")
            ms.publish("paid", len(calls))
            ms.send("orders/eu", b"raw")
            ms.measure("amount", 12.5)
            return len(calls)

    def lose_once(where: str) -> None:
        if where == "effect_commit.after" and len(calls) == 1:
            calls.append(0)
            raise ConnectionError("the answer was lost")

    async with World(place).engine(registry, databases={"default": tmp_path / "user.db"}, **NO_SENDER) as engine:
        failpoints.install(lose_once)
        try:
            run = await engine.start(pay)
            assert await run.result() == 1
        finally:
            failpoints.install(None)
        assert calls == [1, 0]
        assert sent(engine, run) == [id_of(run, "pay#1", 2)]
        assert events(engine) == [(id_of(run, "pay#1"), b"1")]
        assert engine.history(run).numbers == {"amount": 12.5}


async def test_lost_attempt_sends_once(place):
    """A worker that dies after the step and before its commit sends nothing; who continues sends it, under the same id."""
    ids: list[str] = []
    with Registry() as registry:

        @ms.task
        async def sends() -> None:
            ids.append(ms.send("orders/eu", len(ids)))
            if len(ids) == 1:
                await asyncio.Event().wait()

    world = World(place)
    async with world.engine(registry, WorkerOptions(suspend_after_ms=0), **NO_SENDER) as first:
        run = await first.start(sends)
        await first.when(lambda: len(ids), lambda n: n == 1)
        dead = first.working.store.session
        assert dead is not None
        await first.die()
    async with world.engine(registry, **NO_SENDER) as second:
        await world.declare_dead(second, dead)
        await second.until(run, RunState.SUCCEEDED)
        assert ids == [id_of(run, "sends#1")] * 2
        assert sent(second, run) == ids[:1]


async def test_event_of_a_step_starts_what_listens(place):
    """An event published by a step starts the automations that listen to it, once; one of a step that failed starts none."""
    received: list[int] = []
    with Registry() as registry:

        @ms.on.event("order.placed")
        @ms.task
        async def listens(event: ms.Event) -> None:
            received.append(event.order)

        @ms.task(retry=ms.Retry(attempts=1))
        async def places(order: int) -> None:
            ms.publish("order.placed", {"order": order})
            if order < 0:
                raise ms.Permanent("no such order")

    async with World(place).engine(registry) as engine:
        await engine.until(await engine.start(places, -1), RunState.FAILED)
        for order in (1, 2):
            await (await engine.start(places, order)).result()
        await engine.when(lambda: sorted(received), lambda found: found == [1, 2])
        # Each event is stored in one commit with its deliveries: there is nothing from which another run could come.
        reader = engine.working.store.reader
        assert reader.read_text("select count(*) from events") == [(2,)]
        assert reader.read_text("select count(*) from deliveries") == [(2,)]
        assert reader.read_text("select count(*) from runs where automation = 'listens'") == [(2,)]
