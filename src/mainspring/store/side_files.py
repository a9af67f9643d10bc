"""Side files: files and folders of Mainspring beside a store. They belong to the owner of the store.

SQLite gives its write-ahead log to the owner of the database, so that a command of root leaves no file that the owner
cannot use. Mainspring does the same with its files, its folders, and a new store in another user's folder. Modes are
set explicitly, independent of the umask. Only new files change their owner.

An owner may be hostile. Root gives files away only in a folder where that owner may create files, and never writes
through a link with the name of a side file.
"""

import contextlib
import errno
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

STATE_HOME_HINT = (
    "Processes of this machine meet there. Name a folder that this user may write: XDG_STATE_HOME, or HOME."
)
_LONGEST_PATH = 300
_NEW = os.O_CREAT | os.O_EXCL
_ALWAYS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
"""A special file under the name of a side file is neither followed nor waited for (a pipe would block)."""


def open_side_file(path: Path, flags: int, *, store: Path | None = None) -> int:
    """Open a file, creating it if missing, for its owner alone; `store` = the store's file beside it, if known.

    Raises:
        OSError: it cannot be opened or created, or is a symbolic link.
    """
    try:
        return _open(path, flags)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):  # another process was faster
            return create_side_file(path, flags, store=store)
    return _open(path, flags | os.O_CREAT)


def create_side_file(path: Path, flags: int, *, store: Path | None = None) -> int:
    """Create a file as `open_side_file` does, and open it.

    Raises:
        FileExistsError: it exists already.
        OSError: it cannot be created.
    """
    with _opened_parent(path) as parent:
        descriptor = os.open(path.name, flags | _NEW | _ALWAYS, 0o600, dir_fd=parent)
        try:
            _settle(descriptor, 0o600, parent, store)
        except BaseException:
            os.close(descriptor)
            raise
    return descriptor


def make_side_folder(folder: Path, *, store: Path | None = None, base: Path | None = None) -> None:
    """Create a folder that only its owner may enter, and its parent folders, unless it exists.

    `base` = the folder of a store: it is not created, because its disk may not be mounted.

    Raises:
        OSError: it cannot be created.
    """
    if base is not None and base in (folder, *folder.parents) and not base.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the folder of the store does not exist", str(base))
    _make_folder(folder, 0o700, store)


def describe_owner(path: Path, subject: str = "it") -> str:
    """Return owner and mode of a file or folder as text; if it cannot be reached, of the folder that keeps this user
    out.
    """
    for place in (path, *path.parents):
        with contextlib.suppress(OSError):
            status = place.stat()
            label = subject if place == path else str(place)
            return f"{label} belongs to {user_word(status.st_uid, 'user ')}, mode {stat.S_IMODE(status.st_mode):04o}"
    return "its owner is not known"


def shorten(path: str) -> str:
    """Return a path for people: a very long one without its middle."""
    return path if len(path) <= _LONGEST_PATH else f"{path[: _LONGEST_PATH - 40]}...{path[-40:]}"


def user_word(uid: int, mark: str = "") -> str:
    """Return a user as commands accept one: the name, or `mark` and the number of one without a name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"{mark}{uid}"


def _open(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags | _ALWAYS, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP and path.is_symlink():
            raise OSError(errno.ELOOP, "it is a symbolic link, which is not followed here", str(path)) from None
        raise


@contextlib.contextmanager
def _opened_parent(path: Path) -> Iterator[int]:
    """Open the parent folder of `path`, so that owner and place are of one folder even if the name is reused later."""
    descriptor = os.open(path.parent, getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _make_folder(folder: Path, mode: int, store: Path | None) -> None:
    if os.path.isdir(folder):  # noqa: PTH112 - no error on EACCES, which opening its folder reports
        return
    if not os.path.lexists(folder.parent):
        _make_folder(folder.parent, 0o777, store)
    with _opened_parent(folder) as parent:
        try:
            os.mkdir(folder.name, mode, dir_fd=parent)
        except FileExistsError:
            if not folder.is_dir():
                raise
            return
        descriptor = _open_folder(folder.name, parent)
        try:
            _settle(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) | 0o700, parent, store)
        finally:
            os.close(descriptor)


def _open_folder(name: str, parent: int) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | _ALWAYS
    try:
        return os.open(name, flags, dir_fd=parent)
    except PermissionError:  # the umask took its owner's rights away
        os.chmod(name, 0o700, dir_fd=parent)
        return os.open(name, flags, dir_fd=parent)


def _settle(descriptor: int, mode: int, parent: int, store: Path | None) -> None:
    """Set the mode of a new file. If root created it, give it to the owner of the store, else of its folder."""
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
        os.fchmod(descriptor, mode)
    if os.geteuid() != 0:
        return
    with contextlib.suppress(OSError):  # a file system without owners, or one that does not let root choose them
        folder = os.fstat(parent)
        owner = _owner_of(folder, store)
        if owner.st_uid != 0 and _may_write(folder, owner):
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _owner_of(folder: os.stat_result, store: Path | None) -> os.stat_result:
    if store is not None:
        with contextlib.suppress(FileNotFoundError):
            return store.stat()
    return folder


def _may_write(folder: os.stat_result, owner: os.stat_result) -> bool:
    """Tell whether the user and the group of `owner` may create files in a folder."""
    if folder.st_uid == owner.st_uid:
        return True
    shared = stat.S_IWOTH | (stat.S_IWGRP if folder.st_gid == owner.st_gid else 0)
    return bool(folder.st_mode & shared)
