"""File actions are durable: content is on the disk before it gets its name, and each name before the action returns."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mainspring.actions import files
from mainspring.actions.files.temporary import is_temporary

Identity = tuple[int, int]


class Disk:
    """What a loss of power would undo: files with unwritten content, and folders with unwritten names.

    Names of temporary files do not count: it does no harm if one comes back or is lost.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.lost: dict[Identity, str] = {}
        self.published_early: list[str] = []
        self._original = {name: getattr(os, name) for name in ("write", "fsync", "stat")}
        patch.setattr(os, "write", self._write)
        patch.setattr(os, "fsync", self._fsync)
        for name in ("rename", "link"):
            patch.setattr(os, name, self._follow_names(getattr(os, name)))
        for name in ("mkdir", "rmdir", "unlink"):
            patch.setattr(os, name, self._follow_name(getattr(os, name)))
        patch.setattr(os, "symlink", self._follow_link(os.symlink))

    def _identify(self, target: Any, folder: int | None = None) -> Identity:
        status = self._original["stat"](target, dir_fd=folder, follow_symlinks=False)
        return status.st_dev, status.st_ino

    def _change(self, name: str | Path, folder: int | None) -> None:
        path = Path(os.fsdecode(name))
        if not is_temporary(path.name):
            where = self._identify(path.parent if folder is None else f"/proc/self/fd/{folder}/.")
            self.lost[where] = f"the name {path.name}"

    def _write(self, descriptor: int, data: Any) -> int:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            self.lost[status.st_dev, status.st_ino] = "content"
        return self._original["write"](descriptor, data)

    def _fsync(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        self.lost.pop((status.st_dev, status.st_ino), None)
        self._original["fsync"](descriptor)

    def _follow_names(self, call: Callable[..., None]) -> Callable[..., None]:
        def follow(old: Any, new: Any, *, src_dir_fd: int, dst_dir_fd: int, **options: Any) -> None:
            if self._identify(old, src_dir_fd) in self.lost:
                self.published_early.append(new)
            call(old, new, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, **options)
            self._change(old, src_dir_fd)
            self._change(new, dst_dir_fd)

        return follow

    def _follow_name(self, call: Callable[..., None]) -> Callable[..., None]:
        def follow(name: Any, *args: Any, dir_fd: int | None = None) -> None:
            call(name, *args, dir_fd=dir_fd)
            self._change(name, dir_fd)

        return follow

    def _follow_link(self, call: Callable[..., None]) -> Callable[..., None]:
        def follow(target: str, name: Any, *, dir_fd: int) -> None:
            call(target, name, dir_fd=dir_fd)
            self._change(name, dir_fd)

        return follow


def make_folder(folder: Path) -> Path:
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "c.txt").write_text("c")
    (folder / "a" / "link").symlink_to("b/c.txt")
    return folder


def make_archive(folder: Path) -> Path:
    files.archive(make_folder(folder / "packed"), folder / "packed.zip")
    return folder / "packed.zip"


def make_file(path: Path) -> Path:
    path.write_text("text")
    return path


CASES: dict[str, tuple[Callable[[Path], Path], Callable[[Path, Path], object]]] = {
    "write": (make_file, lambda there, new: files.write(new, "text")),
    "write below new folders": (make_file, lambda there, new: files.write(new / "a" / "b", "x", make_folders=True)),
    "write below a root": (
        make_file,
        lambda there, new: files.write("new/a/b", "x", root=new.parent, make_folders=True),
    ),
    "replace": (make_file, lambda there, new: files.write(there, "other")),
    "copy": (make_file, lambda there, new: files.copy(there, new)),
    "move": (make_file, lambda there, new: files.move(there, new)),
    "move to another folder": (make_file, lambda there, new: files.move(there, new / "a", make_folders=True)),
    "move a folder": (make_folder, lambda there, new: files.move(there, new)),
    "rename": (make_file, lambda there, new: files.rename(there, "new")),
    "ensure_folder": (make_file, lambda there, new: files.ensure_folder(new / "a" / "b")),
    "ensure_folder below a root": (make_file, lambda there, new: files.ensure_folder("new/a", root=new.parent)),
    "ensure_folder of a root": (make_file, lambda there, new: files.ensure_folder(".", root=new / "a")),
    "remove": (make_file, lambda there, new: files.remove(there)),
    "remove a folder": (make_folder, lambda there, new: files.remove(there, recursive=True)),
    "archive": (make_folder, lambda there, new: files.archive(there, new.with_suffix(".tgz"))),
    "extract": (lambda path: make_archive(path.parent), lambda there, new: files.extract(there, new)),
    "prune": (make_file, lambda there, new: files.prune(there.parent, keep=0)),
}


@pytest.mark.parametrize("case", CASES)
def test_action_is_on_the_disk_when_it_returns(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No content is published before it is written, and no folder has a name that a loss of power would undo."""
    prepare, call = CASES[case]
    there = prepare(tmp_path / "there")
    disk = Disk(monkeypatch)
    call(there, tmp_path / "new")
    existing = {(status.st_dev, status.st_ino) for status in map(os.lstat, (tmp_path, *tmp_path.rglob("*")))}
    assert {lost for identity, lost in disk.lost.items() if identity in existing} == set()
    assert disk.published_early == []


AFTER_A_KILL = ["write", "copy", "move", "move a folder", "rename", "remove", "remove a folder", "archive", "extract"]


@pytest.mark.parametrize(
    ("case", "folder"),
    [*((case, ".") for case in AFTER_A_KILL), ("ensure_folder", "new/a"), ("ensure_folder below a root", "new")],
)
def test_second_call_syncs_the_folder(case: str, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed call may have changed a name without a sync."""
    prepare, call = CASES[case]
    there = prepare(tmp_path / "there")
    call(there, tmp_path / "new")
    synced: list[Identity] = []

    def sync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        synced.append((status.st_dev, status.st_ino))

    monkeypatch.setattr(os, "fsync", sync)
    call(there, tmp_path / "new")
    status = (tmp_path / folder).stat()
    assert (status.st_dev, status.st_ino) in synced
