"""Files are written and copied at once and whole, whatever their names, and only below their root."""

import os
import random
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from mainspring.actions import files
from mainspring.actions.files.temporary import is_temporary, temporary_name
from mainspring.domain.errors import OptionError, Transient, UnknownNameError
from mainspring.domain.failures.classifier import FailureKind, classify
from mainspring.store import failpoints


def listing(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_write_replaces_the_content_and_leaves_nothing_else(tmp_path: Path) -> None:
    """The result describes the file."""
    path = tmp_path / "a.txt"
    first = files.write(path, "one")
    second = files.write(path, b"two\xff")
    assert (first.size, second.size, path.read_bytes()) == (3, 4, b"two\xff")
    assert second.as_path() == path
    assert second.sha256 == files.checksum(path)
    assert listing(tmp_path) == ["a.txt"]


def test_second_write_changes_nothing(tmp_path: Path) -> None:
    """Not even the time of the file, so that no program that watches it starts again."""
    path = tmp_path / "a.txt"
    files.write(path, "one")
    os.utime(path, ns=(1, 1))
    before = path.stat()
    files.write(path, "one")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, 1)


def test_write_keeps_the_rights_of_the_file(tmp_path: Path) -> None:
    """A new file has those of the umask, `mode=` sets others."""
    path = tmp_path / "a.txt"
    files.write(path, "one", mode=0o600)
    files.write(path, "two")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (tmp_path / "usual").touch()
    files.write(tmp_path / "new", "x")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_write_replaces_a_link_and_not_its_target(tmp_path: Path) -> None:
    """What the link names stays."""
    (tmp_path / "secret").write_text("keep")
    (tmp_path / "link").symlink_to("secret")
    files.write(tmp_path / "link", "new")
    assert ((tmp_path / "secret").read_text(), (tmp_path / "link").read_text()) == ("keep", "new")


def hostile_names() -> list[bytes]:
    """Names with newlines, bytes that are not UTF-8, dashes, dots, blanks, directions, 255 bytes."""
    generator = random.Random(7)
    fixed = [b"-rf", b"--help", b" ", b"  x ", b"...", b"a\nb", b"\n", b"\xff\xfe", b"\xe2\x80\xae.txt", b"a" * 255]
    fixed += [b"\xf0\x9f\x92\xa9" * 63, b"*", b"?", b"$(x)", b"`x`", b"'", b'"', b"\\", b"\x01\x1b[31m", b"~", b"con"]
    letters = [bytes([byte]) for byte in range(1, 256) if byte != 0x2F]
    generated = {b"".join(generator.choices(letters, k=generator.randint(1, 255))) for _ in range(1_100)}
    return sorted({*fixed, *generated} - {b".", b".."})[:1_050]


def test_hostile_names_are_written_copied_moved_and_packed(tmp_path: Path) -> None:
    """At least 1,000 of them, each with its own content, with and without a root."""
    names = hostile_names()
    assert len(names) >= 1_000
    source, copies = tmp_path / "source", tmp_path / "copies"
    source.mkdir()
    copies.mkdir()
    for number, name in enumerate(names):
        path = os.fsdecode(name)
        files.write(path, f"{number}", root=source)
        assert files.checksum(path, root=source) == files.checksum(f"{source}/{path}")
        files.copy(f"source/{path}", f"copies/{path}", root=tmp_path)
        if number % 2:
            files.move(copies / path, source / f"{number}")
            files.move(source / f"{number}", copies / path)
    assert {path: Path(copies, path).read_text() for path in listing(copies)} == {
        os.fsdecode(name): f"{number}" for number, name in enumerate(names)
    }
    files.archive(source, tmp_path / "all.tar.gz")
    files.extract(tmp_path / "all.tar.gz", tmp_path / "out")
    twin = files.archive(tmp_path / "out", tmp_path / "twin.tar.gz")
    assert twin.sha256 == files.checksum(tmp_path / "all.tar.gz")
    assert sorted(os.fsencode(name) for name in listing(tmp_path / "out")) == sorted(names)


@pytest.mark.parametrize(
    "path", ["../x", "a/../../x", "/etc/x", "a/..", "..", "link/x", "link/below/x", "./../x", "/root-twin/x"]
)
def test_path_outside_of_the_root_is_refused(path: str, tmp_path: Path) -> None:
    """By dots, as an absolute path, and through a link; the error names the path and the root."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    (outside / "below").mkdir(parents=True)
    root.mkdir()
    (root / "link").symlink_to(outside)
    (root / "a").mkdir()
    for action in (lambda: files.write(path, "x", root=root), lambda: files.remove(path, root=files.Root(str(root)))):
        with pytest.raises(files.PathOutsideRootError) as caught:
            action()
        assert path.rstrip("x") in str(caught.value)
        assert f"in the root {root}" in str(caught.value)
        assert caught.value.hint
    assert listing(outside) == ["below"]


def test_absolute_path_below_the_root_is_accepted(tmp_path: Path) -> None:
    """A file that a trigger returned has one."""
    file = files.write("a/b.txt", "x", root=tmp_path, make_folders=True)
    assert files.checksum(file, root=tmp_path) == file.sha256
    with pytest.raises(files.PathOutsideRootError):
        files.checksum(file, root=tmp_path / "a" / "b")


def test_file_that_is_a_link_is_not_read_below_a_root(tmp_path: Path) -> None:
    """It could lead to any file of the machine."""
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(files.FileActionError, match="in the root"):
        files.checksum("link", root=tmp_path)
    with pytest.raises(files.FileActionError, match="in the root"):
        files.copy("link", "copy", root=tmp_path)


def test_link_that_replaces_a_folder_meanwhile_is_not_followed(tmp_path: Path) -> None:
    """The folder was opened before: what is written lands in it, wherever its name leads now."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "a").mkdir(parents=True)
    outside.mkdir()

    def swap(place: str) -> None:
        if place == "files.written":
            (root / "a").rename(root / "b")
            (root / "a").symlink_to(outside)

    failpoints.install(swap)
    try:
        files.write("a/x", "text", root=root)
    finally:
        failpoints.install(None)
    assert (listing(outside), listing(root / "b")) == ([], ["x"])


KILLED = """
import os, sys
from mainspring.actions import files
from mainspring.store import failpoints
failpoints.install(lambda place: os.kill(os.getpid(), 9) if place == "files.written" else None)
files.write(sys.argv[1], "new")
"""


def test_temporary_file_of_a_killed_call_is_removed_by_the_next(tmp_path: Path) -> None:
    """The old content stays until then, and the temporary name is recognisable."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert path.read_text() == "old"
    assert [is_temporary(name) for name in listing(tmp_path)] == [True, False]
    files.write(path, "next")
    assert listing(tmp_path) == ["a.txt"]


def test_two_calls_for_one_path_wait_for_each_other(tmp_path: Path) -> None:
    """Each content is whole, whichever comes last."""
    texts = [letter * 300_000 for letter in "abcdefgh"]
    threads = [threading.Thread(target=files.write, args=(tmp_path / "x", text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "x").read_text() in texts
    assert listing(tmp_path) == ["x"]


def test_foreign_temporary_name_is_not_written_through(tmp_path: Path) -> None:
    """A hard link or link under the temporary name does not let a call change another file."""
    (tmp_path / "other").write_text("keep")
    os.link(tmp_path / "other", tmp_path / temporary_name("x"))
    files.write(tmp_path / "x", "new")
    assert (tmp_path / "other").read_text() == "keep"
    (tmp_path / temporary_name("y")).symlink_to("other")
    with pytest.raises(files.FileActionError):
        files.write(tmp_path / "y", "new")
    assert (tmp_path / "other").read_text() == "keep"


def test_copy_refuses_to_replace_other_content(tmp_path: Path) -> None:
    """Unless it may; the rights and the time of the source are copied."""
    (tmp_path / "a").write_text("a")
    (tmp_path / "a").chmod(0o640)
    os.utime(tmp_path / "a", ns=(5, 5))
    (tmp_path / "b").write_text("b")
    with pytest.raises(files.FileActionError, match="the target exists with other content") as caught:
        files.copy(tmp_path / "a", tmp_path / "b")
    assert "replace=True" in str(caught.value)
    files.copy(tmp_path / "a", tmp_path / "b", replace=True)
    status = (tmp_path / "b").stat()
    assert ((tmp_path / "b").read_text(), stat.S_IMODE(status.st_mode), status.st_mtime_ns) == ("a", 0o640, 5)
    assert listing(tmp_path) == ["a", "b"]


def test_copy_of_a_file_that_changes_is_not_published(tmp_path: Path) -> None:
    """It can be tried again."""
    (tmp_path / "a").write_text("a")

    class Stamp:
        """Each stamp differs from the one before."""

        of = staticmethod(lambda status: object())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mainspring.actions.files.content.FileStamp", Stamp)
        with pytest.raises(Transient, match="another program writes to it"):
            files.copy(tmp_path / "a", tmp_path / "b")
    assert listing(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda folder: files.write(folder / "no" / "x", "x"),
            "no does not exist. Check the path, or create it: files.ensure_folder",
        ),
        (lambda folder: files.rename(folder / "y", "z"), "has no 'y'"),
        (lambda folder: files.write(folder / "folder", "x"), "it is a folder"),
        (lambda folder: files.write(folder / "file" / "x", "x"), "Name a real folder"),
        (lambda folder: files.write(folder / ("x" * 256), "x"), "at most 255 bytes"),
        (lambda folder: files.write("", "x"), "is not a path"),
        (lambda folder: files.write("a\0b", "x"), "is not a path"),
        (lambda folder: files.write("\ud800x", "x"), r"is not a path \(a lone surrogate at character 0\)"),
        (lambda folder: files.copy(folder / "file", folder / "x\ud800"), "a lone surrogate"),
        (lambda folder: files.move("\ud800x", folder / "x"), "a lone surrogate"),
        (lambda folder: files.rename(folder / "file", "\ud800x"), "a lone surrogate"),
        (lambda folder: files.rename(folder / "file", "a\0b"), r"^name=.* is not a path \(a NUL\)"),
        (lambda folder: files.rename(folder / "file", cast("Any", 7)), r"is not a path \(got int\)"),
        (lambda folder: files.prune("\ud800x", keep=1), "a lone surrogate"),
        (lambda folder: files.write("x", "x", root=folder / "\ud800x"), r"^root=.*\(a lone surrogate"),
        (lambda folder: files.write("x", "x", root=cast("Any", 7)), r"^root=7 is not a path \(got int\)"),
        (lambda folder: files.write("x", "x", root="a\0b"), "^root=.* is not a path"),
        (lambda folder: files.write(folder / "x", "\udcff"), "cannot be written as utf-8"),
        (lambda folder: files.copy(folder / "no", folder / "x"), "cannot read .*/no: No such file"),
        (lambda folder: files.checksum(folder / "folder"), "not a regular file"),
    ],
)
def test_error_names_path_and_fix(call, message: str, tmp_path: Path) -> None:
    """Nothing is half done."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(files.FileActionError, match=message) as caught:
        call(tmp_path)
    assert caught.value.hint
    assert listing(tmp_path) == ["file", "folder"]


@pytest.mark.parametrize("name", ["sha255", 255, ["sha256"]])
def test_unknown_algorithm_is_named(tmp_path: Path, name: Any) -> None:
    """With the nearest one."""
    with pytest.raises(UnknownNameError, match="sha256"):
        files.checksum(tmp_path / "x", name)


@pytest.mark.parametrize("encoding", ["uft-8", "base64", "a\0b", 8])
def test_unknown_encoding_is_named(tmp_path: Path, encoding: Any) -> None:
    """The error names the argument and a value that works."""
    with pytest.raises(OptionError, match=r'encoding=.*is not an encoding of text\nWrite encoding="utf-8"'):
        files.write(tmp_path / "x", "x", encoding=encoding)
    assert listing(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_permission_denied_names_user_and_folder(tmp_path: Path) -> None:
    """In a process of a user without rights."""
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        if folder.owner() == "root" and folder.name.startswith("pytest-"):
            folder.chmod(0o755)
    code = f"from mainspring.actions import files\nfiles.write({str(tmp_path / 'x')!r}, 'x')"
    drop = f"import os; os.setgroups([]); os.setgid(65534); os.setuid(65534)\nimport sys; sys.path[:0] = {sys.path!r}\n"
    done = subprocess.run(
        [sys.executable, "-c", f"import mainspring.actions.files\n{drop}{code}"], capture_output=True, check=False
    )
    assert b"Permission denied" in done.stderr, done.stderr
    assert b"Let the user" in done.stderr
    assert listing(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_full_disk_leaves_the_old_content(tmp_path: Path) -> None:
    """The write can be tried again, and no part of it is left."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False).returncode != 0:
        pytest.skip("tmpfs cannot be mounted here")
    try:
        files.write(disk / "a", "old")
        big = b"x" * (2 * 1024 * 1024)
        (tmp_path / "big").write_bytes(big)
        files.archive(make_random(tmp_path / "random"), tmp_path / "random.zip")
        for call in (
            lambda: files.write(disk / "a", big),
            lambda: files.copy(tmp_path / "big", disk / "b"),
            lambda: files.move(tmp_path / "big", disk / "b"),
            lambda: files.archive(tmp_path / "random", disk / "random.zip"),
            lambda: files.extract(tmp_path / "random.zip", disk / "random"),
        ):
            with pytest.raises(files.FileUnavailableError, match="Free space on this disk") as caught:
                call()
            assert classify(caught.value).kind is FailureKind.TRANSIENT
            assert (listing(disk), (disk / "a").read_text()) == (["a"], "old")
        assert (tmp_path / "big").read_bytes() == big
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def make_random(folder: Path) -> Path:
    """A folder that cannot be compressed."""
    folder.mkdir()
    (folder / "x").write_bytes(random.Random(1).randbytes(2 * 1024 * 1024))
    return folder
