"""Streams: records that steps and bodies write before they end, in order, over crashes and repeated attempts."""

import asyncio
import threading
from typing import Any

import pytest

import mainspring as ms
from mainspring.domain.errors import ArgumentError, BusyError
from mainspring.domain.runs.stream import StreamLimits, StreamRecordKind, drop_superseded
from mainspring.domain.states import RunState
from mainspring.engine.attempts.streams import MOST_BYTES
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.worker_options import WorkerOptions
from tests.acceptance import engine_steps
from tests.acceptance.engine_world import REPLAYING, World

pytestmark = pytest.mark.asyncio

TWICE = {"attempts": 2, "initial": "1ms"}


async def all_of(handle: ms.Handle, name: str = "tokens", since: int = 0) -> list[ms.StreamRecord[Any]]:
    """Return the records of a stream until its run has ended."""
    async with asyncio.timeout(60):
        return [record async for record in handle.stream(name, since=since)]


def stream_words(words: list[str]) -> int:
    """Write words to a stream."""
    out = ms.stream("tokens")
    for word in words:
        out.write(word)
    out.flush()
    return len(words)


async def stream_words_async(words: list[str]) -> int:
    """Write words to a stream, in the loop."""
    out = ms.stream("tokens")
    for word in words:
        await out.write(word)
    await out.flush()
    return len(words)


@pytest.mark.parametrize("isolate", ["loop", "thread", "process"])
async def test_step_streams_wherever_it_runs(tmp_path, isolate):
    """In order, with its writer; a reader gets them while the step runs, and ends with the run."""
    words = [f"w{number}" for number in range(300)]
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> int:
            if isolate == "loop":
                return await run.step(stream_words_async, words)
            return await run.options(isolate=isolate).step(engine_steps.stream_words, words)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        records = await all_of(run)
        assert await run.result(60) == 300
        assert [record.value for record in await all_of(run, since=298)] == ["w298", "w299"]
        (view,) = await run.streams()
    assert [record.value for record in records] == words
    assert [record.seq for record in records] == [record.n for record in records] == list(range(1, 301))
    assert {(record.step, record.attempt) for record in records} == {(records[0].writer.partition("#")[0], 1)}
    assert (view.name, view.first, view.last) == ("tokens", 1, 300)


async def test_reader_gets_a_record_before_the_step_ends(tmp_path):
    """It is woken by the commit."""
    go = threading.Event()

    def talk() -> str:
        ms.stream("tokens").write("first")
        assert go.wait(60)
        return "done"

    with Registry() as registry:

        @ms.task
        def speak() -> str:
            return talk()

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(speak)
        async for record in run.stream("tokens"):
            assert record.value == "first"
            assert await run.status() == RunState.RUNNING
            go.set()
        assert await run.result(60) == "done"


async def test_values_are_typed(tmp_path):
    """As the type that the reader names; one that does not fit is an error with its place."""
    with Registry() as registry:

        @ms.task
        async def count() -> None:
            ms.stream("numbers").write({"at": "2026-01-05", "n": 1})

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(count)
        await run.result(60)
        (record,) = [record async for record in run.stream("numbers", type=dict[str, Any])]
        assert record.value == {"at": "2026-01-05", "n": 1}
        with pytest.raises(ms.MainspringError, match="record 1 of stream 'numbers'"):
            [record async for record in run.stream("numbers", type=dict[str, int])]


async def test_repeated_attempt_marks_what_it_makes_again(tmp_path):
    """Before its own records; a reader that drops them sees each word once."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await run.options(retry=TWICE).step(talk)

        async def talk() -> None:
            out = ms.stream("tokens")
            for word in ("a", "b"):
                out.write(f"{word}{ms.attempt()}")
            if ms.attempt() == 1:
                raise ms.Transient("cut")

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        records = await all_of(run)
    kinds = [(record.kind, record.attempt, record.value) for record in records]
    assert kinds[2] == (StreamRecordKind.RETRIED, 2, None)
    assert [record.value for record in records if record.value] == ["a1", "b1", "a2", "b2"]
    assert [record.value for record in drop_superseded(records)] == ["a2", "b2"]


async def test_attempt_that_writes_nothing_marks_the_words_of_the_one_before(tmp_path):
    """Else a reader would show words that no attempt stands by."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            await run.options(retry=TWICE).step(talk)

        async def talk() -> None:
            if ms.attempt() == 1:
                ms.stream("tokens").write("a")
                raise ms.Transient("cut")

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        records = await all_of(run)
    assert [record.kind for record in records] == [StreamRecordKind.VALUE, StreamRecordKind.RETRIED]


async def test_death_of_a_worker_marks_the_lost_attempt(tmp_path):
    """Its records stay numbered, and the next attempt has another number."""
    world, written = World(tmp_path), asyncio.Event()
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            return await run.step(talk)

        async def talk() -> str:
            out = ms.stream("tokens")
            out.write(f"of attempt {ms.attempt()}")
            await out.flush()
            if ms.attempt() == 1:
                written.set()
                await asyncio.Event().wait()
            return "done"

    async with world.engine(registry) as engine:
        run = await engine.start(work)
        await asyncio.wait_for(written.wait(), 60)
        session = engine.working.store.session
        await engine.die()
    async with world.engine(registry) as engine:
        assert session is not None
        await world.declare_dead(engine, session)
        again = engine.app.handle(run.id)
        records = await all_of(again)
        assert await again.result(60) == "done"
    assert [(record.kind.value, record.value) for record in records] == [
        ("value", "of attempt 1"),
        ("retried", None),
        ("value", "of attempt 2"),
    ]


async def test_body_writes_each_record_once_over_replays(tmp_path):
    """Each wait unloads it, and each continuation calls it again from its first line."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            out = run.stream("steps")
            out.write("begin")
            for number in range(4):
                await asyncio.sleep(0.01)
                out.write({"done": number})

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(work)
        await run.result(60)
        records = await all_of(run, "steps")
    assert [record.value for record in records] == ["begin", *({"done": number} for number in range(4))]
    assert [record.n for record in records] == [1, 2, 3, 4, 5]
    assert {record.writer for record in records} == {""}


async def test_body_sends_what_was_not_committed_before_a_crash(tmp_path):
    """It lost its last record with its worker, and replay makes it again."""
    world = World(tmp_path)
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            run.stream("steps").write("first")
            value: str = await run.receive("go", str)
            run.stream("steps").write(value)
            await run.receive("end")
            return value

    async with world.engine(registry, REPLAYING) as engine:
        run = await engine.start(work)
        await engine.until(run, RunState.WAITING)
        store = engine.working.store
        submit, dropped = store.submit, []

        def drop(command: Any, on_done: Any) -> None:
            if type(command).__name__ == "WriteStream":
                dropped.append(command)
            else:
                submit(command, on_done)

        store.submit = engine.working.worker.store.submit = drop
        await run.signal("go", "second")
        await engine.when(lambda: dropped, bool)
        await engine.until(run, RunState.WAITING)
        await engine.die()
    async with world.engine(registry, REPLAYING) as engine:
        again = engine.app.handle(run.id)
        await again.signal("end")
        assert await again.result(60) == "second"
        assert [record.value for record in await all_of(again, "steps")] == ["first", "second"]


async def test_steps_on_other_workers_write_to_the_run_that_called_them(tmp_path):
    """Each item is a run of its own; the reader has one handle."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> int:
            rows = await run.map(engine_steps.stream_words, [["a"], ["b"], ["c"]], spread=True)
            return sum([row async for row in rows] if hasattr(rows, "__aiter__") else rows)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        records = await all_of(run)
        assert await run.result(60) == 3
    assert sorted(record.value for record in records) == ["a", "b", "c"]
    assert len({record.writer for record in records}) == 3


async def test_reader_follows_a_restarted_run(tmp_path):
    """The numbers continue."""
    with Registry() as registry:

        @ms.workflow
        async def rounds(run: ms.Run, number: int = 1) -> str:
            run.stream("rounds").write(number)
            if number < 4:
                run.restart(number + 1)
            return "end"

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(rounds)
        records = await all_of(run, "rounds")
        assert await run.result(60) == "end"
    assert [(record.seq, record.value) for record in records] == [(1, 1), (2, 2), (3, 3), (4, 4)]


async def test_reader_that_is_behind_gets_the_first_stored_number(tmp_path):
    """And reads on from there."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            for number in range(1, 21):
                run.stream("steps").write(number)

    settings = WorkerOptions(stream_limits=StreamLimits(records=5))
    async with World(tmp_path).engine(registry, settings) as engine:
        run = await engine.start(work)
        await run.result(60)
        with pytest.raises(ms.Truncated) as error:
            await all_of(run, "steps")
        assert error.value.at == 16
        assert [record.value for record in await all_of(run, "steps", since=15)] == [16, 17, 18, 19, 20]


async def test_writer_that_does_not_wait_gets_an_error(tmp_path):
    """One that waits does not, and a thread is slowed down."""
    big = "x" * 200_000
    count = MOST_BYTES // len(big) + 2
    with Registry() as registry:

        @ms.task
        async def hurry() -> str:
            out = ms.stream("tokens")
            try:
                for _ in range(count):
                    out.write(big)
            except BusyError as error:
                return str(error)
            return "never"

        @ms.task
        async def wait() -> int:
            for _ in range(count):
                await ms.stream("tokens").write(big)
            return count

        @ms.task
        def block() -> int:
            for _ in range(count):
                ms.stream("tokens").write(big)
            return count

    async with World(tmp_path).engine(registry) as engine:
        assert "await stream.write" in await (await engine.start(hurry)).result(60)
        assert await (await engine.start(wait)).result(60) == count
        assert await (await engine.start(block)).result(60) == count


async def test_body_has_a_limit_between_two_outcomes(tmp_path):
    """The same in each replay, so that a run fails or not whatever its worker does."""
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> str:
            out = run.stream("steps")
            try:
                for number in range(2_000):
                    out.write(number)
            except ArgumentError as error:
                await asyncio.sleep(0.001)
                out.write("again")
                return str(error)
            return "never"

    async with World(tmp_path).engine(registry, REPLAYING) as engine:
        run = await engine.start(work)
        assert "ms.stream(...)" in await run.result(60)
        assert len(await all_of(run, "steps")) == 1_001


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb", None])
async def test_name_of_a_stream_is_checked(tmp_path, name):
    """At the call."""
    with Registry() as registry:

        @ms.task
        async def work() -> None:
            ms.stream(name)

    async with World(tmp_path).engine(registry) as engine:
        with pytest.raises(ms.RunFailed, match="cannot be the name of a stream"):
            await (await engine.start(work)).result(60)


async def test_stream_outside_a_step_names_the_call_for_a_body(tmp_path):
    """In a body, too, which has a call of its own."""
    with pytest.raises(ms.MainspringError, match=r"ms\.stream\(\) was called outside a step"):
        ms.stream("tokens")
    with Registry() as registry:

        @ms.workflow
        async def work(run: ms.Run) -> None:
            ms.stream("tokens")

    async with World(tmp_path).engine(registry) as engine:
        with pytest.raises(ms.RunFailed, match=r"run\.stream"):
            await (await engine.start(work)).result(60)


async def test_program_follows_without_a_loop(tmp_path):
    """For Flask, Django and scripts; in the thread of a loop it is an error."""
    with Registry() as registry:

        @ms.task
        def work() -> None:
            for number in range(3):
                ms.stream("tokens").write(number)

    async with World(tmp_path).engine(registry) as engine:
        run = await engine.start(work)
        await run.result(60)

        def follow() -> list[int]:
            handle = ms.App(tmp_path / "state.db", registry=registry).handle(run.id)
            return [record.value for record in handle.stream_sync("tokens")]

        assert await asyncio.to_thread(follow) == [0, 1, 2]
        with pytest.raises(ms.MainspringError, match=r"handle\.stream_sync blocks"):
            list(run.stream_sync("tokens"))
