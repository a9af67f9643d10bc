"""Places of files: a path, taken apart and confined by its root, and the open folder that it is in.

Invariant: with a root, each folder is opened from the one above it, and a link is never followed, not even one that is put in the place of
a folder meanwhile. Without a root the folders of the path may be links.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from mainspring.actions.files.file_errors import (
    FileActionError,
    PathOutsideRootError,
    describe_errors,
    locate_root,
)
from mainspring.domain.values.file import File
from mainspring.triggers.files.folder import open_folder, printable_path

FilePath = str | File | os.PathLike[str]
"""A path, or a file that an action or a trigger returned."""

_READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
"""A FIFO does not block."""


class Root(msgspec.Struct, frozen=True):
    """The folder that confines an action: relative paths count from it, and no path leads out of it."""

    path: str


RootPath = Root | FilePath | None


class Place(NamedTuple):
    """An entry in an open folder; `place.name` is one name, `text` the whole path for errors."""

    folder: int
    name: str
    text: str
    root: str | None

    def status(self) -> os.stat_result | None:
        """Return the stat result of the entry itself; None if it does not exist."""
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def require_replaceable(self) -> os.stat_result | None:
        """Return the status of an entry that a file may replace: a file or a link; None without one.

        Raises:
            OSError: it is a folder, a pipe, a socket or a device; or, without a root, a link to one of the last three.
        """
        status = self.status()
        if status is None:
            return None
        kind = status.st_mode
        if stat.S_ISDIR(kind):
            raise OSError(errno.EISDIR, "it is a folder")
        if stat.S_ISLNK(kind) and self.root is None:
            with contextlib.suppress(OSError):
                kind = os.stat(self.name, dir_fd=self.folder).st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISLNK(kind) or stat.S_ISDIR(kind)):
            raise OSError(errno.EINVAL, f"{printable_path(self.name)} is not a regular file")
        return status

    def is_at(self, other: "Place") -> bool:
        """Return whether both are one name in one folder."""
        own, its = os.fstat(self.folder), os.fstat(other.folder)
        return (self.name, own.st_dev, own.st_ino) == (other.name, its.st_dev, its.st_ino)

    def open_file(self) -> int:
        """Return the descriptor of the regular file for reading.

        Raises:
            FileActionError, FileUnavailableError: it cannot be read, or is no regular file.
        """
        flags = _READ_FLAGS | (os.O_NOFOLLOW if self.root is not None else 0)
        with describe_errors("read", self.text, self.root):
            descriptor = os.open(self.name, flags, dir_fd=self.folder)
            kind = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(kind):
                os.close(descriptor)
                raise OSError(errno.EISDIR if stat.S_ISDIR(kind) else errno.EINVAL, "it is not a regular file")
            return descriptor


class Target(NamedTuple):
    """A path, taken apart: `parts` below `base`. Without a root, `base` is the folder that the path names."""

    base: str
    parts: tuple[str, ...]
    text: str
    root: str | None

    @property
    def absolute(self) -> str:
        """The absolute path."""
        return str(Path(self.base).absolute().joinpath(*self.parts))

    @contextlib.contextmanager
    def open(self, verb: str, *, make_folders: bool = False) -> Iterator[Place]:
        """Yield the place of the path; `verb` names the action in errors.

        Raises:
            FileActionError, FileUnavailableError: the folder cannot be opened, or the action raised an OSError.
        """
        if not self.parts:
            raise FileActionError(
                f"cannot {verb} {printable_path(self.text) or 'an empty path'}: it names no entry of a folder"
                f"{locate_root(self.root)}",
                hint="Write the path with its last name.",
            )
        with describe_errors(verb, self.text, self.root):
            if make_folders and self.root is None:
                make_folder(Path(self.base))
            with self._open_parent(make_folders=make_folders) as folder:
                yield Place(folder, self.parts[-1], self.text, self.root)

    @contextlib.contextmanager
    def _open_parent(self, *, make_folders: bool) -> Iterator[int]:
        parents = self.parts[:-1]
        with contextlib.ExitStack() as stack:
            try:
                folder = stack.enter_context(open_folder(self.base, parents, make=0o777 if make_folders else None))
            except OSError as error:
                if self.root is not None and error.errno in (errno.ENOTDIR, errno.ELOOP):
                    self._refuse_link(parents)
                if self.root is not None and not os.path.lexists(self.root):
                    raise FileActionError(
                        f"the root {printable_path(self.root)} of {printable_path(self.text)} does not exist",
                        hint="Create it, or correct root=: an action creates folders below its root only.",
                    ) from None
                raise
            yield folder

    def _refuse_link(self, parents: tuple[str, ...]) -> None:
        """Raise the error for the first folder of the path that is a link, if there is one."""
        for number in range(1, len(parents) + 1):
            link = Path(self.base).joinpath(*parents[:number])
            if link.is_symlink():
                raise PathOutsideRootError(
                    f"the path {printable_path(self.text)} leads through the link {printable_path(str(link))}"
                    f"{locate_root(self.root)}",
                    hint="With root= no link is followed. Name the real path, or another root.",
                )


def read_target(path: FilePath, root: RootPath) -> Target:
    """Return a path, taken apart.

    Raises:
        FileActionError: it is no path.
        PathOutsideRootError: it leads out of the root.
    """
    if not isinstance(path, str | File | os.PathLike):
        raise FileActionError(
            f"{path!r} is not a path (got {type(path).__name__})", hint='Write text, such as "reports/today.csv".'
        )
    text = os.fsdecode(path)
    if not text or "\0" in text or not _has_bytes(text):
        raise FileActionError(f"{text!r} is not a path", hint='Write a path, such as "reports/today.csv".')
    if root is None:
        folder, name = os.path.split(text.rstrip("/"))
        if name in ("", ".", ".."):
            return Target(text, (), text, None)
        return Target(folder or ".", (name,), text, None)
    base = os.path.normpath(Path(root.path if isinstance(root, Root) else root).absolute())
    parts = _split(text)
    if text.startswith("/"):
        above = _split(base)
        if parts[: len(above)] != above:
            raise _outside_error(text, base)
        parts = parts[len(above) :]
    if ".." in parts:
        raise _outside_error(text, base)
    return Target(base, tuple(parts), text, base)


def make_folder(path: Path) -> bool:
    """Create a folder and those above it, with their names on the disk; return whether this call created it. Raises OSError."""
    if path.is_dir():
        return False
    if path.parent != path:
        make_folder(path.parent)
    try:
        path.mkdir()
    except FileExistsError:
        if not path.is_dir():
            raise OSError(errno.ENOTDIR, "it exists, and is not a folder") from None
        return False
    with open_folder(str(path.parent)) as above:
        os.fsync(above)
    return True


def folder_target(path: FilePath, root: RootPath) -> Target:
    """Return a path that names a folder: `base` and `parts` lead to the folder itself, which may be the root.

    Raises:
        FileActionError, PathOutsideRootError: as `read_target`.
    """
    target = read_target(path, root)
    return target if root is not None else Target(target.text, (), target.text, None)


def _has_bytes(text: str) -> bool:
    """Return whether a disk can have this name; a lone surrogate that stands for no byte has none."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def _split(text: str) -> list[str]:
    return [part for part in text.split("/") if part not in ("", ".")]


def _outside_error(text: str, base: str) -> PathOutsideRootError:
    return PathOutsideRootError(
        f"the path {printable_path(text)} leads out of its root\nin the root {printable_path(base)}",
        hint="Write a path below the root, without `..`.",
    )
