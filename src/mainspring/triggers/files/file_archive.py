"""The archive of a folder: moves a file out of it after its run ended, or deletes it. It never overwrites a file.

Everything here blocks. Moving a file has three steps; after a kill between them `leftovers` finds it again:

    stage   renamed into `.mainspring/TRIGGER/VERB-SHA256/PATH` below the folder. This name is the whole record of the move. Only after
            the rename no other file can take its name: a file that is not the accepted one is put back
    place   given its name in the other folder (hard link, copy to another file system, rename where there are no links)
    clear   the staged name is removed

A file is whole under one of its names at each moment.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from itertools import chain, count
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from mainspring.domain.ids import hash_parts
from mainspring.domain.triggers.watched_folder import DELETE, KEEP
from mainspring.store import failpoints
from mainspring.triggers.files.folder import (
    CHUNK_BYTES,
    STAGING,
    FileChangedError,
    FileStamp,
    FolderReader,
    open_folder,
)

SUCCESS, FAILURE = "success", "failure"
_LOCK_FILE = "lock"

_NO_LINKS = frozenset({errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS})
"""Errors of `link` without hard links, or without links to files of another user."""
_MAX_NAME_BYTES = 255
_READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class StagedFile(NamedTuple):
    """A file that is being moved: the reason (SUCCESS or FAILURE), its hash, and its path below the watched folder."""

    verb: str
    sha256: str
    path: str


class FileArchive:
    """Moves files of one trigger out of one folder; every change needs the lock."""

    def __init__(self, folder: FolderReader, trigger: str, progress: Callable[[], None] = lambda: None) -> None:
        """`progress` is called repeatedly while a large file is copied."""
        self._folder = folder
        self._progress = progress
        self._base = (STAGING, hash_parts(trigger.encode())[:16])
        self.targets = {SUCCESS: folder.files.after_success, FAILURE: folder.files.after_failure}
        self._lock: int | None = None

    def lock(self) -> bool:
        """Try to take the lock for moves in this folder, shared by all its watchers; return whether it is taken."""
        with open_folder(self._folder.path, (STAGING,), make=0o700) as staging:
            descriptor = os.open(
                _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=staging
            )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except BaseException:
            os.close(descriptor)
            raise
        self._lock = descriptor
        return True

    def unlock(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def has_leftovers(self) -> bool:
        """Return whether there may be half-moved files of this trigger, without creating anything."""
        try:
            with open_folder(self._folder.path, self._base):
                return True
        except OSError:
            return False

    def leftovers(self) -> list[StagedFile]:
        """Return the half-moved files of a killed process; a changed file is put back."""
        staged_files = [*self._staged()]
        return [staged for staged in staged_files if self._is_sound(staged)]

    def stage(self, staged: StagedFile, stamp: FileStamp) -> None:
        """Move the file out of the watched folder to the staging folder.

        Raises:
            FileChangedError: the file does not have this stamp; it is where it was, or does not exist.
            OSError: it cannot be moved.
        """
        try:
            moved = self._stage(staged, stamp)
        except (FileNotFoundError, NotADirectoryError, FileChangedError):
            self._sweep(staged)
            raise FileChangedError from None
        if moved._replace(changed_ns=stamp.changed_ns) != stamp:
            self.put_back(staged)
            raise FileChangedError

    def _stage(self, staged: StagedFile, stamp: FileStamp) -> FileStamp:
        """Rename the file, and return the stamp of the renamed file."""
        *parts, name = staged.path.split("/")
        with open_folder(self._folder.path, parts) as folder:
            if FileStamp.of(os.stat(name, dir_fd=folder, follow_symlinks=False)) != stamp:
                raise FileChangedError
            with self._staging(staged, make=True) as staging:
                if has_entry(name, staging):
                    raise OSError(errno.EEXIST, "another one is still being moved")
                failpoints.hit("files.stage")
                os.rename(name, name, src_dir_fd=folder, dst_dir_fd=staging)
                failpoints.hit("files.staged")
                return FileStamp.of(os.stat(name, dir_fd=staging, follow_symlinks=False))

    def place(self, staged: StagedFile) -> None:
        """Give a staged file its new name, unless it has it already.

        Raises:
            OSError: it cannot be placed; it stays staged.
        """
        target = self.targets[staged.verb]
        if target == DELETE:
            return
        if target == KEEP:  # the definition was changed meanwhile
            self.put_back(staged)
            return
        *parts, name = staged.path.split("/")
        with self._staging(staged) as staging, self._target(target, parts) as into:
            if not has_entry(name, staging):
                return
            try:
                place_file(name, staging, into, yield_free_names(name, staged.sha256))
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                part = hash_parts(os.fsencode(self._folder.path), self._base[1].encode(), os.fsencode(staged.path))
                copy_file(name, staging, into, staged.sha256, f".mainspring-{part[:24]}.part", self._progress)
        failpoints.hit("files.placed")

    def clear(self, staged: StagedFile) -> None:
        """Remove the staged name, and the folders that are then empty."""
        with contextlib.suppress(FileNotFoundError), self._staging(staged) as staging:
            os.unlink(staged.path.rpartition("/")[2], dir_fd=staging)
        failpoints.hit("files.cleared")
        self._sweep(staged)

    def put_back(self, staged: StagedFile) -> None:
        """Put a staged file back to its old place, or next to a newer file there."""
        *parts, name = staged.path.split("/")
        with self._staging(staged) as staging, open_folder(self._folder.path, parts, make=0o777) as folder:
            place_file(name, staging, folder, yield_free_names(name, staged.sha256))
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=staging)
        failpoints.hit("files.put_back")
        self._sweep(staged)

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _staged(self) -> Iterator[StagedFile]:
        """Yield all staged files."""
        waiting: list[tuple[str, ...]] = [()]
        while waiting:
            parts = waiting.pop()
            with (
                contextlib.suppress(FileNotFoundError),
                open_folder(self._folder.path, (*self._base, *parts)) as folder,
                os.scandir(folder) as entries,
            ):
                for entry in entries:
                    verb, _, sha256 = (parts or (entry.name,))[0].partition("-")
                    if verb not in self.targets or entry.is_symlink():
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((*parts, entry.name))
                    elif parts:
                        yield StagedFile(verb, sha256, "/".join((*parts[1:], entry.name)))

    def _is_sound(self, staged: StagedFile) -> bool:
        """Return whether a staged file has the accepted content; otherwise put it back."""
        with self._staging(staged) as staging:
            if has_content(staged.path.rpartition("/")[2], staging, staged.sha256):
                return True
        self.put_back(staged)
        return False

    def _staging(self, staged: StagedFile, *, make: bool = False) -> contextlib.AbstractContextManager[int]:
        parts = (*self._base, f"{staged.verb}-{staged.sha256}", *staged.path.split("/")[:-1])
        return open_folder(self._folder.path, parts, make=0o700 if make else None)

    def _target(self, target: str, parts: list[str]) -> contextlib.AbstractContextManager[int]:
        """Return the folder below the target.

        A target below the watched folder must not be a link: a writer there could redirect the move anywhere.
        """
        below = Path(target).parts
        if Path(target).is_absolute() or ".." in below:
            root = Path(self._folder.path, target)
            root.mkdir(parents=True, exist_ok=True)
            return open_folder(str(root), parts, make=0o777)
        return open_folder(self._folder.path, [*below, *parts], make=0o777)

    def _sweep(self, staged: StagedFile) -> None:
        """Remove the folders that are empty now."""
        parts = (*self._base, f"{staged.verb}-{staged.sha256}", *staged.path.split("/")[:-1])
        with contextlib.suppress(OSError):
            for depth in range(len(parts) - 1, 0, -1):
                with open_folder(self._folder.path, parts[:depth]) as folder:
                    os.rmdir(parts[depth], dir_fd=folder)


def place_file(name: str, source: int, into: int, names: Iterator[str]) -> None:
    """Give the file `name` of `source` the first free one of these names in `into`, unless it has one of them already.

    It blocks; folders are open descriptors. Except after a rename, the old name stays next to the new one, so that a
    repetition after a kill finds the first one.

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
