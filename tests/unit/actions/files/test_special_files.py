"""Pipes, sockets and devices are never replaced by a file."""

import contextlib
import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mainspring.actions import backup, files, git
from mainspring.actions.git.git_errors import GitActionError


@pytest.fixture(params=["pipe", "socket", "device", "link to a pipe"])
def special(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A path that is no regular file, and does not become one."""
    path = tmp_path / "special.tar.gz"
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "socket":
        with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(tmp_path):  # a whole path may be too long
            listener.bind(path.name)
    elif request.param == "device":
        if os.geteuid() != 0:
            pytest.skip("only root may make a device")
        try:
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
        except OSError:
            pytest.skip("devices cannot be made here")
    else:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to("pipe")
    before = path.lstat()
    yield path
    after = path.lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)


WRITERS = {
    "write": lambda folder, to: files.write(to, "new"),
    "write with a mode": lambda folder, to: files.write(to, b"", mode=0o644),
    "copy": lambda folder, to: files.copy(folder / "file", to, replace=True),
    "move": lambda folder, to: files.move(folder / "file", to, replace=True),
    "rename": lambda folder, to: files.rename(folder / "file", to.name, replace=True),
    "archive": lambda folder, to: files.archive(folder / "packed", to),
    "backup": lambda folder, to: backup.sqlite(folder / "file", to=to),
}


@pytest.mark.parametrize("name", WRITERS)
def test_special_file_is_not_replaced(name: str, special: Path, tmp_path: Path) -> None:
    """Not even by a call that may replace files; the source stays as well."""
    (tmp_path / "file").write_text("content")
    (tmp_path / "packed").mkdir()
    before = sorted(os.listdir(tmp_path))
    call: Callable[[Path, Path], object] = WRITERS[name]
    with pytest.raises(files.FileActionError, match="is not a regular file") as caught:
        call(tmp_path, special)
    assert special.name in str(caught.value)
    assert caught.value.hint
    assert (sorted(os.listdir(tmp_path)), (tmp_path / "file").read_text()) == (before, "content")


@pytest.mark.parametrize("name", ["copy", "move"])
def test_special_file_is_not_taken_for_other_content(name: str, special: Path, tmp_path: Path) -> None:
    """Without `replace=True` the error is the same where the entry is no link."""
    (tmp_path / "file").write_text("content")
    with pytest.raises(files.FileActionError):
        getattr(files, name)(tmp_path / "file", special)
    assert (tmp_path / "file").read_text() == "content"


def test_special_file_is_not_a_folder(special: Path, tmp_path: Path) -> None:
    """An extraction and a checkout need a folder, or no entry."""
    (tmp_path / "packed").mkdir()
    files.archive(tmp_path / "packed", tmp_path / "packed.zip")
    with pytest.raises(files.FileActionError, match="is not a folder"):
        files.extract(tmp_path / "packed.zip", special)
    with pytest.raises((GitActionError, files.FileActionError)):
        git.checkout("https://git.example.com/team/site.git", special)
