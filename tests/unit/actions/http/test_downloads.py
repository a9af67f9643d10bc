"""Downloads are complete or absent, and continue after a crash."""

import asyncio
import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mainspring.actions import http
from mainspring.actions.files import FileActionError, FileUnavailableError
from mainspring.actions.http.part_file import SYNC_BYTES
from mainspring.domain.errors import OptionError
from tests.polling import polls
from tests.unit.actions.http import example_http_actions as example

MODULE = "tests.unit.actions.http.example_http_actions"


@pytest.fixture
def content(target):
    """The file of the target."""
    target.file = random.Random(7).randbytes(300_000)
    return target.file


def parts(folder):
    return [path.name for path in folder.glob(".*.part*")]


def ranges(target):
    return [headers.get("range") for _, path, headers in target.requests if path.startswith("/file")]


def test_file_is_complete_with_its_checksum(target, content, tmp_path):
    """Nothing else is left in the folder."""
    digest = hashlib.sha256(content).hexdigest()
    file = http.download(f"{target.base}/file", tmp_path / "a.bin", sha256=digest.upper())
    assert (file.path, file.size, file.sha256, file.is_new) == (str(tmp_path / "a.bin"), len(content), digest, True)
    assert (tmp_path / "a.bin").read_bytes() == content
    assert parts(tmp_path) == []
    again = asyncio.run(http.download_async(f"{target.base}/file", tmp_path / "a.bin", sha256=digest))
    assert not again.is_new
    assert len(target.requests) == 1


def test_wrong_checksum_leaves_the_path_unchanged(target, content, tmp_path):
    """The earlier file stays, and no part is left."""
    path = tmp_path / "a.bin"
    path.write_text("earlier")
    with pytest.raises(http.HttpBodyError, match="has the checksum"):
        http.download(f"{target.base}/file", path, sha256="0" * 64)
    assert path.read_text() == "earlier"
    assert parts(tmp_path) == []


def test_too_large_file_leaves_nothing(target, content, tmp_path):
    """The limit counts for the whole file."""
    with pytest.raises(http.HttpBodyError, match="larger than"):
        http.download(f"{target.base}/file", tmp_path / "a.bin", max_bytes=1000)
    assert list(tmp_path.glob("*.bin")) == parts(tmp_path) == []


@pytest.mark.parametrize(("path", "message"), [("", "is a folder"), ("none/a", "does not exist")])
def test_unusable_path_is_an_error(target, tmp_path, path, message):
    """Nothing is sent."""
    with pytest.raises(OptionError, match=message):
        http.download(f"{target.base}/file", tmp_path / path)
    with pytest.raises(OptionError, match="not a checksum"):
        http.download(f"{target.base}/file", tmp_path / "a", sha256="abc")
    assert target.requests == []


@pytest.mark.parametrize(
    ("path", "message"),
    [("/proc/x", "No such file|not permitted|denied"), ("x" * 300, "longer than the system allows")],
)
def test_error_of_the_system_names_path_and_address(target, content, tmp_path, path, message):
    """And a fix; nothing is sent, because the path is checked first."""
    with pytest.raises(FileActionError, match=message) as caught:
        http.download(f"{target.base}/file?token=x", tmp_path / path)
    assert path[:20] in str(caught.value)
    assert f"download {target.base}/file to" in str(caught.value)
    assert caught.value.hint
    assert target.requests == parts(tmp_path) == []


def test_path_with_a_lone_surrogate_is_an_error(target, tmp_path):
    """No disk can have such a name; nothing is sent."""
    with pytest.raises(FileActionError, match="is not a path"):
        http.download(f"{target.base}/file", f"{tmp_path}/\ud800")
    assert target.requests == []


def test_pipe_is_not_replaced(target, content, tmp_path):
    """Neither is a device, which other programs need; nothing is sent."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileActionError, match="pipe is not a regular file"):
        http.download(f"{target.base}/file", tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()
    assert target.requests == parts(tmp_path) == []


def test_name_that_is_not_utf_8_is_written(target, content, tmp_path):
    """Such names exist on disks of other systems."""
    http.download(f"{target.base}/file", os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    assert Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff")).read_bytes() == content


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_full_disk_leaves_the_earlier_file(target, tmp_path):
    """The part is removed, so that other programs have the space; a retry can succeed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False).returncode != 0:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        (disk / "a.bin").write_text("earlier")
        target.file = b"x" * (2 * 1024 * 1024)
        with pytest.raises(FileUnavailableError, match="Free space on this disk") as caught:
            http.download(f"{target.base}/file", disk / "a.bin")
        assert f"download {target.base}/file to {disk}/a.bin: " in str(caught.value)
        assert ((disk / "a.bin").read_text(), os.listdir(disk)) == ("earlier", ["a.bin"])
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_missing_file_is_an_error(target, tmp_path):
    """The status is that of the target."""
    with pytest.raises(http.HttpStatusError, match="404 Not Found"):
        http.download(f"{target.base}/orders/1", tmp_path / "a")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("change", ["none", "version", "resume", "weak", "shorter"])
def test_lost_connection_is_continued(target, content, tmp_path, change):
    """By a range, if the target still has the same version; else from the beginning."""
    target.stall_at = 100_000
    target.etag = 'W/"v1"' if change == "weak" else target.etag
    with pytest.raises(http.HttpTimeoutError):
        http.download(f"{target.base}/file", tmp_path / "a.bin", timeout="300ms")
    assert not (tmp_path / "a.bin").exists()
    if change == "shorter":
        target.file = content[:50_000]
    if change == "version":
        target.etag, target.file = '"v2"', bytes(reversed(content))
    file = http.download(f"{target.base}/file", tmp_path / "a.bin", resume=change != "resume")
    assert (tmp_path / "a.bin").read_bytes() == target.file
    assert file.size == len(target.file)
    rest = {"resume": [None], "weak": [None], "shorter": ["bytes=100000-", None]}.get(change, ["bytes=100000-"])
    assert ranges(target) == [None, *rest]
    assert parts(tmp_path) == []


def test_range_that_was_not_requested_is_refused(target, content, tmp_path):
    """Its bytes would be written at the place of others."""
    target.stall_at = 100_000
    with pytest.raises(http.HttpTimeoutError):
        http.download(f"{target.base}/file", tmp_path / "a.bin", timeout="300ms")
    target.range_shift = 7
    with pytest.raises(http.HttpStatusError, match="206"):
        http.download(f"{target.base}/file", tmp_path / "a.bin")
    assert not (tmp_path / "a.bin").exists()


def test_link_in_place_of_the_part_is_not_followed(target, content, tmp_path):
    """Its target would be overwritten."""
    http.download(f"{target.base}/file", tmp_path / "a.bin")
    victim = tmp_path / "victim"
    victim.write_text("before")
    digest = hashlib.sha256(b"a.bin").hexdigest()[:8]
    (tmp_path / f".a.bin.{digest}.part").symlink_to(victim)
    with pytest.raises(FileActionError, match="symbolic links"):
        http.download(f"{target.base}/file", tmp_path / "a.bin")
    assert victim.read_text() == "before"


def test_damaged_part_is_downloaded_again(target, content, tmp_path):
    """The checksum finds it; the second try starts from the beginning."""
    target.stall_at = 100_000
    with pytest.raises(http.HttpTimeoutError):
        http.download(f"{target.base}/file", tmp_path / "a.bin", timeout="300ms")
    part = next(tmp_path.glob(".*.part"))
    part.write_bytes(b"\0" * part.stat().st_size)
    http.download(f"{target.base}/file", tmp_path / "a.bin", sha256=hashlib.sha256(content).hexdigest())
    assert (tmp_path / "a.bin").read_bytes() == content
    assert ranges(target) == [None, "bytes=100000-", None]


def test_killed_download_leaves_no_file_and_is_continued(target, tmp_path):
    """`kill -9` in the middle: nothing at the path; the next process asks for the rest only."""
    target.file = random.Random(8).randbytes(2 * SYNC_BYTES)
    target.stall_at = SYNC_BYTES + 500_000
    environment = os.environ | {
        example.BASE: target.base,
        example.FOLDER: str(tmp_path),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    command = [sys.executable, "-m", MODULE]
    with subprocess.Popen(command, env=environment) as process:
        state = None
        for _ in polls(60):
            state = next(tmp_path.glob(".*.part.json"), None)
            if state is not None and target.has_stalled.is_set():
                break
        process.send_signal(signal.SIGKILL)
    assert state is not None
    assert not (tmp_path / "big.bin").exists()
    subprocess.run(command, env=environment, check=True)
    assert (tmp_path / "big.bin").read_bytes() == target.file
    first, second = ranges(target)
    assert first is None
    assert SYNC_BYTES <= int(second.removeprefix("bytes=").rstrip("-")) <= SYNC_BYTES + 500_000
    assert parts(tmp_path) == []


def test_two_downloads_at_once_wait_for_each_other(target, content, tmp_path):
    """One of them has the part; both find a complete file."""
    digest = hashlib.sha256(content).hexdigest()
    files = []
    threads = [
        threading.Thread(
            target=lambda: files.append(http.download(f"{target.base}/file", Path(tmp_path, "a.bin"), sha256=digest))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(file.is_new for file in files) == [False, False, False, True]
    assert len(ranges(target)) == 1
    assert parts(tmp_path) == []
