"""A folder for blobs: FOLDER/DAY/AB/ADDRESS, each a file that is written whole, flushed, and then gets its name."""

import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

from mainspring.domain.errors import CodecUnavailableError
from mainspring.domain.text.escaping import escape
from mainspring.domain.values.blob import Blob
from mainspring.store import failpoints
from mainspring.store.side_files import create_side_file, make_side_folder

_ADDRESS_LENGTH = 64
_READ_FILE = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
T = TypeVar("T")


def blob_folder(store: Path) -> Path:
    """Return the folder for the blobs of a store that is a file."""
    return store.with_name(f"{store.name}.blobs")


class BlobFolder:
    """Blobs as files below one folder, which is made at the first put. It needs no lock: a file of one name has one content."""

    first_day = 0
    is_remote = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = str(folder)
        self._flushed: set[Path] = set()
        """Folders that this process has made, or found, and flushed."""

    def put(self, blob: Blob, data: bytes) -> None:
        """Store a blob; its file and the names that lead to it are flushed when this returns.

        Raises:
            CodecUnavailableError: the folder cannot be written now.
        """
        try:
            self._attempt(lambda: self._put(blob, data), "cannot be stored")
        except FileNotFoundError:  # a sweep has just removed an empty folder
            self._flushed.clear()
            try:
                self._attempt(lambda: self._put(blob, data), "cannot be stored")
            except (FileNotFoundError, NotADirectoryError) as error:
                raise CodecUnavailableError(
                    f"a large value cannot be stored: there is no folder for it\nin {self.place}",
                    hint="Check that its disk is mounted.",
                ) from error

    def get(self, blob: Blob) -> bytes | None:
        """Return the bytes of a blob, None if there is none. Raises CodecUnavailableError: the folder cannot be read now."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return self._attempt(lambda: _read(self.file_of(blob)), "cannot be read")
        return None

    def get_many(self, blobs: Sequence[Blob]) -> list[bytes | None]:
        """Return the bytes of several blobs, in their order. Raises CodecUnavailableError."""
        return [self.get(blob) for blob in blobs]

    def link(self, blob: Blob, source: "BlobFolder") -> bool:
        """Give a blob of another folder a name here too, without a copy of its bytes; return whether that was possible."""
        file = self.file_of(blob)
        try:
            _make_folder(file.parent, self.folder)
            with contextlib.suppress(FileExistsError):
                os.link(source.file_of(blob), file, follow_symlinks=False)
            _flush(file.parent)
            return file.lstat().st_size == blob.size
        except OSError:
            return False

    def days(self) -> list[int]:
        """Return the days that have a folder, in order. Raises CodecUnavailableError: the folder cannot be read now."""
        with contextlib.suppress(FileNotFoundError):
            return sorted(
                int(folder.name)
                for folder in self._attempt(lambda: list(self.folder.iterdir()), "cannot be listed")
                if folder.name.isdecimal()
            )
        return []

    def clear(self, day: int, keep: Collection[str]) -> int:
        """Delete the files of a closed day that are no blobs of `keep`, parts of broken puts included; return how many.

        Raises:
            CodecUnavailableError: the folder cannot be written now.
        """
        return self._attempt(lambda: _clear(self._folder_of(day), keep), "cannot be deleted")

    def sizes(self, day: int) -> dict[str, int]:
        """Return the blobs of a day: stored bytes by address. Raises CodecUnavailableError: the folder cannot be read now."""
        return self._attempt(lambda: _sizes(self._folder_of(day)), "cannot be listed")

    def take_turn(self, turn: str, record: Callable[[str], bool]) -> None:
        """Do nothing: a copy of the store has a folder of its own."""

    def close(self) -> None:
        """Nothing is open between two calls."""

    def _folder_of(self, day: int) -> Path:
        return self.folder / f"{day:08d}"

    def file_of(self, blob: Blob) -> Path:
        """Return the file of a blob, whether it exists or not."""
        return self._folder_of(blob.day) / blob.address[:2] / blob.address

    def _put(self, blob: Blob, data: bytes) -> None:
        file = self.file_of(blob)
        if file.parent not in self._flushed:
            _make_folder(file.parent, self.folder)
            self._flushed.add(file.parent)
        if not _has(file, data):
            part = file.with_name(f".{blob.address[:16]}.{secrets.token_hex(8)}")
            try:
                _write(part, data)
                failpoints.hit("blob.before")
                part.replace(file)
            finally:
                part.unlink(missing_ok=True)
        _flush(file.parent)  # also for a file that another process has just named
        failpoints.hit("blob.after")

    def _attempt(self, act: Callable[[], T], verb: str) -> T:
        """Call a function. Raises CodecUnavailableError: the system refused it for a cause that a person or time can remove."""
        try:
            return act()
        except (FileNotFoundError, NotADirectoryError):
            raise
        except OSError as error:
            fix = (
                "Free space on its disk."
                if error.errno in (errno.ENOSPC, errno.EDQUOT)
                else "Check its owner, its mode and its disk."
            )
            raise CodecUnavailableError(
                f"a large value {verb}: {escape(error.strerror or type(error).__name__)}\nin {self.place}", hint=fix
            ) from error


def _has(file: Path, data: bytes) -> bool:
    """Return whether the file has these bytes: a disk or a crash may have damaged what was written before."""
    try:
        return file.lstat().st_size == len(data) and _read(file) == data
    except OSError:
        return False


def _write(file: Path, data: bytes) -> None:
    descriptor = create_side_file(file, os.O_WRONLY)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(file: Path) -> bytes:
    with os.fdopen(os.open(file, _READ_FILE), "rb") as stream:
        return stream.read()


def _make_folder(folder: Path, root: Path) -> None:
    """Make a folder and flush the names that lead to it, from the parent of `root`: the process that made them may have been killed."""
    chain = [folder, *(parent for parent in folder.parents if parent == root or root in parent.parents)]
    for path in reversed(chain):
        make_side_folder(path, base=root.parent)
        _flush(path.parent)


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sizes(folder: Path) -> dict[str, int]:
    return {file.name: file.lstat().st_size for file in folder.glob(f"??/{'?' * _ADDRESS_LENGTH}")}


def _clear(folder: Path, keep: Collection[str]) -> int:
    count = 0
    for part in _list(folder):
        for file in _list(part):
            if file.name not in keep:
                file.unlink(missing_ok=True)
                count += 1
        with contextlib.suppress(OSError):  # it is not empty
            part.rmdir()
    with contextlib.suppress(OSError):
        folder.rmdir()
    return count


def _list(folder: Path) -> list[Path]:
    """Return the entries of a folder; none if another process has just removed it."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return list(folder.iterdir())
    return []
