"""Archives: the same content gives the same bytes, and an archive that is not trusted reaches nothing outside of its folder."""

import gzip
import inspect
import io
import os
import socket
import stat
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mainspring.actions import files
from mainspring.actions.files.temporary import temporary_name


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def make_folder(folder: Path, *, at: int) -> Path:
    (folder / "empty").mkdir(parents=True)
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "run.sh").write_text("#!/bin/sh")
    (folder / "a" / "b" / "run.sh").chmod(0o700)
    (folder / "z.txt").write_text("z" * 10_000)
    (folder / "a" / "link").symlink_to("../z.txt")
    for path in folder.rglob("*"):
        os.utime(path, (at, at), follow_symlinks=False)
    return folder


@pytest.mark.parametrize("suffix", [".tar.gz", ".tgz", ".zip"])
def test_same_content_gives_the_same_bytes_and_comes_back(suffix: str, tmp_path: Path) -> None:
    """Times and the place of the folder do not count."""
    first = files.archive(make_folder(tmp_path / "one", at=1_000_000), tmp_path / f"1{suffix}")
    second = files.archive(make_folder(tmp_path / "two", at=9_000_000), tmp_path / f"2{suffix}")
    assert first.sha256 == second.sha256
    done = files.extract(f"1{suffix}", "out", root=tmp_path)
    out = tmp_path / "out"
    assert (done.entries, done.size, done.is_new) == (6, 10_009, True)
    assert listing(out) == listing(tmp_path / "one")
    assert stat.S_IMODE((out / "a" / "b" / "run.sh").stat().st_mode) & 0o100
    assert (out / "a" / "link").read_text() == "z" * 10_000
    again = files.extract(f"1{suffix}", "out", root=tmp_path)
    assert (again.size, again.is_new) == (10_009, False)


def test_folder_with_other_content_is_not_changed(tmp_path: Path) -> None:
    """The error names the first entry that differs."""
    files.archive(make_folder(tmp_path / "one", at=1), tmp_path / "1.zip")
    files.extract(tmp_path / "1.zip", tmp_path / "out")
    (tmp_path / "out" / "z.txt").write_text("changed")
    with pytest.raises(files.FileActionError, match=r"exists with other content\nat z\.txt"):
        files.extract(tmp_path / "1.zip", tmp_path / "out")
    assert (tmp_path / "out" / "z.txt").read_text() == "changed"


@pytest.mark.parametrize("kind", ["link out", "absolute link", "pipe", "socket", "itself", "format", "zip name"])
def test_folder_that_cannot_be_archived(kind: str, tmp_path: Path) -> None:
    """Nothing is written."""
    folder, to = tmp_path / "folder", tmp_path / "x.tar.gz"
    (folder / "below").mkdir(parents=True)
    message = "leads out of the folder"
    if kind == "link out":
        (folder / "below" / "l").symlink_to("../../x")
    elif kind == "absolute link":
        (folder / "below" / "l").symlink_to("/etc/passwd")
    elif kind == "pipe":
        os.mkfifo(folder / "p")
        message = "a pipe, a socket or a device"
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            os.chdir(folder)
            listener.bind("s")
        message = "a pipe, a socket or a device"
    elif kind == "itself":
        to, message = folder / "below" / "x.zip", "contain itself"
    elif kind == "format":
        to, message = tmp_path / "x.rar", "End it with .tar.gz, .tgz, .zip"
    else:
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).touch()
        to, message = tmp_path / "x.zip", "use .tar.gz"
    before = listing(tmp_path)
    with pytest.raises(files.FileActionError, match=message):
        files.archive(folder, to)
    assert listing(tmp_path) == before


@pytest.fixture(autouse=True)
def _folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def tar_of(*members: tuple[str, bytes, str | int]) -> bytes:
    """Members by name, type and link target or size."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz", format=tarfile.GNU_FORMAT) as tar:
        for name, kind, more in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            content = b""
            if isinstance(more, str):
                info.linkname = more
            else:
                content = b"x" * more
                info.size = more
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


def zip_of(*members: tuple[str, int, bytes]) -> bytes:
    """Members by name, mode and content."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, mode, content in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.create_system = 3
            info.compress_type = zipfile.ZIP_DEFLATED
            packed.writestr(info, content)
    return data.getvalue()


def damaged_zip(method: int) -> bytes:
    """A file that cannot be unpacked."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", method) as packed:
        packed.writestr("f", bytes(range(256)) * 20)
    damaged = bytearray(data.getvalue())
    damaged[50:120] = bytes(byte ^ 0xFF for byte in damaged[50:120])
    return bytes(damaged)


FILE, LINK, HARD, FOLDER = tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE
S_LINK, S_FILE = stat.S_IFLNK | 0o777, stat.S_IFREG | 0o644
EVIL: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "dots": ("x.tar.gz", lambda: tar_of(("a/../../x", FILE, 1)), "leads out of the folder"),
    "absolute": ("x.tar.gz", lambda: tar_of(("/tmp/x", FILE, 1)), "absolute path"),
    "link out": ("x.tar.gz", lambda: tar_of(("l", LINK, "../x")), "link that leads out"),
    "absolute link": ("x.tar.gz", lambda: tar_of(("l", LINK, "/etc")), "link that leads out"),
    "deep link": ("x.tar.gz", lambda: tar_of(("d/l", LINK, ".."), ("m", LINK, "d/l/../x")), "link that leads out"),
    "through link": ("x.tar.gz", lambda: tar_of(("d/y", FILE, 1), ("l", LINK, "d"), ("l/x", FILE, 1)), "twice"),
    "hard link": ("x.tar.gz", lambda: tar_of(("h", HARD, "/etc/passwd")), "not in the archive"),
    "hard link up": ("x.tar.gz", lambda: tar_of(("h", HARD, "../x.tar.gz")), "not in the archive"),
    "hard link to itself": ("x.tar.gz", lambda: tar_of(("h", HARD, "h")), "not in the archive"),
    "hard link to a folder": ("x.tar.gz", lambda: tar_of(("d", FOLDER, 0), ("h", HARD, "d")), "not in the archive"),
    "implied folders": ("x.tar.gz", lambda: tar_of(*((f"{n}{'/a' * 60}", FILE, 0) for n in (1, 2))), "100 entries"),
    "depth": ("x.tar.gz", lambda: tar_of(("a/" * 1200 + "f", FILE, 1)), "more than 200 folders deep"),
    "device": ("x.tar.gz", lambda: tar_of(("d", tarfile.CHRTYPE, 0)), "a device or a pipe"),
    "pipe": ("x.tar.gz", lambda: tar_of(("p", tarfile.FIFOTYPE, 0)), "a device or a pipe"),
    "twice": ("x.tar.gz", lambda: tar_of(("a", FILE, 1), ("a", FILE, 2)), "twice"),
    "bomb": ("x.tar.gz", lambda: tar_of(("a", FILE, 600_000), ("b", FILE, 600_000)), "more than 1,000,000 bytes"),
    "header": ("x.tar.gz", lambda: tar_of(("x" * 3_000_000, FILE, 1)), "a header of it has more than 2,097,152 bytes"),
    "many": ("x.tar.gz", lambda: tar_of(*((f"{n}", FILE, 0) for n in range(101))), "more than 100 entries"),
    "cut": ("x.tar.gz", lambda: tar_of(("a", FILE, 500_000))[:-200], "damaged"),
    "no archive": ("x.tar.gz", lambda: b"text", "damaged"),
    "no file name": ("x.tar.gz", lambda: tar_of(("./", FILE, 1)), "no name"),
    "zip dots": ("x.zip", lambda: zip_of(("../x", S_FILE, b"x")), "leads out of the folder"),
    "zip absolute": ("x.zip", lambda: zip_of(("/tmp/x", S_FILE, b"x")), "absolute path"),
    "zip link": ("x.zip", lambda: zip_of(("l", S_LINK, b"../x")), "link that leads out"),
    "zip bomb": ("x.zip", lambda: zip_of(("a", S_FILE, b"0" * 1_100_000)), "more than 1,000,000 bytes"),
    "zip device": ("x.zip", lambda: zip_of(("a", stat.S_IFCHR, b"")), "a device or a pipe"),
    "damaged zip": ("x.zip", lambda: damaged_zip(zipfile.ZIP_LZMA), "damaged"),
    "no zip": ("x.zip", lambda: b"text", "damaged"),
}


@pytest.mark.parametrize("case", EVIL)
def test_evil_archive_is_refused_as_a_whole(case: str, tmp_path: Path) -> None:
    """Nothing is extracted, inside or outside."""
    name, make, message = EVIL[case]
    (tmp_path / name).write_bytes(make())
    with pytest.raises(files.FileActionError, match=message) as caught:
        files.extract(name, "a/out", max_bytes=1_000_000, max_entries=100, make_folders=True)
    assert name in str(caught.value)
    assert listing(tmp_path) == sorted(["a", name])


def test_zip_whose_stated_size_is_a_lie_is_refused(tmp_path: Path) -> None:
    """The bytes that are read count."""
    data = bytearray(zip_of(("a", S_FILE, b"0" * 2_000_000)))
    size = (2_000_000).to_bytes(4, "little")
    data = bytearray(bytes(data).replace(size, (10).to_bytes(4, "little")))
    (tmp_path / "x.zip").write_bytes(data)
    with pytest.raises(files.FileActionError):
        files.extract("x.zip", "out", max_bytes=1_000)
    assert listing(tmp_path) == ["x.zip"]


def test_hard_link_and_inner_links_are_extracted(tmp_path: Path) -> None:
    """A hard link becomes a file of its own."""
    data = tar_of(("a", FILE, 3), ("d", FOLDER, 0), ("d/l", LINK, "../a"), ("h", HARD, "a"), ("d/m", HARD, "d/l"))
    (tmp_path / "x.tgz").write_bytes(data)
    files.extract("x.tgz", "out")
    assert [(tmp_path / "out" / name).read_text() for name in ("a", "d/l", "h", "d/m")] == ["xxx"] * 4
    assert not files.extract("x.tgz", "out").is_new


def test_hard_links_do_not_unpack_the_archive_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each link to a file before a large one would cost the large one once more."""
    links = [(f"{place}{n}", HARD, place) for n in range(10) for place in ("a", "b")]
    (tmp_path / "x.tgz").write_bytes(tar_of(("a", FILE, 3), ("large", FILE, 1_000_000), ("b", FILE, 3), *links))
    unpacked = []
    read = gzip.GzipFile.read

    def count(self: gzip.GzipFile, size: int | None = -1) -> bytes:
        unpacked.append(self.tell())
        return read(self, size)

    monkeypatch.setattr(gzip.GzipFile, "read", count)
    files.extract("x.tgz", "out")
    assert unpacked == sorted(unpacked)
    assert not files.extract("x.tgz", "out").is_new
    assert (tmp_path / "out" / "b9").read_text() == "xxx"


def test_folder_deeper_than_the_stack_is_archived(tmp_path: Path) -> None:
    """The walk needs no nested calls."""
    depth = 250
    Path("t", *["a"] * depth).mkdir(parents=True)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack(0)) + depth // 2)
    try:
        files.archive("t", "x.tar.gz")
    finally:
        sys.setrecursionlimit(limit)
    with tarfile.open("x.tar.gz") as packed:
        assert len(packed.getnames()) == depth


def test_leftover_of_a_killed_extraction_is_replaced(tmp_path: Path) -> None:
    """Its content does not appear in the result."""
    (tmp_path / "x.tgz").write_bytes(tar_of(("a", FILE, 3)))
    part = tmp_path / temporary_name("out", "folder")
    (part / "below").mkdir(parents=True)
    (part / "half").touch()
    files.extract("x.tgz", "out")
    assert listing(tmp_path) == ["out", "out/a", "x.tgz"]
