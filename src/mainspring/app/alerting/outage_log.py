"""What this machine remembers of a lost store: a file beside the spool, and one in memory of the machine where that cannot be written.

A store that is full or read-only often has its spool on the same disk. Without a memory each process would tell it by itself, and one that
ends after a look would never know how long it has lasted.
"""

import contextlib
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from mainspring.store.side_files import create_side_file, make_side_folder, open_side_file

SPARE_FOLDERS = (Path("/dev/shm"), Path(tempfile.gettempdir()))  # noqa: S108 - a folder of our own in it, which is looked at before it is used
"""Where there is room although a disk is full."""


class Outage(msgspec.Struct):
    """Since when the store is lost and why, and by what each channel that was told finds its message."""

    since_at: int
    told: dict[str, str | None] = {}
    fault: str = ""
    is_recorded: bool = False
    """Whether the store has it, now that it is back."""


class OutageLog:
    """`spool` = beside which the file lies."""

    def __init__(self, spool: Path) -> None:
        self._file = Path(f"{spool}.store-lost.json")
        self._name = f"{hashlib.sha256(os.fsencode(self._file)).hexdigest()[:24]}.json"
        self._lost: Outage | None = None
        self._is_written = False

    def exists(self) -> bool:
        """Whether something is remembered: by this process, or where all of them look."""
        return self._lost is not None or any(os.path.exists(file) for file in self._files())  # noqa: PTH110 - no error on EACCES

    @property
    def is_private(self) -> bool:
        """Whether this process alone knows, since nothing could be written."""
        return self._lost is not None and not self._is_written

    @contextlib.contextmanager
    def alone(self) -> Iterator[bool]:
        """Keep other processes of this machine from telling the same; yield whether nobody else is about to."""
        lock = self._lock()
        if lock is None:  # where nothing can be written, two who tell are better than none
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
        """Return what is known of it, by whoever learned it; what was written and is not there any more is over."""
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
        """Write it down. Raises OSError where that is possible nowhere: then this process alone knows."""
        self._lost, self._is_written = lost, False
        try:
            _write_outage(self._file, lost)
        except OSError:
            spare = self._spare(makes=True)
            if spare is None:
                raise
            _write_outage(spare, lost)
        else:
            self._drop_spare()
        self._is_written = True

    def forget(self) -> None:
        """It is over."""
        self._lost, self._is_written = None, False
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)
        self._drop_spare()

    def _files(self) -> Iterator[Path]:
        """Yield where it may stand, the newest first: the spare one is there only while the other cannot be written."""
        spare = self._spare(makes=False)
        if spare is not None:
            yield spare
        yield self._file

    def _lock(self) -> int | None:
        with contextlib.suppress(OSError):
            make_side_folder(self._file.parent)
            return _open_lock_file(self._file)
        spare = self._spare(makes=True)
        with contextlib.suppress(OSError):
            return None if spare is None else _open_lock_file(spare)
        return None

    def _drop_spare(self) -> None:
        spare = self._spare(makes=False)
        if spare is not None:
            with contextlib.suppress(OSError):
                spare.unlink(missing_ok=True)

    def _spare(self, *, makes: bool) -> Path | None:
        """Return the other place, if there is one that nobody else can write to."""
        for folder in SPARE_FOLDERS:
            own = folder / f"mainspring-{os.geteuid()}"
            with contextlib.suppress(OSError):
                if makes:
                    own.mkdir(mode=0o700, exist_ok=True)
                found = own.lstat()
                is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
                if is_ours and not found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                    return own / self._name
        return None


def _open_lock_file(file: Path) -> int:
    return open_side_file(file.with_name(f"{file.name}.lock"), os.O_RDWR)


def _write_outage(file: Path, lost: Outage) -> None:
    part = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        # What it tells of a fault is for nobody else, and whatever the umask is.
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        with os.fdopen(create_side_file(part, os.O_WRONLY), "wb") as written:
            written.write(msgspec.json.encode(lost))
        part.replace(file)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
