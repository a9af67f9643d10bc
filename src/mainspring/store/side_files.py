"""Side files: the files and folders that Mainspring keeps beside a store. They belong to the owner of the store.

SQLite gives its write-ahead log to the owner of the database, so that a command of root leaves nothing behind that the owner cannot use.
What Mainspring makes goes the same way: its files, its folders, and a new store in another user's folder. Modes are set explicitly,
whatever the umask is. Only what is made here changes its owner, never what was there before.
"""

import contextlib
import os
import pwd
import stat
from pathlib import Path

STATE_HOME_HINT = (
    "Processes of this machine meet there. Name a folder that this user may write: XDG_STATE_HOME, or HOME."
)
_LONGEST_SHOWN = 300
_NEW = os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW


def open_side_file(path: Path, flags: int, *, store: Path | None = None) -> int:
    """Open a file, made where it is missing, for its owner alone; `store` = the file beside which it lies, if that is known.

    Raises:
        OSError: it cannot be opened or made.
    """
    try:
        return os.open(path, flags | os.O_CLOEXEC)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):  # another process was faster, or a link leads to nothing
            return create_side_file(path, flags, store=store)
    return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o600)


def create_side_file(path: Path, flags: int, *, store: Path | None = None) -> int:
    """Make a file as `open_side_file` does, and open it.

    Raises:
        FileExistsError: it is there already.
        OSError: it cannot be made.
    """
    descriptor = os.open(path, flags | _NEW, 0o600)
    try:
        _settle(descriptor, 0o600, path.parent, store)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def make_side_folder(folder: Path, *, store: Path | None = None) -> None:
    """Make a folder that only its owner may enter, and the folders above it; nothing is done where it is there.

    Raises:
        OSError: it cannot be made.
    """
    _make_folder(folder, 0o700, store)


def describe_owner(path: Path, subject: str = "it") -> str:
    """Say whose a file or folder is and what its mode is; where it cannot be reached, of the folder that keeps this user out."""
    for place in (path, *path.parents):
        with contextlib.suppress(OSError):
            found = place.stat()
            which = subject if place == path else str(place)
            return f"{which} belongs to {user_name(found.st_uid)}, mode {stat.S_IMODE(found.st_mode):04o}"
    return "its owner is not known"


def shorten(path: str) -> str:
    """Return a path as people read it: a very long one without its middle."""
    return path if len(path) <= _LONGEST_SHOWN else f"{path[: _LONGEST_SHOWN - 40]}...{path[-40:]}"


def user_name(uid: int) -> str:
    """Return the name of a user, or the number of one without a name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _make_folder(folder: Path, mode: int, store: Path | None) -> None:
    try:
        folder.mkdir(mode=mode)
    except FileExistsError:
        if not folder.is_dir():
            raise
        return
    except FileNotFoundError:
        if folder.parent == folder:
            raise
        _make_folder(folder.parent, 0o777, store)
        _make_folder(folder, mode, store)
        return
    descriptor = _open_folder(folder)
    try:
        _settle(descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) | 0o700, folder.parent, store)
    finally:
        os.close(descriptor)


def _open_folder(folder: Path) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(folder, flags)
    except PermissionError:  # the umask took its owner's rights away
        folder.chmod(0o700)
        return os.open(folder, flags)


def _settle(descriptor: int, mode: int, parent: Path, store: Path | None) -> None:
    """Give what was made its mode, and, where root made it, the owner of the store, else of the folder in which it is."""
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
        os.fchmod(descriptor, mode)
    if os.geteuid() != 0:
        return
    with contextlib.suppress(OSError):  # a file system without owners, or one that does not let root choose them
        owner = _owner_of(parent, store)
        if owner.st_uid != 0:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _owner_of(parent: Path, store: Path | None) -> os.stat_result:
    if store is not None:
        with contextlib.suppress(FileNotFoundError):
            return store.stat()
    return parent.stat()
