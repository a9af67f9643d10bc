"""Files of any size pass through runs: steps, children and results have references, and the bytes stay as long as they are needed."""

import asyncio
import hashlib
import io
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

import mainspring as ms
from mainspring.app.workers.blob_sweep import BlobSweep
from mainspring.domain.errors import CodecUnavailableError, ConflictError, FileRefError
from mainspring.domain.states import RunState
from mainspring.engine.attempts import file_ref
from mainspring.engine.attempts.step_context import NotInStepError
from mainspring.engine.definitions.registry import Registry
from mainspring.store.commands.automations import ApplyRetention
from tests.acceptance.engine_world import REPLAYING, World
from tests.acceptance.sealing_codec import Keystream
from tests.acceptance.test_engine_blobs_in_s3 import world as world_in_s3
from tests.acceptance.test_engine_large_values import contents_of, known_blobs, record_reads
from tests.unit.app.test_blobs_in_s3 import server

__all__ = ["server", "world_in_s3"]
pytestmark = pytest.mark.asyncio
SIZE = 2_500
CONTENT = bytes(range(250)) * 10
"""Three chunks: the first two are equal."""
LARGE_SIZE = 9 * 1024 * 1024
CODECS = pytest.mark.parametrize("codec", [None, Keystream()], ids=["plain", "sealed"])


@pytest.fixture(params=["sqlite", "postgres"])
def world(request, tmp_path):
    return World(tmp_path if request.param == "sqlite" else request.getfixturevalue("lent_store"))


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """In this process; a child process has chunks as large as in production."""
    monkeypatch.setattr(file_ref, "CHUNK_SIZE", 1_000)


@dataclass
class Report:
    title: str
    files: list[ms.FileRef]


def write(text: str) -> ms.FileRef:
    return ms.FileRef.put(io.BytesIO(CONTENT), name=f"{text}.csv")


async def bundle(first: ms.FileRef) -> Report:
    second = await ms.FileRef.put_async(io.BytesIO(CONTENT[::-1]), name="second", content_type="text/plain")
    return Report("both", [first, second])


def grow(report: Report, folder: str) -> ms.FileRef:
    """In a child process: write a larger file of the two, then store it."""
    path = Path(folder, "grown.bin")
    parts = [file.open().read() for file in report.files]
    with path.open("wb") as target:
        while target.tell() < LARGE_SIZE:
            target.write(b"".join(parts))
    ms.checkpoint(report)
    return ms.FileRef.put(path)


def digest(file: ms.FileRef) -> str:
    with file.open() as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


async def save(file: ms.FileRef, folder: str) -> str:
    return str(await file.save_to_async(Path(folder, file.name)))


@CODECS
async def test_file_passes_through_every_place(world, codec, tmp_path):
    """Steps in thread, loop and process, a data class, a checkpoint, a child, a signal and the result; each continuation replays."""
    registry = Registry()
    with registry:

        @ms.workflow
        async def check(run: ms.Run, file: ms.FileRef) -> ms.FileRef:
            assert await run.step(digest, file) == file.sha256
            return file

        @ms.workflow
        async def parent(run: ms.Run, given: ms.FileRef, folder: str) -> Report:
            first = await run.step(write, "first")
            report = await run.step(bundle, first)
            grown = await run.options(isolate="process").step(grow, report, folder)
            checked = await run.child(check, grown)
            sent = await run.receive("more", ms.FileRef, within="1h")
            saved = await run.step(save, checked, folder)
            return Report(saved, [given, first, checked, sent])

    async with world.engine(registry, REPLAYING, codec=codec) as engine:
        given = await engine.app.put_file(io.BytesIO(b"given"), name="a/given.txt")
        run = await engine.start(parent, given, str(tmp_path))
        await engine.until(run, RunState.WAITING)
        await run.signal("more", await engine.app.put_file(Path(__file__)))
        report = await run.result(60)
        assert [file.name for file in report.files] == ["given.txt", "first.csv", "grown.bin", Path(__file__).name]
        assert Path(report.title).read_bytes() == (tmp_path / "grown.bin").read_bytes()
        assert report.files[2].size >= LARGE_SIZE
        contents = [await asyncio.to_thread(lambda file=file: file.open().read()) for file in report.files]
        assert contents[0] == b"given"
        assert contents[1] == CONTENT
        assert [hashlib.sha256(data).hexdigest() for data in contents] == [file.sha256 for file in report.files]
        viewed = (await run.view()).result.files[1]
        assert await asyncio.to_thread(lambda: viewed.open().read()) == CONTENT
        stored = [contents_of(engine).get(blob) for blob in known_blobs(engine)]
        assert any(CONTENT[:100] in data for data in stored) is (codec is None)


async def test_replay_compares_references_and_reads_no_chunk(world):
    """A continuation of a run, and one that finds another file in its input, read nothing of the files."""
    registry = Registry()
    names = ["one"]

    async def measure(file: ms.FileRef, name: str) -> int:
        return file.size

    with registry:

        @ms.workflow
        async def measures(run: ms.Run) -> int:
            file = await run.step(write, "first")
            size = await run.step(measure, file, names[0])
            return size + await run.receive("more", int, within="1h")

    async with world.engine(registry, REPLAYING) as engine:
        first, second = [await engine.start(measures) for _ in range(2)]
        for run in (first, second):
            await engine.until(run, RunState.WAITING)
        reads = record_reads(contents_of(engine))
        await first.signal("more", 1)
        assert await first.result(60) == SIZE + 1
        names[0] = "two"
        await second.signal("more", 1)
        view = await engine.until(second, RunState.NEEDS_ATTENTION)
        assert (view.reason, reads) == ("drift", [])


async def test_coroutine_does_not_block_the_loop(world):
    """It gets the way out."""
    registry = Registry()
    caught = []

    async def read_here(file: ms.FileRef) -> None:
        for call in (file.open, lambda: file.save_to("x"), lambda: ms.FileRef.put(__file__)):
            with pytest.raises(ConflictError) as error:
                call()
            caught.append(error.value)

    with registry:

        @ms.workflow
        async def reads(run: ms.Run) -> str:
            file = await run.step(write, "first")
            await run.step(read_here, file)
            return file.name

    async with world.engine(registry) as engine:
        assert await (await engine.start(reads)).result(60) == "first.csv"
    assert [error.hint for error in caught[:3]] == [
        "Write instead: await asyncio.to_thread(read, ref)   # `read` = your function that opens it",
        "Write instead: await ref.save_to_async(path)",
        "Write instead: await ms.FileRef.put_async(...)",
    ]


async def test_body_may_not_open_a_file(world):
    """What it reads would be in no journal."""
    registry = Registry()
    with registry:

        @ms.workflow
        async def opens(run: ms.Run) -> int:
            file = await run.step(write, "first")
            return len(file.open().read())

    async with world.engine(registry) as engine:
        run = await engine.start(opens)
        with pytest.raises(ms.RunFailed, match=r"FileRef\.open\(\) was called outside a step"):
            await run.result(60)
        with pytest.raises(NotInStepError, match=r"FileRef\.put\(\) was called outside a step"):
            await asyncio.to_thread(ms.FileRef.put, __file__)


async def test_damaged_or_absent_chunk_fails_its_step_for_good(world):
    """The error names the file and the fix; with the chunk back the run continues."""
    registry = Registry()
    with registry:

        @ms.workflow
        async def reads(run: ms.Run) -> str:
            file = await run.step(write, "first")
            await run.receive("more", within="1h")
            return await run.options(retry=ms.Retry(attempts=3)).step(digest, file)

    async with world.engine(registry, REPLAYING) as engine:
        contents = contents_of(engine)
        for damage in (lambda _data: None, lambda data: data[:-1] + b"!"):
            run = await engine.start(reads)
            await engine.until(run, RunState.WAITING)
            get, damaged = contents.get, known_blobs(engine)[0]
            contents.get = lambda blob, get=get, damaged=damaged, damage=damage: (
                damage(get(blob)) if blob == damaged else get(blob)
            )
            await run.signal("more")
            view = await engine.until(run, RunState.NEEDS_ATTENTION, RunState.FAILED)
            (failed,) = [step for step in await run.steps() if step.name == "digest"]
            assert (view.state, failed.attempts) == (RunState.FAILED, 1)
            (outcome,) = [outcome for outcome in engine.history(run).outcomes if outcome.name == "digest"]
            assert outcome.failure.code == "file_ref"
            assert "of file 'first.csv': blob" in outcome.failure.message
            assert "mainspring runs retry RUN" in outcome.failure.hint
            contents.get = get
            await engine.app.retry(run.id)
            assert await run.result(60) == hashlib.sha256(CONTENT).hexdigest()


async def test_place_that_is_away_is_a_passing_failure(world):
    """The step is tried again as its retry policy says."""
    registry = Registry()
    with registry:

        @ms.workflow
        async def puts(run: ms.Run) -> ms.FileRef:
            return await run.options(retry=ms.Retry(attempts=3, initial="1ms")).step(write, "first")

    async with world.engine(registry) as engine:
        contents = contents_of(engine)
        put, refused = contents.put, []

        def refuse_twice(blob, data):
            if len(refused) < 2:
                refused.append(blob)
                raise CodecUnavailableError("a large value cannot be stored: no space left on device")
            put(blob, data)

        contents.put = refuse_twice
        assert (await (await engine.start(puts)).result(60)).size == SIZE
        assert len(refused) == 2


async def test_reference_from_outside_names_no_file(world):
    """JSON of a request that copies all fields of another run's file: it holds nothing, and its bytes are not given."""
    registry = Registry()
    with registry:

        @ms.workflow
        async def owner(run: ms.Run) -> ms.FileRef:
            return await run.step(write, "first")

        @ms.task
        async def thief(file: ms.FileRef) -> str:
            return await asyncio.to_thread(digest, file)

    async with world.engine(registry) as engine:
        file = await (await engine.start(owner)).result(60)
        stolen = {"type": "mainspring.FileRef", "name": file.name, "size": file.size, "sha256": file.sha256}
        stolen |= {"chunks": list(file.chunks), "chunk_size": file.chunk_size}
        for seal in ("", "0" * 64, file.sha256):
            run = await engine.app.start("thief", file=stolen | {"seal": seal})
            with pytest.raises(ms.RunFailed, match="was not put by a program of this store"):
                await run.result(60)
        again = await engine.app.start("thief", file=file)
        assert await again.result(60) == file.sha256


async def test_chunks_go_with_the_last_run_that_has_the_file(world):
    """A fork keeps what it inherits. After retention and the grace, a sweep deletes all, and chunks of a put without a commit."""
    registry = Registry()
    with registry:

        @ms.workflow
        async def checks(run: ms.Run, waits: bool) -> str:
            file = await run.step(write, "first")
            if waits:
                await run.receive("more", within="90d")
            return await run.step(digest, file)

    async with world.engine(registry) as engine:
        store, contents = engine.working.store, contents_of(engine)
        run = await engine.start(checks, False)
        expected = await run.result(60)
        forked = await engine.app.fork(run.id, "digest", arguments={"waits": True})
        await engine.until(forked, RunState.WAITING)
        await engine.app.put_file(io.BytesIO(b"orphan"))
        (day,) = contents.days()
        assert len(contents.sizes(day)) == 3
        for left in (2, 0):
            end = engine.app.clock.now() + 1
            assert (await asyncio.to_thread(store.apply, ApplyRetention(end, end, end, None, None))).number == 1
            await sweep(engine, end)
            assert len(contents.sizes(day) if contents.days() else {}) == left
            if left:
                await forked.signal("more")
                assert await forked.result(60) == expected
        assert known_blobs(engine) == []


async def sweep(engine, now):
    days = timedelta(days=3) // timedelta(milliseconds=1)
    place = BlobSweep(contents_of(engine), engine.app.clock, grace=timedelta(0))
    for _ in range(3):  # each closes one day more
        await asyncio.to_thread(place.sweep, engine.working.store, now + days)


async def test_files_are_in_the_bucket_of_the_store(world_in_s3, server, tmp_path):
    """Steps put and read chunks in threads; a child process needs no key of the bucket."""
    registry = Registry()
    with registry:

        @ms.workflow
        async def large(run: ms.Run, folder: str) -> ms.FileRef:
            report = await run.step(bundle, await run.step(write, "first"))
            grown = await run.options(isolate="process").step(grow, report, folder)
            assert await run.step(digest, grown) == grown.sha256
            return grown

    async with world_in_s3.engine(registry, REPLAYING) as engine:
        file = await (await engine.start(large, str(tmp_path))).result(60)
        assert await asyncio.to_thread(file.save_to, tmp_path / "copy") == tmp_path / "copy"
        assert (tmp_path / "copy").read_bytes() == (tmp_path / "grown.bin").read_bytes()
        assert len([key for key in server.list_keys() if "owner" not in key]) == 1 + 3 + len(file.chunks)


async def test_stored_file_can_be_read_in_any_order(world, tmp_path):
    """As a file on a disk: seeks, parts, lines, the end; and a broken target is not left behind."""
    async with world.engine(Registry()) as engine:
        file = await engine.app.put_file(io.BytesIO(CONTENT))
        assert file.name == "file"

        def read_parts():
            with file.open() as stream:
                assert stream.seek(990) == 990
                assert stream.read(20) == CONTENT[990:1010]
                assert stream.seek(-5, io.SEEK_END) == SIZE - 5
                assert stream.read() == CONTENT[-5:]
                assert stream.read() == b""
                assert stream.seek(SIZE + 10) == SIZE + 10
                assert stream.read(1) == b""
                stream.seek(0)
                assert b"".join(stream) == CONTENT

        await asyncio.to_thread(read_parts)
        (tmp_path / "out").mkdir(exist_ok=True)
        target = tmp_path / "out" / "target"
        target.write_bytes(b"before")
        for day in contents_of(engine).days():
            contents_of(engine).clear(day, ())
        with pytest.raises(FileRefError, match="part 1 of 3"):
            await file.save_to_async(target)
        with pytest.raises(FileNotFoundError):
            await file.save_to_async(tmp_path / "absent" / "target")
        assert [path.name for path in target.parent.iterdir()] == ["target"]
        assert target.read_bytes() == b"before"
