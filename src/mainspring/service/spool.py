"""The spool: a folder with records of runs that could not be written to the store, one file each, imported later and once.

Role: the last place for the record of a wrapped command, and the lock files that work without a store. Invariants: a record is complete or
absent (written to a side file, synced, renamed). The import may be killed anywhere and run in several processes, because the store finds a
run by its id. A record that cannot be read is set aside and never blocks another one.
"""

import contextlib
import errno
import fcntl
import os
import shlex
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from mainspring.domain.errors import FencedError, MainspringError, StoreError
from mainspring.domain.ids import hash_parts
from mainspring.domain.states import RunState
from mainspring.store import failpoints
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.exec_runs import DescribeExecAutomation, RecordExecRun
from mainspring.store.commands.results import Refused
from mainspring.store.side_files import describe_owner, make_side_folder, open_side_file, user_word

RECORD = ".run.json"
BAD = ".bad"
MOST_BYTES = 1024 * 1024
"""A larger file is not a record."""
MOST_RECORDS = 10_000
_PART = ".part"
_STALE_PART = 3600.0
_LONGEST_NAME = 100
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_DISK_FAULTS = _FULL | {errno.ENOENT, errno.EROFS, errno.EIO, errno.ENODEV, errno.ESTALE}
"""Errors of a disk that is full, read-only or lost."""
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class SpooledRun(msgspec.Struct, frozen=True):
    """One record. `form` increases when its meaning changes. `config` = the
    configuration file of its call, if the store was unknown because the configuration was invalid.
    """

    form: int
    run: RecordExecRun
    describe: DescribeExecAutomation | None = None
    config: str | None = None


class SpoolImportResult(msgspec.Struct, frozen=True):
    """The result of an import: ids of imported runs, bad files, the number left, and what kept them out."""

    runs: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    left: int = 0
    why: str | None = None


class SpoolFault(msgspec.Struct, frozen=True):
    """Why records may be in the spool unseen: `text` in one line without a full stop, `fix` = the command."""

    text: str
    fix: str


class FileLock:
    """A lock held by open files, by path. Children that inherit the descriptors hold it too, until `release` or their end."""

    def __init__(self) -> None:
        self.files: dict[Path, int] = {}

    @property
    def descriptors(self) -> tuple[int, ...]:
        """The descriptors of the files."""
        return tuple(self.files.values())

    def release(self) -> None:
        """Release the lock, whichever process has the descriptors."""
        for descriptor in self.descriptors:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)
        self.files.clear()


class Spool:
    """The spool of one store; a write creates its folder.

    `spare` = the spool for records of the same store while nothing can be created in `folder`. `unclaimed` = records of
    this project from a time in which its store was unknown: read, not written. `store_folder` = the folder of the
    store, which is never created here.
    """

    def __init__(
        self,
        folder: Path,
        spare: Path | None = None,
        *,
        unclaimed: Path | None = None,
        store_folder: Path | None = None,
    ) -> None:
        self.folder = folder
        self._spare = spare
        self._folders = tuple(dict.fromkeys(path for path in (folder, spare, unclaimed) if path is not None))
        self._store_folder = store_folder

    def names(self) -> list[str]:
        """Return the files of the records, oldest first; none if there is no folder."""
        return self._ending_in(RECORD)

    def bad_names(self) -> list[str]:
        """Return the files that were set aside."""
        return self._ending_in(BAD)

    def find_fault(self) -> SpoolFault | None:
        """Return the first folder or record that this user cannot read; None if there is none."""
        for folder in self._folders:
            try:
                records = sorted(path for path in folder.iterdir() if path.name.endswith(RECORD))
            except FileNotFoundError:
                continue
            except OSError:
                return _find_fault(folder)
            for path in records:
                if not os.access(path, os.R_OK) and os.path.lexists(path):
                    return _find_fault(path)
        return None

    def read_records(self) -> list[SpooledRun]:
        """Return the records that can be read, oldest first."""
        records = []
        for name in self.names():
            with contextlib.suppress(OSError, ValueError, msgspec.MsgspecError):
                records.append(self._read(name))
        return records

    def write(self, run: RecordExecRun, describe: DescribeExecAutomation | None, config: str | None = None) -> Path:
        """Store a record, if necessary in the spare folder; it is on the disk when this returns.

        Raises:
            OSError: it can be written in neither folder.
            StoreError: there are too many records already.
        """
        if len(self.names()) >= MOST_RECORDS:
            raise StoreError(f"there are {MOST_RECORDS} records in {self.folder}", hint="Import them: mainspring watch")
        data = msgspec.json.encode(SpooledRun(1, run, describe, config))
        if self._spare is not None:
            with contextlib.suppress(OSError):
                return self._write(self.folder, run.id, data)
        return self._write(self._spare or self.folder, run.id, data)

    def _write(self, folder: Path, run: str, data: bytes) -> Path:
        make_side_folder(folder, base=self._store_folder if folder == self.folder else None)
        path = folder / f"{run}{RECORD}"
        part = folder / f"{run}.{os.getpid()}{_PART}"
        descriptor = open_side_file(part, os.O_WRONLY | os.O_TRUNC)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.rename(path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        _sync(folder)
        return path

    def succeeded(self, automation: str, key: str) -> str | None:
        """Return the run that succeeded under this key and waits here for the import."""
        for record in self.read_records():
            run = record.run
            is_same = run.run_key is not None and run.run_key.key == key and run.automation == automation
            if is_same and run.state is RunState.SUCCEEDED:
                return run.id
        return None

    def take_in(
        self, apply: Callable[[StoreCommand[object]], object], *, limit: int = MOST_RECORDS, within: float | None = None
    ) -> SpoolImportResult:
        """Import the records into a store (`apply` commits one command) and delete each imported one.

        It stops at the first sign that the store is unreachable. `within` = seconds after which the rest is left for the next import.
        """
        file_names, deadline = self.names(), None if within is None else time.monotonic() + within
        imported: list[str] = []
        bad: list[str] = []
        reason = None
        for name in file_names[:limit]:
            if deadline is not None and time.monotonic() > deadline:
                break
            try:
                run = self._import_record(name, apply)
            except FileNotFoundError:
                imported.append(name.removesuffix(RECORD))  # another process imported it
            except PermissionError:
                reason = _find_fault(self.path_of(name)).text  # it stays and blocks no other one
            except (StoreError, FencedError) as error:
                if type(error) is not StoreError:
                    reason = error.message
                    break
                bad.append(self._mark_bad(name))
            except (MainspringError, OSError, ValueError, msgspec.MsgspecError):
                bad.append(self._mark_bad(name))
            else:
                if run is not None:
                    imported.append(run)
        self._delete_stale_parts()
        return SpoolImportResult(tuple(imported), tuple(bad), len(file_names) - len(imported) - len(bad), reason)

    def lock(self, name: str, slot: int = 1) -> FileLock | None:
        """Take a slot of the lock of this name; return None if it is held.

        The lock is a file in the spool and one in the spare folder, so it also counts after the disk of the store was
        lost. On a full disk no file can be created: then the folder that contains the spool is locked instead, for every
        name and slot.

        Raises:
            OSError: there can be no lock file here.
        """
        from urllib.parse import quote

        plain = name.encode("utf-8", "surrogatepass")
        quoted = quote(plain, safe="")
        suffix = "" if slot == 1 else f"@{slot}"  # in the name, @ is %40
        path = Path("locks") / f"{quoted if len(quoted) <= _LONGEST_NAME else hash_parts(plain)}{suffix}.lock"
        lock, is_acquired = FileLock(), False
        try:
            is_acquired = self._acquire(path, lock)
        finally:
            if not is_acquired:
                lock.release()
        return lock if is_acquired else None

    def _acquire(self, name: Path, lock: FileLock) -> bool:
        """Add the files of a lock in both folders, or in the one that can be written; return False if one is held."""
        fault: OSError | None = None
        for spool in (self.folder, self._spare):
            try:
                if spool is not None and not self._lock_in(spool, name, lock):
                    return False
            except OSError as error:
                if spool == self.folder and error.errno not in _DISK_FAULTS:
                    raise
                fault = fault or error
        if fault is not None and not lock.files:
            raise fault
        return True

    def _lock_in(self, spool: Path, name: Path, lock: FileLock) -> bool:
        """Add the file in this spool to the lock; return False if it is held.

        Without a free inode it is the folder that contains the spool, which no call creates, unless the lock has a file
        already. Both sides lock their own first and then check the other's, so two at the same moment never both have
        the lock.
        """
        own, other = spool / name, spool.parent
        try:
            make_side_folder(spool, base=self._store_folder if spool == self.folder else None)
            make_side_folder(own.parent)
            descriptor = _lock_file(own)
        except OSError as error:
            if error.errno not in _FULL or lock.files or not other.is_dir():
                raise
            own, other = other, own
            descriptor = _flock(os.open(own, _FOLDER_FLAGS), fcntl.LOCK_EX)
        if descriptor is None:
            return False
        lock.files[own] = descriptor
        return not _is_locked(other)

    def _ending_in(self, ending: str) -> list[str]:
        found: set[str] = set()
        for folder in self._folders:
            with contextlib.suppress(OSError):
                found.update(path.name for path in folder.iterdir() if path.name.endswith(ending))
        return sorted(found)

    def path_of(self, name: str) -> Path:
        """Return the path of the file of this name."""
        paths = [folder / name for folder in self._folders]
        return next((path for path in paths if os.path.exists(path)), paths[0])  # noqa: PTH110 - no error on EACCES

    def _import_record(self, name: str, apply: Callable[[StoreCommand[object]], object]) -> str | None:
        """Import one record and return its run; None if the store still has an owner for it, so the record stays."""
        record = self._read(name)
        if record.describe is not None:
            apply(record.describe)
        answer = apply(record.run)
        if isinstance(answer, Refused):
            return None
        failpoints.hit("spool.taken")
        self.path_of(name).unlink(missing_ok=True)
        failpoints.hit("spool.deleted")
        return record.run.id

    def _read(self, name: str) -> SpooledRun:
        path = self.path_of(name)
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"{path} is too large")
        record = msgspec.json.decode(path.read_bytes(), type=SpooledRun)
        if record.form != 1:
            raise ValueError(f"{path} has format {record.form}")
        return record

    def _mark_bad(self, name: str) -> str:
        path = self.path_of(name)
        bad_path = path.with_name(name + BAD)
        with contextlib.suppress(OSError):
            path.rename(bad_path)
        return str(bad_path)

    def _delete_stale_parts(self) -> None:
        """Delete half-written files of a writer that was killed."""
        for path in (path for folder in self._folders for path in folder.glob(f"*{_PART}")):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _STALE_PART:
                    path.unlink()


def _lock_file(path: Path) -> int | None:
    """Lock the file, creating it if missing, and return its descriptor; None if it is held."""
    descriptor = _flock(open_side_file(path, os.O_RDWR), fcntl.LOCK_EX)
    if descriptor is not None:
        with contextlib.suppress(OSError):  # a full disk: the text is only for people
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def _is_locked(path: Path) -> bool:
    """Return whether a process locks this file or folder."""
    try:
        descriptor = _flock(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), fcntl.LOCK_SH)
    except OSError:  # it is missing, or this user may not read it, and so could not lock it
        return False
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is None


def _flock(descriptor: int, kind: int) -> int | None:
    """Lock an open file or folder and return its descriptor; close it and return None if it is held."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _find_fault(path: Path) -> SpoolFault:
    text = (
        f"the spool cannot be read, so records of wrapped commands may wait there unnoticed: {path} ("
        f"{describe_owner(path)})"
    )
    return SpoolFault(text, _fix_command(path))


def _fix_command(path: Path) -> str:
    """Return the command that makes the records importable. They belong to the owner of the folder, who may not be this user."""
    owner, other = os.geteuid(), None
    with contextlib.suppress(OSError):
        owner, other = path.parent.stat().st_uid, path.stat().st_uid
    if other == os.geteuid():
        return f"chmod -R u+rwX {shlex.quote(str(path))}"
    if owner == other:
        return f"sudo -u {shlex.quote(user_word(owner, '#'))} mainspring watch"
    return f"sudo chown -R {shlex.quote(user_word(owner))} {shlex.quote(str(path))}"


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
