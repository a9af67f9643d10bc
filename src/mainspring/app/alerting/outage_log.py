"""Outage log of this machine: what it remembers of a lost store, in a file next to the spool, or in memory of the machine.

A store that is full or read-only often has its spool on the same disk. Without a memory each process would notify by itself, and
one that ends after one check would never know how long the outage has lasted.
"""

import contextlib
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec

from mainspring.store.side_files import create_side_file, make_side_folder, open_side_file


class Outage(msgspec.Struct):
    """Since when and why the store is lost; for each notified channel the reference to its message."""

    since_at: int
    notified: dict[str, str | None] = {}
    fault: str = ""
    is_recorded: bool = False
    """Whether the store, now back, has recorded the outage."""


class OutageLog:
    """The remembered outage. `spool` = the folder next to which the file lies; `store_folder` = a folder that is not created."""

    def __init__(self, spool: Path, store_folder: Path | None = None) -> None:
        self._file = Path(f"{spool}.store-lost.json")
        self._name = f"{hashlib.sha256(os.fsencode(self._file)).hexdigest()[:24]}.json"
        self._store_folder = store_folder
        self._lost: Outage | None = None
        self._is_written = False

    def exists(self) -> bool:
        """Whether an outage is remembered, by this process or in a file."""
        return self._lost is not None or any(os.path.exists(file) for file in self._files())  # noqa: PTH110 - no error on EACCES

    @property
    def is_private(self) -> bool:
        """Whether only this process knows, since nothing could be written."""
        return self._lost is not None and not self._is_written

    @contextlib.contextmanager
    def exclusive_access(self) -> Iterator[bool]:
        """Keep other processes of this machine from sending the same. Yield whether this process has the lock."""
        lock = self._lock()
        if lock is None:  # if nothing can be written, two notifications are better than none
            yield True
            return
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
        finally:
            os.close(lock)

    def recall(self) -> Outage | None:
        """Return the known outage, of any process. An outage whose file was deleted is over."""
        if self.is_private:
            return self._lost
        is_there = False
        for file in self._files():
            try:
                self._lost = msgspec.json.decode(file.read_bytes(), type=Outage)
            except FileNotFoundError:
                continue
            except (OSError, msgspec.DecodeError):
                is_there = True
            else:
                self._is_written = True
                return self._lost
        if self._is_written and not is_there:
            self._lost, self._is_written = None, False
        return self._lost

    def remember(self, lost: Outage) -> None:
        """Save the outage. Raises OSError if no file can be written: then only this process knows."""
        self._lost, self._is_written = lost, False
        try:
            _write_outage(self._file, lost)
        except OSError:
            spare = self._spare(creates=True)
            if spare is None:
                raise
            _write_outage(spare, lost)
        else:
            self._drop_spare()
        self._is_written = True

    def forget(self) -> None:
        """Forget the outage: it is over."""
        self._lost, self._is_written = None, False
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)
        self._drop_spare()

    def _files(self) -> Iterator[Path]:
        """Yield the possible files, the newest first: the spare file exists only while the other one cannot be written."""
        spare = self._spare(creates=False)
        if spare is not None:
            yield spare
        yield self._file

    def _lock(self) -> int | None:
        with contextlib.suppress(OSError):
            make_side_folder(self._file.parent, base=self._store_folder)
            return _open_lock_file(self._file)
        spare = self._spare(creates=True)
        with contextlib.suppress(OSError):
            return None if spare is None else _open_lock_file(spare)
        return None

    def _drop_spare(self) -> None:
        spare = self._spare(creates=False)
        if spare is not None:
            with contextlib.suppress(OSError):
                spare.unlink(missing_ok=True)

    def _spare(self, *, creates: bool) -> Path | None:
        """Return the spare file, if there is a folder to which only this user can write."""
        for folder in list_spare_folders():
            own = folder / f"mainspring-{os.geteuid()}"
            with contextlib.suppress(OSError):
                if creates:
                    own.mkdir(mode=0o700, exist_ok=True)
                status = own.lstat()
                is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
                if is_own and not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                    return own / self._name
        return None


def list_spare_folders() -> tuple[Path, ...]:
    """Return folders that may have space although a disk is full. (Python's tempfile would write a file to find one, at each `exec`.)"""
    named = os.environ.get("TMPDIR")
    # A folder of our own in one of them, which is checked before it is used.
    return (Path("/dev/shm"), *([Path(named)] if named else []), Path("/tmp"))  # noqa: S108


def _open_lock_file(file: Path) -> int:
    return open_side_file(file.with_name(f"{file.name}.lock"), os.O_RDWR)


def _write_outage(file: Path, lost: Outage) -> None:
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        # The text of a failure is for this user only, whatever the umask is.
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        with os.fdopen(create_side_file(part, os.O_WRONLY), "wb") as written:
            written.write(msgspec.json.encode(lost))
        part.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
