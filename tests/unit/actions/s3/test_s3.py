"""S3 actions: nothing is sent twice, nothing half is visible, and each error has its fix."""

import asyncio
import errno
import os
import threading

import pytest

import mainspring as ms
from mainspring.actions import s3
from mainspring.actions.files import FileActionError, FileUnavailableError
from mainspring.actions.s3.object_content import DEFAULT_PART_BYTES
from mainspring.domain.errors import (
    ArgumentError,
    ConfigError,
    DefinitionError,
    OptionError,
    OutsideStepError,
    UnknownOptionError,
)
from mainspring.domain.failures.saved_error import RunFailed
from tests.polling import polls
from tests.unit.actions.s3 import s3_steps
from tests.unit.actions.s3.s3_server import SECRET

PART = s3_steps.PART_BYTES


@pytest.fixture
def backup(tmp_path):
    path = tmp_path / "backup.db"
    path.write_bytes(s3_steps.BIG)
    return path


def test_second_put_sends_nothing(server, options):
    """The checksum says that the object has the content; a changed setting is sent."""
    first = s3.put("s3://example/a/b c.txt", "text", metadata={"Source": "app"}, **options)
    again = s3.put("s3://example/a/b c.txt", b"text", **options)
    assert (first.is_new, again.is_new, again.size, again.etag) == (True, False, 4, first.etag)
    assert server.read("a/b c.txt") == b"text"
    assert server.sent() == ["PUT a/b c.txt"]
    assert s3.put("s3://example/a/b c.txt", b"text", content_type="text/plain", **options).is_new


@pytest.mark.parametrize("size", [0, PART, PART + 1, 2 * PART])
def test_objects_of_other_programs_are_compared(server, options, tmp_path, size):
    """Whatever the size of their parts, and if they have no SHA-256."""
    path = tmp_path / "file"
    path.write_bytes(os.urandom(16) * (size // 16) + b"x" * (size % 16))
    server.client.upload_file(str(path), "example", "file")
    server.requests.clear()
    assert not s3.upload(path, "s3://example/file", part_size=PART + 4096, **options).is_new
    assert not s3.download("s3://example/file", path, **options).is_new
    assert server.sent() == []


def test_object_with_other_content_is_not_replaced_if_absent_is_required(server, options):
    """The error names the way out."""
    server.put("a", b"other")
    with pytest.raises(s3.S3ExistsError, match="other content") as caught:
        s3.put("s3://example/a", "mine", if_absent=True, **options)
    assert "Choose another key" in str(caught.value)
    assert server.versions("a") == 1


@pytest.mark.parametrize("is_same", [True, False])
@pytest.mark.parametrize("request_of", ["PUT late", "POST late uploadId"])
def test_another_call_may_be_first(server, options, backup, is_same, request_of):
    """Between the question and the request: the same content is a success, other content an error; no parts are left."""
    content = s3_steps.BIG if is_same else b"other"

    def put_first(request):
        if request == request_of:
            server.put_inside("late", content)

    server.fault = put_first

    def call():
        if request_of == "PUT late":
            return s3.put("s3://example/late", s3_steps.BIG, if_absent=True, **options)
        return s3.upload(backup, "s3://example/late", if_absent=True, part_size=PART, **options)

    if is_same:
        assert not call().is_new
    else:
        with pytest.raises(s3.S3ExistsError):
            call()
    assert (server.uploads(), server.versions("late"), server.read("late")) == (0, 1, content)


def test_interrupted_upload_is_resumed(server, options, backup):
    """After a lost connection only the missing part is sent, and the object has the content of the file."""
    server.fault = lambda request: 503 if "partNumber" in request and server.sent().count(request) > 1 else None
    with pytest.raises(s3.S3UnavailableError, match=r"upload .*backup\.db to s3://example/backup"):
        s3.upload(backup, "s3://example/backup", part_size=PART, **options)
    assert (server.uploads(), server.list_keys()) == (1, [])
    server.fault = lambda _request: None
    server.requests.clear()
    assert s3.upload(backup, "s3://example/backup", part_size=PART, **options).is_new
    assert server.sent() == ["PUT backup partNumber,uploadId", "POST backup uploadId"]
    assert (server.uploads(), server.read("backup")) == (0, s3_steps.BIG)


@pytest.mark.parametrize("action", [s3.upload, s3.sync], ids=["upload", "sync"])
def test_cancelled_upload_removes_its_parts(server, options, backup, tmp_path, action):
    """No later call would resume them; no other part is sent."""
    folder = backup.parent / "folder"
    folder.mkdir()
    backup = backup.rename(folder / "backup")
    source, to = (folder, "s3://example") if action == s3.sync else (backup, "s3://example/backup")
    more = {} if action == s3.sync else {"part_size": PART}
    if action == s3.sync:
        backup.write_bytes(b"x" * (DEFAULT_PART_BYTES + 1))
    has_started, is_cancelled = threading.Event(), threading.Event()

    def hold(request):
        if "partNumber" in request:
            has_started.set()
            is_cancelled.wait(60)

    server.fault = hold

    @ms.workflow(name=f"cancelled_{action.__name__}")
    async def back_up(run: ms.Run) -> None:
        await run.step(action, str(source), to, **more, **options)

    async def cancel():
        app = ms.App(str(tmp_path / "s.db"))
        async with app.running():
            handle = await app.start(back_up)
            await asyncio.to_thread(has_started.wait, 60)
            await app.cancel(handle.id)
            with pytest.raises(RunFailed):
                await handle.result()
            is_cancelled.set()
            for _ in polls(60):
                if "DELETE backup uploadId" in server.requests:
                    break

    asyncio.run(cancel())
    assert server.sent().count("PUT backup partNumber,uploadId") == 1
    assert (server.uploads(), server.list_keys()) == (0, [])


def test_upload_with_other_settings_is_not_resumed(server, options, backup):
    """S3 does not say which ones the upload of a killed call has."""
    server.client.create_multipart_upload(
        Bucket="example", Key="backup", ChecksumAlgorithm="SHA256", Metadata={"run": "1"}
    )
    s3.upload(backup, "s3://example/backup", part_size=PART, metadata={"run": "2"}, if_absent=True, **options)
    assert server.client.head_object(Bucket="example", Key="backup")["Metadata"] == {"run": "2"}


def test_upload_of_another_file_is_not_resumed(server, options, backup):
    """Its parts would be mixed with ours."""
    upload = server.client.create_multipart_upload(Bucket="example", Key="backup", ChecksumAlgorithm="SHA256")
    server.client.upload_part(
        Bucket="example", Key="backup", UploadId=upload["UploadId"], PartNumber=1, Body=b"x" * PART
    )
    s3.upload(backup, "s3://example/backup", part_size=PART, **options)
    assert server.read("backup") == s3_steps.BIG
    assert server.uploads() == 1


def test_file_that_changes_is_not_uploaded(server, options, backup):
    """Its parts would be of two states; nothing is left."""

    def append(request):
        if request == "PUT backup partNumber,uploadId":
            backup.write_bytes(s3_steps.BIG + b"more")

    server.fault = append
    with pytest.raises(ms.Transient, match="another program writes to it"):
        s3.upload(backup, "s3://example/backup", part_size=PART, **options)
    assert (server.uploads(), server.list_keys()) == (0, [])


def test_download_is_complete_or_absent(server, options, tmp_path):
    """Changed bytes and another checksum leave what was there before; a second call receives nothing."""
    server.put("a", b"content")
    path = tmp_path / "new" / "a"
    with pytest.raises(FileActionError, match="No such file"):
        s3.download("s3://example/a", path, **options)
    file = s3.download("s3://example/a", path, make_folders=True, **options)
    assert (path.read_bytes(), file.is_new, file.size) == (b"content", True, 7)
    server.requests.clear()
    assert not s3.download("s3://example/a", path, sha256=file.sha256, **options).is_new
    assert server.requests == ["HEAD a"]
    server.put("a", b"another")
    with pytest.raises(s3.S3ActionError, match="has the checksum"):
        s3.download("s3://example/a", path, sha256="0" * 64, **options)
    server.change = lambda data: data.replace(b"another", b"amother")
    with pytest.raises(s3.S3UnavailableError, match="did not match calculated checksum"):
        s3.download("s3://example/a", path, **options)
    assert path.read_bytes() == b"content"
    assert os.listdir(path.parent) == ["a"]


def test_pipe_is_not_replaced_by_a_download(server, options, tmp_path):
    """The error names the path."""
    os.mkfifo(tmp_path / "a.txt")
    s3.put("s3://example/a.txt", "text", **options)
    with pytest.raises(FileActionError, match=r"a\.txt is not a regular file"):
        s3.download("s3://example/a.txt", tmp_path / "a.txt", **options)
    assert (tmp_path / "a.txt").is_fifo()


def test_object_that_is_replaced_during_a_download_can_be_tried_again(server, options, tmp_path):
    """The next call gets the new one."""
    server.put("a", b"old")
    server.fault = lambda request: server.put_inside("a", b"new") if request == "GET a" else None
    with pytest.raises(s3.S3UnavailableError, match="PreconditionFailed"):
        s3.download("s3://example/a", tmp_path / "a", **options)
    server.fault = lambda _request: None
    s3.download("s3://example/a", tmp_path / "a", **options)
    assert (tmp_path / "a").read_bytes() == b"new"


def test_sync_copies_what_differs_in_both_directions(server, options, tmp_path):
    """What only the target has stays, unless asked; a second sync copies nothing."""
    site, copy = tmp_path / "site", tmp_path / "copy"
    (site / "below").mkdir(parents=True)
    (site / "a.html").write_text("a")
    (site / "below" / "ü b.css").write_text("b")
    server.put("www/old", b"old")
    server.put("www2/a.html", b"of another prefix")
    plan = s3.sync(site, "s3://example/www/", dry_run=True, delete=True, **options)
    assert (plan.copied, plan.deleted, server.sent()[2:]) == (2, 1, [])
    assert s3.sync(site, "s3://example/www", **options) == s3.S3Sync(2, 0, 0, ["a.html", "below/ü b.css"])
    (site / "a.html").write_text("A")
    assert s3.sync(str(site), "s3://example/www", delete=True, **options) == s3.S3Sync(1, 1, 1, ["a.html", "old"])
    assert server.list_keys() == ["www/a.html", "www/below/ü b.css", "www2/a.html"]
    assert s3.sync("s3://example/www", copy, dry_run=True, **options).copied == 2
    assert not copy.exists()
    copy.mkdir()
    (copy / "surplus").write_text("s")
    assert s3.sync("s3://example/www", copy, **options) == s3.S3Sync(2, 0, 0, ["a.html", "below/ü b.css"])
    again = s3.sync("s3://example/www", "copy", root=tmp_path, delete=True, **options)
    assert (again.copied, again.unchanged, again.names) == (0, 2, ["surplus"])
    assert sorted(path.name for path in copy.rglob("*") if path.is_file()) == ["a.html", "ü b.css"]


def test_failed_copy_deletes_nothing(server, options, tmp_path):
    """A later sync copies the rest."""
    for name in "abc":
        (tmp_path / name).write_text(name)
    server.put("www/old", b"old")
    server.fault = lambda request: 403 if request == "PUT www/b" else None
    with pytest.raises(s3.S3ActionError, match=r"www/b: .* \(403\)\nAllow the user or role"):
        s3.sync(tmp_path, "s3://example/www", delete=True, **options)
    assert "www/old" in server.list_keys()
    server.fault = lambda _request: None
    assert s3.sync(tmp_path, "s3://example/www", delete=True, **options).deleted == 1
    assert server.list_keys() == ["www/a", "www/b", "www/c"]


def test_upload_works_without_the_right_to_list_uploads(server, options, backup):
    """It cannot be resumed then."""
    server.fault = lambda request: 403 if request.startswith("GET") and "uploads" in request else None
    assert s3.upload(backup, "s3://example/backup", part_size=PART, **options).is_new
    assert server.read("backup") == s3_steps.BIG


def test_full_disk_leaves_nothing(server, options, tmp_path, monkeypatch):
    """The error can pass."""
    server.put("a", b"content")

    def fill(_descriptor, _data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", fill)
    with pytest.raises(FileUnavailableError, match="No space left on device"):
        s3.download("s3://example/a", tmp_path / "a", **options)
    assert list(tmp_path.iterdir()) == []


def test_sync_from_an_empty_source_deletes_nothing(server, options, tmp_path):
    """It may be a disk that is not mounted."""
    server.put("www/a", b"a")
    with pytest.raises(s3.S3ActionError, match="source is empty"):
        s3.sync(tmp_path, "s3://example/www", delete=True, **options)
    (tmp_path / "a").write_text("a")
    with pytest.raises(s3.S3ActionError, match="source is empty"):
        s3.sync("s3://example/none", tmp_path, delete=True, **options)
    assert server.list_keys() == ["www/a"]
    assert (tmp_path / "a").exists()


@pytest.mark.parametrize("key", ["../a", "b/../../a", "b//a", "n" * 256, "b/..", "x/a"])
def test_keys_that_are_no_file_names_are_refused(server, options, tmp_path, key):
    """Before anything is copied."""
    server.put(f"www/{key}", b"a")
    server.put("www/x", b"x")
    if key == "x/a":
        server.put("www/x/a", b"a")
    with pytest.raises(s3.S3ActionError, match="the key"):
        s3.sync("s3://example/www", tmp_path / "copy", **options)
    assert not (tmp_path / "copy").exists()


def test_links_are_not_followed(server, options, tmp_path):
    """Neither one in the folder to upload, nor one that leads a download out of it."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "link").symlink_to(tmp_path)
    with pytest.raises(FileActionError, match="link is a link"):
        s3.sync(site, "s3://example/www", **options)
    with pytest.raises(FileActionError, match=r"outside|leads through the link"):
        s3.upload("site/link/a", "s3://example/a", root=tmp_path, **options)
    assert server.sent() == []


@pytest.mark.parametrize(
    ("address", "change", "message"),
    [
        ("s3://missing-bucket/a", {}, r"bucket does not exist \(NoSuchBucket\)\nCreate the bucket"),
        ("s3://example/none", {}, r"does not exist.* \(NoSuchKey\)\nCheck the key"),
        ("s3://example/a", {"credentials": None}, r"NoCredentialsError\)\nPass credentials="),
        ("s3://example/a", {"endpoint": "http://127.0.0.1:1"}, r"EndpointConnectionError\)\nCheck endpoint="),
    ],
)
def test_errors_name_their_fix(server, options, tmp_path, address, change, message):
    """And have no secret."""
    call = {name: value for name, value in (options | change).items() if value is not None}
    kind = s3.S3UnavailableError if "endpoint" in change else s3.S3ActionError
    with pytest.raises(kind, match=message) as caught:
        s3.download(address, tmp_path / "a", **call)
    assert SECRET not in str(caught.value)


def test_arguments_are_checked_before_anything_is_sent(server, options, monkeypatch, tmp_path):
    """Each error names the argument."""
    for address in ("example/a", "s3://", "s3://example", "s3://example/a/", "s3://UP/a", "s3://example/" + "k" * 1025):
        with pytest.raises(ArgumentError):
            s3.put(address, "a", **options)
    with pytest.raises(ArgumentError, match="one folder and one address"):
        s3.sync("a", "b", **options)
    with pytest.raises(OptionError, match="part_size"):
        (tmp_path / "a").write_text("a")
        s3.upload(tmp_path / "a", "s3://example/a", part_size=1, **options)
    with pytest.raises(OptionError, match="does not name a secret") as caught:
        s3.put("s3://example/a", "a", **options | {"credentials": "AKIA:value-of-a-secret"})
    assert "value-of" not in str(caught.value)
    with pytest.raises(UnknownOptionError, match="Did you mean 'if_absent'"):
        s3.put("s3://example/a", "a", **options | {"if_abesnt": True})
    with pytest.raises(UnknownOptionError, match="regoin"):
        s3.put("s3://example/a", "a", **options | {"regoin": "a"})
    monkeypatch.setenv("MAINSPRING_SECRET_S3", "without-a-colon")
    with pytest.raises(ConfigError, match="has no credentials of S3"):
        s3.put("s3://example/a", "a", **options)
    assert server.requests == []


def test_it_blocks_neither_a_loop_nor_a_body(server, options, tmp_path):
    """The errors show the right form."""

    async def call():
        with pytest.raises(DefinitionError, match=r"await s3\.put_async"):
            s3.put("s3://example/a", "a", **options)

    asyncio.run(call())

    @ms.workflow
    async def body(run: ms.Run) -> None:
        s3.put("s3://example/a", "a", **options)

    with pytest.raises(RunFailed, match=OutsideStepError.__name__):
        ms.App(str(tmp_path / "s.db")).run(body)
