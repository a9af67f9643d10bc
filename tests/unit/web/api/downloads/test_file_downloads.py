"""Downloads of files by the API: all bytes or a broken connection, within limits whose places are always free again."""

import asyncio
import contextlib
import hashlib
import logging
import threading

import httpx2
import pytest

from mainspring.domain.access.permissions import API, Role, Visitor
from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.values.sealing import Sealing
from mainspring.domain.values.stored_file import StoreFileChunks
from mainspring.engine.attempts import file_ref
from mainspring.web.api.downloads import download_response, file_downloads
from mainspring.web.api.downloads.download_response import DownloadBrokenError
from mainspring.web.server import connection
from mainspring.web.server.request_slots import SLOT_KEY, RequestSlots
from tests.acceptance.sealing_codec import Keystream
from tests.api_world import ApiWorld
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

pytestmark = pytest.mark.asyncio
DIGEST = hashlib.sha256(CONTENT).hexdigest()
ANN = {"Authorization": "Bearer ann"}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(file_ref, "CHUNK_SIZE", CHUNK)
    monkeypatch.setattr(download_response, "_PIECE", 300)


@pytest.fixture(params=["sqlite"])
def world(request, tmp_path):
    place = tmp_path / "s.db" if request.param == "sqlite" else request.getfixturevalue("postgres").new_store()
    found = make_file_world(place)
    yield found
    found.api.close()
    found.store.close()


BOTH = pytest.mark.parametrize("world", ["sqlite", "postgres"], indirect=True)


class Reading(threading.Event):
    """Holds the reading of chunks."""

    def __init__(self):
        super().__init__()
        self.held_from = 1
        self.indexes = []


@pytest.fixture
def reading(monkeypatch):
    """Chunks from the second one on (or `held_from`) are read when it is set; `indexes` = those whose reading began."""

    held, read = Reading(), StoreFileChunks.read_chunk

    def read_held(self, file, index):
        held.indexes.append(index)
        if index >= held.held_from:
            assert held.wait(30)
        return read(self, file, index)

    monkeypatch.setattr(StoreFileChunks, "read_chunk", read_held)
    yield held
    held.set()


def path_of(run, file="1"):
    return f"/runs/{run}/files/{file}"


def downloads_of(world):
    return [(row.actor, row.subject, row.detail) for row in world.site.reads.audit_rows() if row.verb == "download"]


@BOTH
async def test_files_of_a_run_are_listed_for_viewers(world):
    """Without the keys of their chunks; who sees other automations only, sees no files."""
    run = finish_with(world, put(world), put(world, b"", "empty"))
    listed = await world.get(f"/runs/{run}/files", who="vic")
    assert listed["items"][0] == {
        "number": 1,
        "name": "report.csv",
        "size": 2_500,
        "sha256": DIGEST,
        "content_type": "text/csv",
        "place": "result",
    }
    assert [(file["number"], file["name"], file["size"]) for file in listed["items"]] == [
        (1, "report.csv", 2_500),
        (2, "empty", 0),
    ]
    assert (await world.get(f"/runs/{world.begin()}/files", who="vic"))["items"] == []
    world.authenticator.visitors["backer"] = Visitor(
        entry_point=API, name="backer", role=Role.OPERATOR, automations=("backup",)
    )
    for path in (f"/runs/{run}/files", path_of(run)):
        assert (await world.ask("GET", path, who="backer")).status_code == 404
    assert (await world.ask("GET", path_of(run), who="vic")).status_code == 403


@BOTH
@pytest.mark.parametrize("file", ["1", "report.csv", DIGEST, DIGEST[:8].upper()])
async def test_file_is_downloaded(world, file):
    """With headers by which no browser opens it as a page of this site; the audit log says who has it."""
    run = finish_with(world, put(world))
    response = await world.ask("GET", path_of(run, file), who="olga")
    assert (response.status_code, response.content) == (200, CONTENT)
    assert response.headers.items() >= {
        ("content-length", "2500"),
        ("content-type", "application/octet-stream"),
        ("etag", f'"{DIGEST}"'),
        ("accept-ranges", "bytes"),
        ("cache-control", "private, no-store"),
        ("x-content-type-options", "nosniff"),
        ("content-disposition", "attachment; filename=\"report.csv\"; filename*=UTF-8''report.csv"),
    }
    assert response.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    ((actor, subject, detail),) = downloads_of(world)
    assert (actor, subject) == ("api:olga", f"run:{run}")
    assert b'"report.csv"' in detail
    assert world.api.downloads.open == 0


async def test_head_sends_headers_without_the_file(world):
    """It is no download: it takes no place, and no row of the audit log."""
    run = finish_with(world, put(world))
    response = await world.ask("HEAD", path_of(run), headers={"Range": "bytes=1-2"})
    assert (response.status_code, response.headers["content-length"], response.content) == (200, "2500", b"")
    assert (response.headers["etag"], downloads_of(world), world.api.downloads.open) == (f'"{DIGEST}"', [], 0)
    assert (await world.ask("HEAD", path_of(run), who="vic")).status_code == 403


@pytest.mark.parametrize(
    ("headers", "status", "start", "end"),
    [
        ({"Range": "bytes=0-"}, 206, 0, 2_500),
        ({"Range": "bytes=999-1000"}, 206, 999, 1_001),
        ({"Range": "bytes=1000-1999"}, 206, 1_000, 2_000),
        ({"Range": "bytes=1500-"}, 206, 1_500, 2_500),
        ({"Range": "bytes=-1"}, 206, 2_499, 2_500),
        ({"Range": "bytes=5-", "If-Range": f'"{DIGEST}"'}, 206, 5, 2_500),
        ({"Range": "bytes=5-", "If-Range": '"another"'}, 200, 0, 2_500),
        ({"Range": "bytes=0-1,5-6"}, 200, 0, 2_500),
    ],
)
async def test_range_of_a_file_is_sent(world, headers, status, start, end):
    """Over the borders of chunks, and with the length that is sent."""
    run = finish_with(world, put(world))
    response = await world.ask("GET", path_of(run), headers=headers)
    assert (response.status_code, response.content) == (status, CONTENT[start:end])
    assert response.headers["content-length"] == str(end - start)
    expected = f"bytes {start}-{end - 1}/2500" if status == 206 else None
    assert response.headers.get("content-range") == expected


async def test_range_outside_of_a_file_is_refused(world):
    """With the size of the file, also of an empty one, which is a download of no bytes."""
    run = finish_with(world, put(world), put(world, b"", "empty"))
    for file, size in (("1", 2_500), ("2", 0)):
        response = await world.ask("GET", path_of(run, file), headers={"Range": "bytes=2500-"})
        assert (response.status_code, response.json()["code"]) == (416, "bad_range")
        assert response.headers["content-range"] == f"bytes */{size}"
    assert downloads_of(world) == []
    response = await world.ask("GET", path_of(run, "2"))
    assert (response.status_code, response.content, response.headers["content-length"]) == (200, b"", "0")
    assert world.api.downloads.open == 0


@pytest.mark.parametrize("file", ["0", "3", "-1", "1.0", "999999", "1234567890", "absent", "%0a", "..%2f1", DIGEST[:7]])
async def test_file_that_a_run_does_not_have_is_not_found(world, file):
    """Neither by number, nor by name, nor by too few digits."""
    run = finish_with(world, put(world), put(world, b"other", "other"))
    response = await world.ask("GET", path_of(run, file))
    assert (response.status_code, response.json()["code"]) == (404, "not_found")


async def test_name_of_two_files_is_refused(world):
    """The answer has their digests."""
    run = finish_with(world, put(world), put(world, b"other"))
    response = await world.ask("GET", path_of(run, "report.csv"))
    assert (response.status_code, DIGEST[:12] in response.json()["hint"]) == (422, True)


async def test_one_chunk_is_read_at_a_time(world, reading):
    """The next one when the client has taken the bytes of the one before."""
    reading.set()
    client = AsgiClient(world, path_of(finish_with(world, put(world))))
    client.reads.clear()
    client.begin()
    await until(lambda: client.status)
    assert reading.indexes == [0]
    client.reads.set()
    await client.end()
    assert (reading.indexes, client.body, client.is_complete) == ([0, 1, 2], CONTENT, True)


async def test_downloads_are_limited(world, reading, monkeypatch):
    """Of all visitors, and of one; a place is free again when the download ends. An open one holds no place of a request."""
    monkeypatch.setattr(file_downloads, "MOST", 1)
    run, slots = finish_with(world, put(world)), RequestSlots(1, 1)
    client = AsgiClient(world, path_of(run))
    client.scope[SLOT_KEY] = slots.take("10.0.0.1")
    client.begin()
    await until(lambda: reading.indexes == [0, 1])
    assert slots.take("10.0.0.1") is not None
    refused = await world.ask("GET", path_of(run), who="olga")
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (
        429,
        "too_many_downloads",
        "5",
    )
    assert (await world.ask("HEAD", path_of(run))).status_code == 200
    monkeypatch.setattr(file_downloads, "MOST", 2)
    monkeypatch.setattr(file_downloads, "MOST_OF_ONE", 1)
    assert (await world.ask("GET", path_of(run))).status_code == 429
    reading.set()
    assert (await client.end()).body == CONTENT
    monkeypatch.setattr(file_downloads, "MOST", 1)
    assert (await world.ask("GET", path_of(run), who="olga")).content == CONTENT


@pytest.mark.parametrize("held_from", [0, 1], ids=["first", "later"])
async def test_client_that_leaves_frees_its_place(world, reading, monkeypatch, held_from):
    """While the first chunk is read, or a later one, however long that takes; nothing is logged."""
    monkeypatch.setattr(file_downloads, "MOST", 1)
    reading.held_from = held_from
    run = finish_with(world, put(world))
    client = AsgiClient(world, path_of(run)).begin()
    await until(lambda: held_from in reading.indexes)
    client.gone.set()
    await client.end()
    assert (world.api.downloads.open, client.is_complete, client.aborted.is_set()) == (0, False, False)
    reading.set()
    assert (await world.ask("GET", path_of(run))).content == CONTENT


async def test_place_is_free_after_each_kind_of_answer(world, monkeypatch):
    """A lost chunk, a store that cannot record the download, a bug, a request that is cancelled."""
    monkeypatch.setattr(file_downloads, "MOST", 1)
    file = put(world)
    run = finish_with(world, file)

    def fail(*_args, **_options):
        raise StoreUnavailableError("the store is away")

    def crash(*_args, **_options):
        raise AssertionError("a bug")

    for failure, status in ((fail, 503), (crash, 500)):
        with monkeypatch.context() as patched:
            patched.setattr(file_downloads, "record_download", failure)
            assert (await world.ask("GET", path_of(run))).status_code == status
    client = AsgiClient(world, path_of(run))
    client.reads.clear()
    client.begin()
    await until(lambda: client.status)
    client.task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await client.task
    assert (await world.ask("GET", path_of(run))).content == CONTENT
    lose_chunk(world, file, 0)
    for _ in range(2):
        assert (await world.ask("GET", path_of(run))).status_code == 409


async def test_first_chunk_that_is_lost_is_a_problem(world, caplog):
    """It names the file and the fix, and is in the log."""
    file = put(world)
    run = finish_with(world, file)
    lose_chunk(world, file, 0)
    problem = (await world.ask("GET", path_of(run))).json()
    assert (problem["code"], "part 1 of 3 of file 'report.csv'" in problem["detail"]) == ("file_ref", True)
    assert "Restore it from a backup" in problem["hint"]
    (record,) = [record for record in caplog.records if record.name == "mainspring.web.api"]
    assert f"file 'report.csv' of run {run} broke off at byte 0 of 2500" in record.getMessage()


@BOTH
async def test_lost_chunk_aborts_the_connection(world, caplog):
    """What was sent is never taken for the file; the log has the run, the file and the place."""
    file = put(world)
    run = finish_with(world, file)
    lose_chunk(world, file, 1)
    client = await AsgiClient(world, path_of(run)).end()
    assert (client.status, client.body, client.is_complete, client.aborted.is_set()) == (
        200,
        CONTENT[:1_000],
        False,
        True,
    )
    (record,) = [record for record in caplog.records if record.name == "mainspring.web.api"]
    assert record.levelno == logging.WARNING
    assert f"file 'report.csv' of run {run} broke off at byte 1000 of 2500: part 2 of 3" in record.getMessage()
    assert world.api.downloads.open == 0


async def test_lost_chunk_without_a_server_is_an_error(world):
    """A plain ASGI transport has no connection to abort, and nothing waits for one."""
    file = put(world)
    run = finish_with(world, file)
    lose_chunk(world, file, 2)
    with pytest.raises(DownloadBrokenError, match=f"run {run}"):
        await asyncio.wait_for(world.ask("GET", path_of(run)), 20)
    assert world.api.downloads.open == 0


@pytest.mark.parametrize("is_started", [True, False], ids=["later", "first"])
@pytest.mark.parametrize("change", [{"role": Role.VIEWER}, {"role": Role.OPERATOR, "automations": ("backup",)}, None])
async def test_lost_right_breaks_a_download_off(world, reading, monkeypatch, change, is_started):
    """A revoked token, another role, another part: the connection ends, or the answer says so if nothing was sent."""
    monkeypatch.setattr(download_response, "CHECK_EVERY_S", 0.01)
    reading.held_from = int(is_started)
    client = AsgiClient(world, path_of(finish_with(world, put(world))), who="olga").begin()
    await until(lambda: int(is_started) in reading.indexes)
    del world.authenticator.visitors["olga"]
    if change is not None:
        world.authenticator.visitors["olga"] = Visitor(entry_point=API, name="olga", **change)
    await client.end()
    assert (client.aborted.is_set(), world.api.downloads.open) == (is_started, 0)
    if is_started:
        assert (client.status, client.body) == (200, CONTENT[:1_000])
    else:
        assert client.status == (401 if change is None else 404 if "automations" in change else 403)


async def test_check_that_fails_does_not_end_a_download(world, reading, monkeypatch, caplog):
    """The store is busy, or does not answer in time: the next check decides. It is no bug."""
    monkeypatch.setattr(download_response, "CHECK_EVERY_S", 0.01)
    monkeypatch.setattr(download_response, "CHECK_WITHIN_S", 0.05)
    checks, check, silence = [], world.authenticator.current_visitors, threading.Event()

    def fail_twice(keys):
        checks.append(1)
        if len(checks) == 1:
            raise StoreUnavailableError("the store is busy")
        if len(checks) == 2:
            assert silence.wait(30)
        return check(keys)

    monkeypatch.setattr(world.authenticator, "current_visitors", fail_twice)
    client = AsgiClient(world, path_of(finish_with(world, put(world)))).begin()
    await until(lambda: len(checks) == 2)
    assert world.api.downloads.open == 1
    silence.set()
    await until(lambda: len(checks) >= 4)
    reading.set()
    assert (await client.end()).body == CONTENT
    assert [record for record in caplog.records if record.name == "mainspring.web.api"] == []


async def test_right_that_cannot_be_checked_for_long_ends_a_download(world, reading, monkeypatch):
    """A token that was revoked while the store was away would otherwise be good for the whole file."""
    monkeypatch.setattr(download_response, "CHECK_EVERY_S", 0.01)
    monkeypatch.setattr(download_response, "UNCHECKED_FOR_S", 0.2)

    def fail(_keys):
        raise StoreUnavailableError("the store is away")

    monkeypatch.setattr(world.authenticator, "current_visitors", fail)
    client = await AsgiClient(world, path_of(finish_with(world, put(world)))).begin().end()
    assert (client.aborted.is_set(), world.api.downloads.open, reading.indexes) == (True, 0, [0, 1])


async def test_end_of_the_process_breaks_downloads_off(world, reading):
    """A client continues elsewhere; the answer to a later request says when to come again."""
    run = finish_with(world, put(world))
    client = AsgiClient(world, path_of(run))
    client.reads.clear()
    client.begin()
    await until(lambda: client.status)
    world.api.downloads.close()
    await client.end()
    assert (client.aborted.is_set(), client.is_complete, world.api.downloads.open) == (True, False, 0)
    refused = await world.ask("GET", path_of(run))
    assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (503, "ending", "1")


async def test_absent_codec_is_a_problem_with_the_fix(tmp_path):
    """For the list and the file; with the codec both are there, and the audit log has no plain name."""
    sealed = make_file_world(tmp_path / "s.db", Keystream())
    run = finish_with(sealed, put(sealed))
    assert (await sealed.ask("GET", path_of(run))).content == CONTENT
    ((_, _, detail),) = downloads_of(sealed)
    assert b"report.csv" not in detail
    assert DIGEST.encode() not in detail
    plain = ApiWorld(sealed.store, sealed.clock, Sealing(None, large=sealed.sealing.large))
    for path in (f"/runs/{run}/files", path_of(run)):
        problem = (await plain.ask("GET", path)).json()
        assert (problem["status"], problem["code"]) == (409, "sealed")
        assert "[store] codec" in problem["hint"]
    plain.api.close()
    sealed.api.close()
    sealed.store.close()


async def test_lost_chunk_is_an_error_of_a_real_client(world, caplog):
    """Its connection ends before all bytes are there; the server logs no fault of its own, and answers the next request."""
    file = put(world)
    run = finish_with(world, file)
    lose_chunk(world, file, 1)
    async with served(world) as port, httpx2.AsyncClient(trust_env=False, headers=ANN) as client:
        url = f"http://127.0.0.1:{port}/api/v1{path_of(run)}"
        with pytest.raises(httpx2.TransportError):
            await client.get(url)
        assert (await client.get(url, headers={"Range": "bytes=2000-"})).content == CONTENT[2_000:]
    assert [record.name for record in caplog.records if record.levelno >= logging.WARNING] == ["mainspring.web.api"]


async def test_client_that_is_killed_frees_its_place(world, monkeypatch):
    """Also if it had stopped reading before."""
    monkeypatch.setattr(file_ref, "CHUNK_SIZE", 4 * 1024 * 1024)
    monkeypatch.setattr(download_response, "_PIECE", 256 * 1024)
    run = finish_with(world, put(world, bytes(9_000_000)))
    async with served(world) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /api/v1{path_of(run)} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ann\r\n\r\n".encode())
        assert b"200" in await reader.readline()
        assert world.api.downloads.open == 1
        writer.transport.abort()
        await until(lambda: world.api.downloads.open == 0)


async def test_slow_reader_gets_the_whole_file(world, monkeypatch):
    """A client that reads at all is not cut off, however slowly it reads; one that reads nothing is."""
    monkeypatch.setattr(connection, "WRITE_WITHIN_S", 0.15)
    monkeypatch.setattr(file_ref, "CHUNK_SIZE", 1024 * 1024)
    monkeypatch.setattr(download_response, "_PIECE", 64 * 1024)
    content = bytes(range(256)) * 10_000
    run = finish_with(world, put(world, content))
    async with served(world) as port:
        request = (
            f"GET /api/v1{path_of(run)} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ann\r\nconnection: close\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=16 * 1024)
        writer.write(request.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        received = b""
        while part := await reader.read(64 * 1024):
            received += part
            await asyncio.sleep(0.02)
        assert (b"content-length: 2560000" in head, received == content) == (True, True)
        writer.close()
        idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        idle_writer.write(request.encode())
        await until(lambda: world.api.downloads.open == 1)
        await until(lambda: world.api.downloads.open == 0)
        idle_writer.close()
        assert not idle_reader.at_eof()
