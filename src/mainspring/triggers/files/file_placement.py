"""The placement of a file in another folder, without overwriting: by hard link, by copy, or by rename where there are no links.

Everything here blocks; folders are open descriptors. Except after a rename, the old name stays next to the new one, so that a repetition
after a kill finds the first one.
"""

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from itertools import chain, count
from pathlib import PurePosixPath

from mainspring.store import failpoints
from mainspring.triggers.files.folder import CHUNK_BYTES

_NO_LINKS = frozenset({errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})
"""Errors of `link` without hard links, or without links to files of another user."""
_MAX_NAME_BYTES = 255
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


def place_file(name: str, source: int, into: int, names: Iterator[str]) -> None:
    """Give the file `name` of `source` the first free one of these names in `into`, unless it has one of them already.

    Raises:
        OSError: EXDEV if `into` is on another file system; or any other error of the link or rename.
    """
    original = os.stat(name, dir_fd=source, follow_symlinks=False)
    for new in names:
        try:
            os.link(name, new, src_dir_fd=source, dst_dir_fd=into, follow_symlinks=False)
        except FileExistsError:
            if not _is_same(new, into, original):
                continue
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if has_entry(new, into):  # only a person who writes into this folder by hand can still be overwritten
                continue
            os.rename(name, new, src_dir_fd=source, dst_dir_fd=into)
        return


def copy_file(name: str, source: int, into: int, sha256: str, part: str, progress: Callable[[], None]) -> None:
    """Put a copy into `into`: under the name `part` until it is whole and on the disk; `progress` is called after each part of it.

    Raises:
        OSError: it cannot be written, or what was read has another hash.
    """
    old = os.open(name, _READ_FLAGS, dir_fd=source)
    try:
        size = os.fstat(old).st_size
        occupied_names = _occupied_names(yield_free_names(name, sha256), into)
        is_copied = any(has_content(occupied, into, sha256, size) for occupied in occupied_names)
        if not is_copied:  # otherwise a process has copied it, and was killed before it could remove the old name
            read = _copy_content(old, part, into, progress)
            failpoints.hit("files.copied")
            if read != sha256:
                raise OSError(errno.EBUSY, "another program still writes to it")
            place_file(part, into, into, yield_free_names(name, sha256))
    finally:
        os.close(old)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part, dir_fd=into)
    os.fsync(into)


def yield_free_names(name: str, sha256: str) -> Iterator[str]:
    """Yield the name, then similar ones: name-2.csv to name-99.csv, then names with the hash of its content."""
    yield name
    short = sha256[:12]
    for end in chain((f"-{n}" for n in range(2, 100)), (f"-{short}",), (f"-{short}-{n}" for n in count(2))):
        suffix = PurePosixPath(name).suffix
        stem = name.removesuffix(suffix)
        while len(os.fsencode(stem + end + suffix)) > _MAX_NAME_BYTES:
            stem, suffix = (stem[:-1], suffix) if len(stem) > 1 else (stem, suffix[:-1])
        yield stem + end + suffix


def has_content(name: str, folder: int, sha256: str, size: int | None = None) -> bool:
    """Return whether the name is a regular file of this content, and of this size if it is given."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode) or size not in (None, found.st_size):
            return False
        descriptor = os.open(name, _READ_FLAGS, dir_fd=folder)
    except FileNotFoundError:
        return False
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def has_entry(name: str, folder: int) -> bool:
    """Return whether the name exists."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _copy_content(old: int, part: str, into: int, progress: Callable[[], None]) -> str:
    """Copy content, mode and time to the disk; return the hash of the copied content."""
    found, digest = os.fstat(old), hashlib.sha256()
    new = os.open(part, _WRITE_FLAGS, 0o600, dir_fd=into)
    try:
        while chunk := os.read(old, CHUNK_BYTES):
            digest.update(chunk)
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.write(new, rest) :]
            progress()
        os.fchmod(new, stat.S_IMODE(found.st_mode) & 0o777)
        os.utime(new, ns=(found.st_atime_ns, found.st_mtime_ns))
        os.fsync(new)
    finally:
        os.close(new)
    return digest.hexdigest()


def _is_same(name: str, folder: int, original: os.stat_result) -> bool:
    try:
        there = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (original.st_dev, original.st_ino)


def _occupied_names(names: Iterator[str], folder: int) -> Iterator[str]:
    """Yield the existing names, up to the first free one."""
    for name in names:
        if not has_entry(name, folder):
            return
        yield name
