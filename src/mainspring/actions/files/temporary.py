"""Temporary files and folders of actions: `.mainspring-HASH.part` next to the name that they will get.

Invariants: a temporary file is locked while a process writes it, so that of two calls the second waits; what a killed call left behind has
the name that the next call for the same target uses, and is emptied by it. `is_temporary` recognises all of them.
"""

import contextlib
import fcntl
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from mainspring.actions.files.file_errors import FileUnavailableError, locate_root
from mainspring.actions.files.place import Place
from mainspring.domain.ids import hash_parts
from mainspring.triggers.files.file_archive import has_entry
from mainspring.triggers.files.folder import printable_path

_NAME = re.compile(r"\.mainspring-[0-9a-f]{24}\.part")
_LONGEST_WAIT_S = 60.0
_PAUSE_S = 0.02
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DEFAULT_UMASK = 0o022


def temporary_name(name: str, use: str = "") -> str:
    """Return the temporary name for a target of this name; `use` keeps different uses apart."""
    return f".mainspring-{hash_parts(os.fsencode(name), use.encode())[:24]}.part"


def is_temporary(name: str) -> bool:
    """Return whether a name is one of a temporary file or folder."""
    return _NAME.fullmatch(name) is not None


@contextlib.contextmanager
def open_temporary_file(place: Place) -> Iterator[int]:
    """Yield the descriptor of the empty, locked temporary file of a place. It is removed at the end, unless it was renamed.

    Raises:
        FileUnavailableError: another call wrote to the same place all the time.
        OSError: it cannot be created, or a file may not replace what is at the place.
    """
    place.require_replaceable()
    part = temporary_name(place.name)
    descriptor = _lock(place, part, is_folder=False)
    try:
        yield descriptor
    finally:
        try:
            if _is_at(part, place.folder, descriptor):
                os.unlink(part, dir_fd=place.folder)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def open_temporary_folder(place: Place) -> Iterator[str]:
    """Yield the name of the empty, locked temporary folder of a place. It is removed at the end, unless it was renamed.

    Raises:
        FileUnavailableError: another call wrote to the same place all the time.
        OSError: it cannot be created.
    """
    part = temporary_name(place.name, "folder")
    descriptor = _lock(place, part, is_folder=True)
    try:
        yield part
    finally:
        try:
            if _is_at(part, place.folder, descriptor):
                remove_tree(part, place.folder)
        finally:
            os.close(descriptor)


def remove_tree(name: str, folder: int) -> None:
    """Remove a folder with its content, without following links. What another call removes meanwhile is no error."""
    while True:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(name, dir_fd=folder)
        if not has_entry(name, folder):
            return


def remove_leftovers(folder: int) -> None:
    """Remove the temporary files and folders of killed calls in a folder; those of running calls are locked and stay."""
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if is_temporary(entry.name)]
    for name in names:
        with contextlib.suppress(OSError):
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(name, folder, descriptor):
                    _remove(name, folder, descriptor)
            finally:
                os.close(descriptor)


def read_umask() -> int:
    """Return the mask of this process for new files. `os.umask` would change it for other threads."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    return _DEFAULT_UMASK


def _lock(place: Place, part: str, *, is_folder: bool) -> int:
    """Return the descriptor of the empty temporary file or folder, locked."""
    until = time.monotonic() + _LONGEST_WAIT_S
    while True:
        descriptor = _open(place, part, is_folder=is_folder)
        is_ready = False
        try:
            is_ready = _try_lock(descriptor) and _is_at(part, place.folder, descriptor)
            if is_ready:
                is_ready = _make_empty(place, part, descriptor, is_folder=is_folder)
        finally:
            if not is_ready:
                os.close(descriptor)
        if is_ready:
            return descriptor
        if time.monotonic() >= until:
            error = FileUnavailableError(
                f"another call has written to {printable_path(place.text)} for {_LONGEST_WAIT_S:.0f} s"
                f"{locate_root(place.root)}"
            )
            error.hint = "Wait for it, or let each call write to a path of its own."
            raise error
        time.sleep(_PAUSE_S)


def _open(place: Place, part: str, *, is_folder: bool) -> int:
    if not is_folder:
        return os.open(part, _FILE_FLAGS, 0o600, dir_fd=place.folder)
    with contextlib.suppress(FileExistsError):
        os.mkdir(part, 0o700, dir_fd=place.folder)
    return os.open(part, _FOLDER_FLAGS, dir_fd=place.folder)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _make_empty(place: Place, part: str, descriptor: int, *, is_folder: bool) -> bool:
    """Empty what a killed call left behind. If it may belong to another program, remove it and return False."""
    status = os.fstat(descriptor)
    is_own = status.st_uid == os.geteuid() and (is_folder or (stat.S_ISREG(status.st_mode) and status.st_nlink == 1))
    if not is_own:
        _remove(part, place.folder, descriptor)
        return False
    if not is_folder:
        os.ftruncate(descriptor, 0)
        return True
    with os.scandir(descriptor) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_tree in found:
        remove_tree(name, descriptor) if is_tree else os.unlink(name, dir_fd=descriptor)
    return True


def _remove(name: str, folder: int, descriptor: int) -> None:
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        remove_tree(name, folder)
    else:
        os.unlink(name, dir_fd=folder)


def _is_at(name: str, folder: int, descriptor: int) -> bool:
    """Return whether the name in the folder is the open file."""
    try:
        there, here = os.stat(name, dir_fd=folder, follow_symlinks=False), os.fstat(descriptor)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)
