"""Files of a run over the API: whole or not at all, and continued where a connection broke."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import httpx2
import msgspec
import pytest

import mainspring as ms
from mainspring.app.remote import remote_files
from mainspring.app.remote.api_errors import DeniedError
from mainspring.app.remote.client import Client
from mainspring.domain.errors import ArgumentError, FileRefError, NotFoundError, SealedError, StoreUnavailableError
from mainspring.domain.values.sealing import Sealing
from mainspring.domain.values.stored_file import StoreFileChunks
from mainspring.engine.attempts import file_ref
from mainspring.store.commands.runs import StartRun
from mainspring.web.api.downloads import download_response, file_downloads
from tests.acceptance.sealing_codec import Keystream
from tests.api_world import ApiWorld
from tests.contract.store.process import finish
from tests.unit.web.api.downloads.file_world import (
    CHUNK,
    CONTENT,
    AsgiClient,
    finish_with,
    lose_chunk,
    make_file_world,
    put,
    served,
    until,
)
from tests.unit.web.dashboard.run_world import claimed

pytestmark = pytest.mark.asyncio
DIGEST = hashlib.sha256(CONTENT).hexdigest()
TAG = f'"{DIGEST}"'


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(file_ref, "CHUNK_SIZE", CHUNK)
    monkeypatch.setattr(download_response, "_PIECE", 300)


@pytest.fixture
def world(tmp_path):
    found = make_file_world(tmp_path / "s.db")
    yield found
    found.api.close()
    found.store.close()


@pytest.fixture
def folder(tmp_path):
    """A folder with an earlier copy."""
    found = tmp_path / "copies"
    found.mkdir()
    (found / "report.csv").write_bytes(b"earlier")
    return found


def content_of(folder):
    """Return the content of the only file in a folder."""
    (path,) = folder.iterdir()
    return path.read_bytes()


def client_of(world, token="olga", **options):
    return Client("http://here/", token=token, transport=httpx2.ASGITransport(world.api), **options)


class Line(httpx2.AsyncBaseTransport):
    """A line whose server sends the list of one file, and scripted answers to the requests for it.

    An answer is a status, its headers, and its parts; a part that is an exception breaks the connection.
    """

    def __init__(self, *answers):
        self.answers = list(answers)
        self.ranges = []
        self.pauses = []

    async def handle_async_request(self, request):
        path = request.url.path.removeprefix("/api/v1/runs/r_1")
        if path == "":
            run = {"id": "r_1", "automation": "a", "state": "succeeded", "failure": None}
            return httpx2.Response(200, json=run)
        if path == "/files":
            file = {
                "number": 1,
                "name": "report.csv",
                "size": 2_500,
                "sha256": DIGEST,
                "content_type": None,
                "place": "x",
            }
            return httpx2.Response(200, json={"items": [file]})
        assert path == f"/files/{DIGEST}"
        assert request.headers["accept-encoding"] == "identity"
        self.ranges.append((request.headers.get("range"), request.headers.get("if-range")))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        status, headers, *parts = answer
        return httpx2.Response(status, headers=headers, stream=Parts(parts))

    async def sleep(self, seconds):
        self.pauses.append(seconds)

    def handle(self):
        return Client("http://here", token="t", transport=self, sleep=self.sleep).run("r_1")


class Parts(httpx2.AsyncByteStream):
    def __init__(self, parts):
        self.parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            if isinstance(part, Exception):
                raise part
            yield part


def whole(*parts, **headers):
    return 200, {"etag": TAG, **headers}, *parts


def rest(start, *parts, size=2_500):
    return 206, {"etag": TAG, "content-range": f"bytes {start}-{size - 1}/{size}"}, *parts


BROKEN = httpx2.ReadError("the connection was reset")


async def test_files_of_a_run_are_listed(world):
    """As in a program with the store."""
    handle = client_of(world).run(finish_with(world, put(world), put(world, b"", "empty")))
    files = await handle.files()
    assert files[0] == ms.RunFile(
        number=1, name="report.csv", size=2_500, sha256=DIGEST, content_type="text/csv", place="result"
    )
    assert [file.name for file in files] == ["report.csv", "empty"]


@pytest.mark.parametrize("name", [1, "report.csv", DIGEST[:9]])
async def test_file_is_saved(world, folder, name):
    """In place of the earlier one; no part file stays."""
    handle = client_of(world).run(finish_with(world, put(world), put(world, b"", "empty")))
    assert await handle.save_file(name, folder / "report.csv") == folder / "report.csv"
    assert content_of(folder) == CONTENT
    await handle.save_file("empty", folder / "report.csv")
    assert content_of(folder) == b""


async def test_files_of_a_restarted_run_are_those_of_the_newest(world, folder):
    """As its result is."""
    first = claimed(world)
    then = StartRun(id="r_2", automation="pay", kind="task", version=1, input=b"[]", codec="json", trigger="test")
    world.store.apply(finish(first, then=then, detail=msgspec.json.encode({"restarted_as": then.id})))
    (newest,) = world.claim()
    world.store.apply(finish(newest, result=world.sealing.seal(msgspec.json.encode(put(world)))))
    handle = client_of(world).run(first.id)
    assert [file.name for file in await handle.files()] == ["report.csv"]
    await handle.save_file(1, folder / "report.csv")
    assert content_of(folder) == CONTENT


async def test_file_in_a_result_names_the_download(world):
    """Its bytes are not here: reading it raises an error with the call that gets them."""
    handle = client_of(world).run(finish_with(world, put(world)))
    (file,) = await handle.result(type=list[ms.FileRef])
    assert (file.name, file.size, file.sha256) == ("report.csv", 2_500, DIGEST)
    for read in (file.open, lambda: file.save_to("copy"), lambda: asyncio.run(file.save_to_async("copy"))):
        with pytest.raises(FileRefError, match=r"handle\.save_file"):
            await asyncio.to_thread(read)


async def test_errors_are_those_of_a_program_with_the_store(world, folder):
    """And a token without the role is refused."""
    file = put(world)
    run = finish_with(world, file, put(world, b"other"))
    target = folder / "report.csv"
    for who, name, kind in (
        ("olga", "absent", NotFoundError),
        ("olga", 3, NotFoundError),
        ("olga", "report.csv", ArgumentError),
        ("vic", 1, DeniedError),
        ("nobody", 1, DeniedError),
    ):
        with pytest.raises(kind):
            await client_of(world, who).run(run).save_file(name, target)
    with pytest.raises(ArgumentError, match="is a folder"):
        await client_of(world).run(run).save_file(1, folder)
    lose_chunk(world, file, 0)
    with pytest.raises(FileRefError, match="Restore it from a backup"):
        await client_of(world).run(run).save_file(1, target)
    assert content_of(folder) == b"earlier"


async def test_absent_codec_is_an_error_with_the_fix(tmp_path, folder):
    """The web process needs it, not the client."""
    sealed = make_file_world(tmp_path / "s.db", Keystream())
    run = finish_with(sealed, put(sealed))
    await client_of(sealed).run(run).save_file(1, folder / "report.csv")
    plain = ApiWorld(sealed.store, sealed.clock, Sealing(None, large=sealed.sealing.large))
    with pytest.raises(SealedError, match=r"\[store\] codec"):
        await client_of(plain).run(run).save_file(1, folder / "report.csv")
    assert content_of(folder) == CONTENT
    for world in (plain, sealed):
        world.api.close()
    sealed.store.close()


async def test_download_continues_where_the_connection_broke(folder):
    """Also if no answer came; pauses grow, and start again with each new byte."""
    line = Line(
        whole(CONTENT[:700], CONTENT[700:1_000], BROKEN),
        httpx2.ConnectError("refused"),
        httpx2.ConnectError("refused"),
        rest(1_000, CONTENT[1_000:1_500], BROKEN),
        rest(1_500, CONTENT[1_500:]),
    )
    await line.handle().save_file(1, folder / "report.csv")
    assert content_of(folder) == CONTENT
    assert line.ranges == [(None, None), *[("bytes=1000-", TAG)] * 3, ("bytes=1500-", TAG)]
    assert line.pauses == [0.2, 0.4, 0.8, 0.2]


async def test_whole_answer_to_a_range_starts_again(folder):
    """A server or proxy without ranges; and another range than the requested one is not taken."""
    line = Line(
        whole(CONTENT[:1_000], BROKEN),
        whole(CONTENT[:400], BROKEN),
        rest(0, CONTENT),
        rest(400, CONTENT[400:]),
        whole(CONTENT),
    )
    await line.handle().save_file(1, folder / "report.csv")
    assert content_of(folder) == CONTENT
    assert line.ranges == [(None, None), ("bytes=1000-", TAG), ("bytes=400-", TAG), (None, None), (None, None)]


async def test_answer_that_ends_early_is_continued(folder):
    """Without Content-Length a connection that ends looks complete."""
    line = Line(whole(CONTENT[:10]), rest(10, CONTENT[10:]))
    await line.handle().save_file(1, folder / "report.csv")
    assert content_of(folder) == CONTENT


@pytest.mark.parametrize(("header", "pause"), [("7", 7.0), ("0", 0.2), ("1000000", 60.0), ("soon", 0.2)])
async def test_retry_after_is_followed(folder, header, pause):
    """Of a limit, and of a server that stops; at most a minute."""
    busy = (429, {"retry-after": header}, b"{}")
    line = Line(busy, whole(CONTENT))
    await line.handle().save_file(1, folder / "report.csv")
    assert (content_of(folder), line.pauses) == (CONTENT, [pause])


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.ConnectError("refused"),
        (503, {}, b"proxy"),
        whole(CONTENT[:5], BROKEN),
        (429, {"retry-after": "20"}, b"{}"),
    ],
)
async def test_download_without_progress_is_given_up(folder, answer):
    """After two minutes of pauses. The earlier copy stays."""
    line = Line(answer)
    with pytest.raises(StoreUnavailableError):
        await line.handle().save_file(1, folder / "report.csv")
    assert 120 <= sum(line.pauses) < 150
    assert content_of(folder) == b"earlier"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (whole(CONTENT[:-1] + b"x"), "its SHA-256 is not that"),
        (whole(CONTENT, b"more"), "its SHA-256 is not that"),
        ((200, {"etag": '"other"'}, CONTENT), "sent another file"),
        ((200, {}, CONTENT), "sent another file"),
    ],
)
async def test_other_bytes_are_refused(folder, answer, error):
    """By the tag before they are read, by the digest at the end."""
    with pytest.raises(FileRefError, match=error):
        await Line(answer).handle().save_file(1, folder / "report.csv")
    assert content_of(folder) == b"earlier"


async def test_cancelled_download_leaves_no_part_file(world, folder, monkeypatch):
    """Nor an open download at the server."""
    started = asyncio.Event()

    async def wait(_seconds):
        started.set()
        await asyncio.Event().wait()

    line = Line(whole(CONTENT[:1_000], BROKEN))
    line.sleep = wait
    saving = asyncio.create_task(line.handle().save_file(1, folder / "report.csv"))
    await asyncio.wait_for(started.wait(), 20)
    assert len(list(folder.iterdir())) == 2
    saving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saving
    assert content_of(folder) == b"earlier"


async def test_full_disk_leaves_no_part_file(world, folder, monkeypatch):
    """The error is that of the disk."""

    def fail(_copy, _data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mainspring.resources.file_copy.FileCopy.write", fail)
    with pytest.raises(OSError, match="No space left"):
        await client_of(world).run(finish_with(world, put(world))).save_file(1, folder / "report.csv")
    assert content_of(folder) == b"earlier"


async def test_download_from_a_real_server_survives_lost_connections(world, folder, monkeypatch):
    """The server loses its connection at each chunk, and has no place for the client at first."""
    monkeypatch.setattr(file_downloads, "MOST", 1)
    read, lost = StoreFileChunks.read_chunk, set()

    def read_once(self, file, index):
        if index and index not in lost:
            lost.add(index)
            raise StoreUnavailableError("the place of the chunks is away")
        return read(self, file, index)

    run = finish_with(world, put(world))
    other = AsgiClient(world, f"/runs/{run}/files/1")
    other.reads.clear()
    other.begin()
    await until(lambda: other.status)
    monkeypatch.setattr(StoreFileChunks, "read_chunk", read_once)
    pauses = []

    async def sleep(seconds):
        pauses.append(seconds)
        other.gone.set()
        await other.end()

    async with served(world) as port, Client(f"http://127.0.0.1:{port}", token="olga", sleep=sleep) as client:
        await client.run(run).save_file(1, folder / "report.csv")
    assert (content_of(folder), lost, pauses[0]) == (CONTENT, {1, 2}, 5.0)
    assert remote_files._FIRST_PAUSE_S in pauses
