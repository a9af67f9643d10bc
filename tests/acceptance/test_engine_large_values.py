"""Large values are stored by reference: runs get them whole, and the database holds a line in their place."""

import asyncio
from datetime import timedelta

import pytest

import mainspring as ms
from mainspring.app.workers.blob_sweep import BlobSweep
from mainspring.domain.errors import CodecUnavailableError
from mainspring.domain.states import RunState
from mainspring.domain.values.blob import Blob
from mainspring.engine.definitions.registry import Registry
from mainspring.store.commands.automations import ApplyRetention
from tests.acceptance.engine_world import AT_ONCE, REPLAYING, World
from tests.acceptance.sealing_codec import Keystream

pytestmark = pytest.mark.asyncio
SIZE = 400_000
"""Above the threshold."""


@pytest.fixture(params=["sqlite", "postgres"])
def world(request, tmp_path):
    return World(tmp_path if request.param == "sqlite" else request.getfixturevalue("lent_store"))


async def shout(text: str) -> str:
    return text.upper()


def keep_most(text: str) -> str:
    ms.checkpoint(text)
    return text[: SIZE - 50_000]


def contents_of(engine):
    return engine.app.sealing.large.contents


def known_blobs(engine):
    return [Blob.of_key(key) for (key,) in engine.working.store.reader.read("list_blob_keys", ("0", "9"))]


@pytest.mark.parametrize("codec", [None, Keystream()], ids=["plain", "sealed"])
async def test_every_kind_of_value_may_be_large(world, codec):
    """Input, state, step in the loop and in a process, checkpoint, child, signal, event and result; each continuation replays."""
    registry = Registry()
    with registry:

        @ms.workflow
        async def reverse(run: ms.Run, text: str) -> str:
            return text[::-1]

        @ms.workflow
        async def parent(run: ms.Run, text: str) -> str:
            run.publish_state(text)
            upper = await run.step(shout, text)
            most = await run.options(isolate="process").step(keep_most, upper)
            back = await run.child(reverse, most)
            signal = await run.receive("more", str, within="1h")
            event = await run.event("news", within="1h")
            return back[:10] + signal + event.data["text"][:10]

    async with world.engine(registry, REPLAYING, codec=codec) as engine:
        run = await engine.start(parent, "a" * SIZE)
        await engine.until(run, RunState.WAITING)
        await run.signal("more", "s" * SIZE)
        await engine.when(lambda: [wait.name for wait in engine.history(run).waits], lambda names: "news" in names)
        await engine.app.publish("news", {"text": "e" * SIZE})
        assert await run.result(60) == "A" * 10 + "s" * SIZE + "e" * 10
        assert await run.published() == "a" * SIZE
        history = engine.history(run)
        outputs = [outcome.output for outcome in history.outcomes if outcome.output is not None]
        assert all(
            len(value) < 300 for value in [history.run.input, history.run.result, history.run.published, *outputs]
        )
        assert len(known_blobs(engine)) >= 6
        stored = [contents_of(engine).get(blob) for blob in known_blobs(engine)]
        assert any(b"aaaaaaaa" in data for data in stored) is (codec is None)


async def test_replay_compares_digests_of_inputs_and_reads_none(world):
    """A continuation of a run with large inputs reads its outputs alone. Another input is read, and shown as drift."""
    registry = Registry()
    inputs = ["b" * SIZE]

    async def measure(text: str) -> int:
        return len(text)

    with registry:

        @ms.workflow
        async def measures(run: ms.Run) -> int:
            size = await run.step(measure, inputs[0])
            return size + await run.receive("more", int, within="1h")

    async with world.engine(registry, REPLAYING) as engine:
        reads = record_reads(contents_of(engine))
        first, second = [await engine.start(measures) for _ in range(2)]
        for run in (first, second):
            await engine.until(run, RunState.WAITING)
        await first.signal("more", 1)
        assert await first.result(60) == SIZE + 1
        assert reads == []
        inputs[0] = "c" * SIZE
        await second.signal("more", 1)
        view = await engine.until(second, RunState.NEEDS_ATTENTION)
        assert (view.reason, len(reads)) == ("drift", 1)


async def test_saved_input_that_cannot_be_read_halts_the_run_outside_of_its_code(world):
    """The code of a user that catches errors of a step must not get this one: it would continue without the saved result."""
    registry, undone = Registry(), []
    inputs = ["b" * SIZE]

    async def measure(text: str) -> int:
        return len(text)

    def undo(text: str) -> None:
        undone.append(len(text))

    with registry:

        @ms.workflow
        async def careful(run: ms.Run) -> int:
            try:
                size = await run.options(undo=undo).step(measure, inputs[0])
            except Exception:
                size = -1
            return size + await run.receive("more", int, within="1h")

    async with world.engine(registry, REPLAYING) as engine:
        run = await engine.start(careful)
        await engine.until(run, RunState.WAITING)

        def refuse(blob):
            raise CodecUnavailableError("the server is away")

        inputs[0], get = "c" * SIZE, contents_of(engine).get
        contents_of(engine).get = refuse
        await run.signal("more", 1)
        view = await engine.until(run, RunState.NEEDS_ATTENTION, RunState.FAILED, RunState.SUCCEEDED)
        assert (view.state, view.reason, undone) == (RunState.NEEDS_ATTENTION, "drift", [])
        contents_of(engine).get, inputs[0] = get, "b" * SIZE
        await engine.app.retry(run.id)
        assert await run.result(60) == SIZE + 1


def record_reads(contents):
    """Record the blobs that are read from now on."""
    reads, get = [], contents.get

    def recording_get(blob):
        reads.append(blob)
        return get(blob)

    contents.get = recording_get
    return reads


async def test_run_whose_blob_is_absent_halts_and_continues_once_it_is_back(world):
    """Nothing is done with a part of the history; the failure names the blob and the place."""
    registry = Registry()
    with registry:

        @ms.workflow
        async def waits(run: ms.Run) -> int:
            text = await run.step(shout, "d" * 10 + await run.step(make_large))
            await run.receive("more", within="1h")
            return len(text)

    async with world.engine(registry, REPLAYING) as engine:
        run = await engine.start(waits)
        await engine.until(run, RunState.WAITING)
        contents, blobs = contents_of(engine), known_blobs(engine)
        saved = {blob: contents.get(blob) for blob in blobs}
        for day in contents.days():
            contents.clear(day, ())
        await run.signal("more")
        view = await engine.until(run, RunState.NEEDS_ATTENTION, RunState.FAILED)
        assert view.failure.code == "blob_missing"
        assert any(blob.address in view.failure.message for blob in blobs)
        assert contents.place in view.failure.message
        assert "A large value that it needs cannot be read" in engine.explain(run).why[0]
        for blob, data in saved.items():
            contents.put(blob, data)
        await engine.app.retry(run.id)
        assert await run.result(60) == SIZE + 10


async def make_large() -> str:
    return "m" * SIZE


async def test_place_that_is_away_delays_values_and_loses_none(world, monkeypatch):
    """A full disk: the step is not repeated, small values pass, and all continues when the place answers again."""
    monkeypatch.setattr("mainspring.engine.worker.codec_outage._FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr("mainspring.engine.worker.codec_outage._MAX_PAUSE_S", 0.02)
    registry, calls = Registry(), []

    async def fill() -> str:
        calls.append(1)
        return "f" * SIZE

    with registry:

        @ms.workflow
        async def large(run: ms.Run) -> int:
            return len(await run.step(fill))

        @ms.task
        async def small() -> int:
            return 1

    async with world.engine(registry, AT_ONCE) as engine:
        contents = contents_of(engine)
        put, refused = contents.put, []

        def refuse(blob, data):
            refused.append(blob)
            raise CodecUnavailableError("a large value cannot be stored: no space left on device")

        contents.put = refuse
        run = await engine.start(large)
        await engine.when(lambda: len(refused), lambda count: count > 2)
        assert await (await engine.start(small)).result(60) == 1
        assert engine.view(run).state is RunState.RUNNING
        contents.put = put
        assert await run.result(60) == SIZE
        assert calls == [1]


async def test_blobs_go_with_the_last_run_that_needs_them(world):
    """After retention, a grace of a day and a sweep nothing is left; what a living run needs stays; a put without a commit goes too."""
    registry = Registry()
    with registry:

        @ms.workflow
        async def waits(run: ms.Run, text: str) -> int:
            await run.receive("more", within="90d")
            return len(text)

        @ms.task
        async def count(text: str) -> int:
            return len(text)

    async with world.engine(registry) as engine:
        store, contents = engine.working.store, contents_of(engine)
        living = await engine.start(waits, "l" * SIZE)
        ended = [await engine.start(count, letter * SIZE) for letter in "xyz"]
        for run in ended:
            await run.result(60)
        orphan = engine.app.sealing.seal(b'"' + b"o" * SIZE + b'"')
        assert len(known_blobs(engine)) == 4
        now = engine.app.clock.now()
        sweep = BlobSweep(contents, engine.app.clock, grace=timedelta(days=90))
        assert await asyncio.to_thread(sweep.sweep, store, now) == 0
        await asyncio.to_thread(store.apply, ApplyRetention(now + 1, now + 1, now + 1, None, None))
        days = timedelta(days=3) // timedelta(milliseconds=1)
        for deleted in (0, 1):  # the orphan, once its day is closed: a sweep closes one day more
            assert await asyncio.to_thread(sweep.sweep, store, now + days) == deleted
        assert len(known_blobs(engine)) == 4
        assert await asyncio.to_thread(BlobSweep(contents, engine.app.clock).sweep, store, now + days) == 3
        assert len(known_blobs(engine)) == 1
        with pytest.raises(ms.MainspringError, match="is absent"):
            engine.app.sealing.open(orphan)
        await living.signal("more")
        assert await living.result(60) == SIZE
