"""The files of a run, from its handle: listed wherever a stored value names one, and saved whole or not at all."""

import asyncio
import hashlib
import io
from pathlib import Path

import pytest

import mainspring as ms
from mainspring.app.stores.blob_place import make_blob_contents
from mainspring.domain.errors import ArgumentError, FileRefError, NotFoundError, SealedError
from mainspring.domain.values.blob import Blob, split_held_blobs
from mainspring.engine.attempts import file_ref
from mainspring.engine.definitions.registry import Registry
from mainspring.store.read.runs.file_values import list_file_values
from tests.acceptance.sealing_codec import Keystream

pytestmark = pytest.mark.asyncio
LARGE = bytes(range(250)) * 10
EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.fixture(params=["file", "server"])
def url(request, tmp_path):
    """The address of an empty store."""
    return str(tmp_path / "state.db") if request.param == "file" else request.getfixturevalue("postgres").new_store()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """The large file has three chunks."""
    monkeypatch.setattr(file_ref, "CHUNK_SIZE", 1_000)


def write(name: str) -> ms.FileRef:
    return ms.FileRef.put(io.BytesIO(b"" if name == "empty.csv" else LARGE), name=name)


def make_app(url, codec=None):
    with Registry() as registry:

        @ms.workflow
        async def export(run: ms.Run, source: ms.FileRef, forged: dict[str, str]) -> list[ms.FileRef]:
            run.publish_state({"latest": await run.step(write, "state.csv")})
            files = [await run.step(write, "report.csv"), await run.step(write, "empty.csv")]
            await run.step(len, "no file")
            if forged.get("again"):
                run.restart(source=source, forged={})
            return [*files, source]

    return ms.App(url, registry=registry, codec=codec)


async def run_export(app, **forged):
    async with app.running():
        source = await app.put_file(io.BytesIO(b"in"), name="source.txt")
        handle = await app.start("export", source=source, forged=forged)
        await handle.result(60)
    return app.handle(handle.id)


async def test_files_of_a_run_are_listed_where_it_first_names_them(url):
    """Also an empty one; what only looks like a file is none."""
    app = make_app(url)
    handle = await run_export(app, type="mainspring.FileRef", name="forged", sha256="0" * 64)
    files = await handle.files()
    assert [(file.number, file.name, file.size, file.place) for file in files] == [
        (1, "source.txt", 2, "input"),
        (2, "state.csv", 2_500, "write#1"),
        (3, "report.csv", 2_500, "write#2"),
        (4, "empty.csv", 0, "write#3"),
    ]
    assert (files[0].content_type, files[3].sha256) == ("text/plain", EMPTY)
    store = await app.opened_store()
    places = [value.place for value in await asyncio.to_thread(list_file_values, store.reader, handle.id)]
    assert places == ["input", "write#1", "write#2", "write#3", "state", "result"]
    app.close()


@pytest.mark.parametrize("name", [3, "report.csv", hashlib.sha256(LARGE).hexdigest()[:10]])
async def test_file_is_saved(url, tmp_path, name):
    """By its number, its name or its digest; the earlier file gives way, and no part file stays."""
    app = make_app(url)
    handle = await run_export(app)
    target = tmp_path / "copies" / ("r" * 240 + ".csv")
    target.parent.mkdir()
    target.write_bytes(b"earlier")
    assert await handle.save_file(name, target) == target
    assert (target.read_bytes(), list(target.parent.iterdir())) == (LARGE, [target])
    assert (await handle.save_file("empty.csv", target)).read_bytes() == b""
    app.close()


async def test_files_of_a_restarted_run_are_those_of_the_newest(url):
    """As its result is."""
    app = make_app(url)
    handle = await run_export(app, again="yes")
    newest = (await handle.view()).id
    assert newest != handle.id
    assert await handle.files() == await app.handle(newest).files()
    app.close()


@pytest.mark.parametrize("name", [0, -1, 5, "absent", "", "0" * 64, "write#1"])
async def test_file_that_the_run_does_not_have_is_an_error(url, tmp_path, name):
    """It names those that the run has, and writes nothing."""
    app = make_app(url)
    handle = await run_export(app)
    with pytest.raises(NotFoundError, match=r"report\.csv"):
        await handle.save_file(name, tmp_path / "target")
    assert not (tmp_path / "target").exists()
    with pytest.raises(NotFoundError):
        await app.handle("r_absent").files()
    app.close()


async def test_damaged_file_is_not_saved(url, tmp_path):
    """Nor a part of it: the target stays as it was."""
    app = make_app(url)
    handle = await run_export(app)
    store = await app.opened_store()
    (value,) = [value for place, value in list_file_values(store.reader, handle.id) if place == "write#2"]
    contents = make_blob_contents(store_place(url))
    keys = {Blob.of_key(key).address for key in value_keys(value)}
    for day in contents.days():
        contents.clear(day, [address for address in contents.sizes(day) if address not in sorted(keys)[:1]])
    contents.close()
    folder = tmp_path / "copies"
    folder.mkdir()
    (folder / "target").write_bytes(b"earlier")
    with pytest.raises(FileRefError, match="is absent"):
        await handle.save_file("report.csv", folder / "target")
    assert [path.read_bytes() for path in folder.iterdir()] == [b"earlier"]
    app.close()


async def test_folder_is_no_target(url, tmp_path):
    """The error says so before anything is read."""
    app = make_app(url)
    handle = await run_export(app)
    with pytest.raises(ArgumentError, match="is a folder"):
        await handle.save_file("report.csv", tmp_path)
    app.close()


async def test_absent_codec_is_an_error(url, tmp_path):
    """It names the fix; with the codec the file is there."""
    app = make_app(url, Keystream())
    handle = await run_export(app)
    assert (await handle.save_file(3, tmp_path / "target")).read_bytes() == LARGE
    app.close()
    without = make_app(url)
    with pytest.raises(SealedError, match="Name it where this program can import it"):
        await without.handle(handle.id).files()
    without.close()


def store_place(url):
    return url if url.startswith("postgresql:") else Path(url)


def value_keys(value):
    return split_held_blobs(value)[0]
