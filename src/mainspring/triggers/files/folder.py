"""A watched folder on the disk: its files and their content.

Everything here blocks. Below the folder no link is followed, not even one that is put in the place of a folder meanwhile: each folder is
opened from the one above it. What is no regular file is not opened.
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from mainspring.domain.text.escaping import escape
from mainspring.domain.triggers.watched_folder import DELETE, KEEP, WatchedFolder

STAGING = ".mainspring"
"""Folder below the watched folder for files that are being moved out of it."""
CHUNK_BYTES = 1024 * 1024
_MAX_DEPTH = 100
_MAX_PATH_BYTES = 4_095
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE_FLAGS = (
    os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
)  # a FIFO that took the file's place does not block
_MAX_PRINTED_PATH = 200


class FileStamp(NamedTuple):
    """A stamp that distinguishes states of a file without reading it. Two states with one stamp count as the same content."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> "FileStamp":
        """Return the stamp of a stat result."""
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class FolderListing(msgspec.Struct):
    """One listing: files by path below the folder, reasons of excluded ones, and the identity of the folder (device, inode)."""

    folder: tuple[int, int]
    files: dict[str, FileStamp] = msgspec.field(default_factory=dict)
    left_out: dict[str, str] = msgspec.field(default_factory=dict)


class FileHash:
    """The hash of one file, computed in parts; valid as long as the file has the stamp."""

    def __init__(self, stamp: FileStamp) -> None:
        self.stamp = stamp
        self.at = 0
        self.sha256 = hashlib.sha256()


class FileChangedError(Exception):
    """Error: the file is not, or not any more, the listed one."""


class FolderReader:
    """One watched folder; `files.folder` is absolute."""

    def __init__(self, files: WatchedFolder) -> None:
        self.files = files
        self.path = files.folder
        self._archive_paths = [
            os.path.normpath(Path(self.path, target))
            for target in (files.after_success, files.after_failure)
            if target not in (KEEP, DELETE)
        ]

    def listing(self) -> FolderListing:
        """List the folder.

        Raises:
            OSError: the folder itself cannot be read.
        """
        with open_folder(self.path) as root:
            found = os.fstat(root)
            listing = FolderListing((found.st_dev, found.st_ino))
            archive_identities = self._archive_identities()
            waiting: list[tuple[str, ...]] = [()]
            while waiting:
                parts = waiting.pop()
                try:
                    with open_folder(self.path, parts) as folder:
                        waiting += self._list(folder, parts, listing, archive_identities)
                except OSError as error:
                    if not parts:
                        raise
                    if not isinstance(error, FileNotFoundError):
                        listing.left_out["/".join(parts)] = error_reason(error)
        return listing

    def _list(
        self, folder: int, parts: tuple[str, ...], listing: FolderListing, archive_identities: set[tuple[int, int]]
    ) -> list[tuple[str, ...]]:
        """Add the files of one folder, and return the folders to list next."""
        below = []
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if self.files.ignores(name) or (not parts and name == STAGING):
                    continue
                here = (*parts, name)
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if stat.S_ISDIR(found.st_mode):
                    if self.files.recursive and not self._is_archive(here, found, archive_identities):
                        below.append(here)
                elif self.files.matches(here):
                    self._add("/".join(here), found, listing)
        if below and len(parts) >= _MAX_DEPTH:
            listing.left_out["/".join(parts)] = f"it has folders more than {_MAX_DEPTH} levels deep"
            return []
        return below

    def _add(self, path: str, found: os.stat_result, listing: FolderListing) -> None:
        """Add one file, or the reason why it is left out. FIFOs, sockets, devices and links to files in the folder itself are ignored."""
        limit = self.files.max_size
        if stat.S_ISLNK(found.st_mode):
            if self._leads_out(path):
                listing.left_out[path] = "it is a link to a place outside the folder"
        elif not stat.S_ISREG(found.st_mode):
            pass
        elif limit is not None and found.st_size > limit:
            listing.left_out[path] = f"it has {found.st_size} bytes, max_size is {limit}"
        elif (length := len(os.fsencode(self.absolute(path)))) > _MAX_PATH_BYTES:
            listing.left_out[path] = f"its path has {length} bytes, which no program can open"
        else:
            listing.files[path] = FileStamp.of(found)

    def hash(self, path: str, hashing: FileHash, most: int) -> str | None:
        """Continue hashing by at most `most` bytes; return the SHA-256 in hex once it is complete.

        Raises:
            FileChangedError: the file changed since it was listed, or does not exist.
            OSError: it cannot be read.
        """
        *parts, name = path.split("/")
        try:
            with open_folder(self.path, parts) as folder:
                descriptor = os.open(name, _FILE_FLAGS, dir_fd=folder)
        except (FileNotFoundError, NotADirectoryError):
            raise FileChangedError from None
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            if FileStamp.of(os.fstat(descriptor)) != hashing.stamp:
                raise FileChangedError
            file.seek(hashing.at)
            until, is_end = hashing.at + most, False
            while hashing.at < until and not is_end:
                chunk = file.read(min(CHUNK_BYTES, until - hashing.at))
                hashing.sha256.update(chunk)
                hashing.at += len(chunk)
                is_end = not chunk
            if FileStamp.of(os.fstat(descriptor)) != hashing.stamp or hashing.at > hashing.stamp.size:
                raise FileChangedError
        if hashing.at < hashing.stamp.size:
            if is_end:
                raise FileChangedError
            return None
        return hashing.sha256.hexdigest()

    def read_stamp(self, path: str) -> FileStamp | None:
        """Return the stamp of a path; None if it does not exist."""
        *parts, name = path.split("/")
        try:
            with open_folder(self.path, parts) as folder:
                return FileStamp.of(os.stat(name, dir_fd=folder, follow_symlinks=False))
        except OSError:
            return None

    def absolute(self, path: str) -> str:
        """Return the absolute path of a path below the folder."""
        return f"{self.path}/{path}"

    def _leads_out(self, path: str) -> bool:
        root = os.path.realpath(self.path)
        return os.path.commonpath([root, os.path.realpath(self.absolute(path))]) != root

    def _archive_identities(self) -> set[tuple[int, int]]:
        """Return the identities of the archive folders, which may be reached under several names."""
        found = set()
        for path in self._archive_paths:
            try:
                status = Path(path).stat()
            except OSError:
                continue
            found.add((status.st_dev, status.st_ino))
        return found

    def _is_archive(self, here: Sequence[str], found: os.stat_result, archive_identities: set[tuple[int, int]]) -> bool:
        return (found.st_dev, found.st_ino) in archive_identities or os.path.normpath(
            self.absolute("/".join(here))
        ) in self._archive_paths


@contextmanager
def open_folder(root: str | int, parts: Sequence[str] = (), *, make: int | None = None) -> Iterator[int]:
    """Yield the descriptor of a folder below `root`, a path or an open folder. No part of its path may be a link.

    `make` = mode of missing folders to create; their names are on the disk when they are opened.

    Raises:
        OSError: it does not exist, is a link, or cannot be opened.
    """
    folder = os.open(root, _FOLDER_FLAGS) if isinstance(root, str) else os.open(".", _FOLDER_FLAGS, dir_fd=root)
    try:
        for part in parts:
            if make is not None:
                with suppress(FileExistsError):
                    os.mkdir(part, make, dir_fd=folder)
                    os.fsync(folder)
            below = os.open(part, _FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = below
        yield folder
    finally:
        os.close(folder)


def error_reason(error: OSError) -> str:
    """Return the reason of an error, without the path, which is shown separately."""
    return error.strerror or type(error).__name__


def printable_path(path: str) -> str:
    """Return a path as printable text in one line."""
    return escape(path, _MAX_PRINTED_PATH).replace("\n", "\\n").replace("\t", "\\t")
