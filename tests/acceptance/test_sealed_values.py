"""With an encrypting codec no byte of the store, its log, its spool or its backup shows a value."""

import asyncio
import base64
import sys
from pathlib import Path

import apsw
import msgspec
import pytest

import mainspring as ms
from mainspring.domain.clock import SystemClock
from mainspring.domain.errors import ConflictError
from mainspring.domain.states import FailureReason, RunState
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.service.runs import run_recovery
from mainspring.store.sqlite.backup import back_up
from tests.acceptance.engine_world import AT_ONCE, REPLAYING, Engine, World
from tests.acceptance.sealed_work import SECRET, sealed_work
from tests.acceptance.sealing_codec import FailingCodec, Keystream, codec

pytestmark = pytest.mark.asyncio


def traces(folder: Path) -> list[str]:
    """Return the files below `folder` that hold the word, plain or in base64."""
    word = SECRET.encode()
    forms = [word, *(base64.b64encode(b"." * shift + word)[4:-4] for shift in range(3))]
    return [
        str(file) for file in sorted(folder.rglob("*")) if file.is_file() and any(f in file.read_bytes() for f in forms)
    ]


def talker(folder: Path) -> list[str]:
    """Return a command that prints the word, which stands in a file elsewhere, and fails."""
    file = folder / "elsewhere.txt"
    file.write_text(SECRET)
    return [sys.executable, "-c", f"import sys; sys.exit(open({str(file)!r}).read())"]


async def ask_for_everything(engine: Engine, run: ms.Handle) -> None:
    """Give the run all that it waits for."""
    app = engine.app
    await engine.when(lambda: engine.history(run).waits, lambda waits: any(w.name == "paid" for w in waits))
    await app.publish("paid", {"who": SECRET, "how": f"in {SECRET}"})
    await app.signal(run.id, "note", {"text": SECRET})
    await engine.when(lambda: engine.history(run).waits, lambda waits: any(w.kind == "ask" for w in waits))
    await app.answer(run.id, SECRET, note=f"told by {SECRET}")


async def drift_and_fix(world: World, run: str) -> None:
    """Let later code find another input, look at the difference, accept it."""
    registry, _ = sealed_work(["true"], drifted=True)
    async with world.engine(registry, AT_ONCE, codec=codec) as engine:
        await engine.app.signal(run, "go")
        view = await engine.until(run, RunState.NEEDS_ATTENTION)
        assert view.reason == FailureReason.DRIFT
        with pytest.raises(ms.RunFailed) as failed:
            await ms.Handle(engine.app, run, None).result()
        failure = failed.value.failure
        assert failure is not None
        assert SECRET in failure.data[0]["was"]
        await engine.act(run_recovery.accept_drift, run)
        await engine.until(run, RunState.SUCCEEDED)


@pytest.mark.parametrize("settings", [AT_ONCE, REPLAYING], ids=["suspended", "replaying"])
async def test_no_stored_byte_reveals_a_value(tmp_path, settings):
    """Input, results, failures, events, signals, questions, answers, checkpoints, tags, titles, states, drift, undo, children, scripts."""
    folder = tmp_path / "store"
    folder.mkdir()
    world = World(folder)
    registry, work = sealed_work(talker(tmp_path))
    databases = {"default": folder / "own.db"}
    apsw.Connection(str(databases["default"])).execute("create table own (word text)")
    async with world.engine(registry, settings, codec=codec, databases=databases) as engine:
        started = engine.app.options(title=f"title {SECRET}", tags={"more": SECRET})
        everything = await started.start(work["everything"], SECRET)
        await engine.app.publish("kept", {"deep": {"who": SECRET}}, key="k1")
        failing = await engine.start(work["failing"], SECRET)
        undoing = await engine.start(work["undoing"], SECRET)
        doubtful = await engine.start(work["doubtful"], SECRET)
        drifting = await engine.start(work["drifting"], SECRET)
        again = await engine.start(work["again"], SECRET)
        printer = await engine.start(work["printer"])
        await ask_for_everything(engine, everything)
        await engine.app.signal(undoing.id, "go")
        found = await everything.result(60)
        assert found["kept"] == found["flaky"] == found["answer"] == SECRET
        assert found["event"] == f"in {SECRET}"
        assert found["child"] == f"{SECRET} from the child"
        assert found["failed"] == f"message: {SECRET}"
        assert found["entered"] == f"entered {SECRET}"
        assert found["spread"] == [SECRET * 2]
        assert await again.result(60) == SECRET
        for run in (failing, undoing, printer):
            with pytest.raises(ms.RunFailed) as failed:
                await run.result(60)
            assert SECRET in str(failed.value.failure), run
        view = await engine.until(doubtful, RunState.NEEDS_ATTENTION)
        assert (view.reason, SECRET in str(view.failure)) == (FailureReason.IN_DOUBT, False)
        await engine.give(doubtful, msgspec.json.encode(f"found {SECRET}"))
        assert await doubtful.result(60) == f"found {SECRET}"
        opened = await everything.view()
        assert SECRET in str((opened.title, opened.tags, opened.published, opened.input))
        await engine.until(drifting, RunState.WAITING)
        done = back_up(world.path, folder / "backups", now=SystemClock().now(), keep=1)
        assert done.size
        assert traces(folder) == []
    await drift_and_fix(world, drifting.id)
    assert traces(folder) == []


async def test_the_search_finds_what_is_plain(tmp_path):
    """Without a codec the same search does find the word."""
    folder = tmp_path / "store"
    folder.mkdir()
    registry, work = sealed_work(talker(tmp_path))
    async with World(folder).engine(registry) as engine:
        await engine.until(await engine.start(work["failing"], SECRET), RunState.FAILED)
    assert traces(folder)


async def test_run_of_another_codec_needs_a_person_and_is_not_harmed(tmp_path):
    """A worker without the codec cannot read the run, so it stops it; one that has the codec continues with it."""
    registry, work = sealed_work(["true"])
    world = World(tmp_path)
    async with world.engine(registry, AT_ONCE, codec=codec) as engine:
        run = await engine.start(work["drifting"], SECRET)
        await engine.until(run, RunState.WAITING)
        engine.working.worker.drain()  # it is not the one that hears of it
        await engine.app.signal(run.id, "later")
    async with world.engine(registry, codec=Keystream(id="other")) as engine:
        with pytest.raises(ConflictError, match="sealed by codec 'keystream'"):
            await engine.app.signal(run.id, "go")
        view = await engine.until(run, RunState.NEEDS_ATTENTION)
        with pytest.raises(ms.RunFailed, match="sealed by codec 'keystream'"):
            await ms.Handle(engine.app, run.id, None).result()
        assert view.failure is not None
        assert view.failure.code == "sealed"
    async with world.engine(registry, codec=Keystream(b"lost", id="keystream")) as engine:
        await engine.app.retry(run.id)
        assert (await engine.until(run, RunState.NEEDS_ATTENTION)).reason == FailureReason.BODY_ERROR
    async with world.engine(registry, codec=codec) as engine:
        await engine.app.retry(run.id)
        await engine.app.signal(run.id, "go")
        await engine.until(run, RunState.SUCCEEDED)


async def test_store_that_was_plain_continues_with_a_codec(tmp_path):
    """What was saved before is read as it is; what comes after is sealed, also in a run that began plain."""
    registry, work = sealed_work(["true"])
    world = World(tmp_path)
    async with world.engine(registry, REPLAYING) as engine:
        run = await engine.start(work["drifting"], "plain")
        await engine.until(run, RunState.WAITING)
    async with world.engine(registry, codec=codec) as engine:
        await engine.app.signal(run.id, "go")
        assert await ms.Handle(engine.app, run.id, None).result(60) == "then plainthen plain"
    assert traces(tmp_path) == []


@pytest.mark.parametrize("isolate", ["loop", "thread"])
async def test_checkpoint_that_cannot_be_sealed_is_an_error_of_the_step(tmp_path, isolate):
    """Anyone who asked for it hears of it, in the loop and in a thread alike; nothing waits for ever."""
    failing = FailingCodec()
    received: list[str] = []

    def note(error: BaseException) -> None:
        failing.fails = False
        received.append(str(error))

    with Registry() as registry:

        @ms.task(name="in-loop", retry=ms.Retry(attempts=1))
        async def in_loop() -> None:
            failing.fails = True
            try:
                await ms.checkpoint(1)
            except Exception as error:
                note(error)

        @ms.task(name="in-thread", retry=ms.Retry(attempts=1))
        def in_thread() -> None:
            failing.fails = True
            try:
                ms.checkpoint(1)
            except Exception as error:
                note(error)

    async with World(tmp_path).engine(registry, codec=failing) as engine:
        run = await engine.start(in_loop if isolate == "loop" else in_thread)
        await engine.until(run, RunState.SUCCEEDED)
    assert len(received) == 1
    assert "seal" in received[0]


async def test_notes_that_cannot_be_sealed_cost_their_own_run_only(tmp_path):
    """The worker's rounds continue: another run is marked, and beats are sent."""
    failing, go_on = FailingCodec(), asyncio.Event()
    with Registry() as registry:

        @ms.workflow
        async def publish_note(run: ms.Run) -> None:
            run.publish_state("here")
            failing.fails = True
            await run.receive("never")

        @ms.task
        async def long() -> str:
            await go_on.wait()
            return "done"

    async with World(tmp_path).engine(registry, WorkerOptions(suspend_after_ms=10**9), codec=failing) as engine:
        run = await engine.start(publish_note)
        await engine.when(lambda: failing.fails, bool)
        await engine.when(lambda: engine.working.worker.drivers.get(run.id), lambda driver: driver is None)
        failing.fails = False
        other = await engine.start(long)
        await engine.when(lambda: engine.history(other).attempts, lambda found: found)  # marked after a second
        go_on.set()
        await engine.until(other, RunState.SUCCEEDED)
        stopped, untouched = engine.view(run), engine.view(other)
    assert (stopped.state, stopped.reason) == (RunState.NEEDS_ATTENTION, "body_error")
    assert (untouched.claim, untouched.crashes) == (1, 0)
