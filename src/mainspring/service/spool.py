"""The spool: a folder of records of runs that could not be written to the store, one file a run, taken in later and once.

Role: the last place where a wrapped command's story can be kept, and the lock files that hold without a store. Invariants: a record is
whole or not there (written beside, synced, renamed); taking in is safe to be killed anywhere and to be done by several at a time, because
the store finds a run by its id; a record that cannot be read is set aside and never keeps another one out.
"""

import contextlib
import fcntl
import os
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from mainspring.domain.errors import FencedError, MainspringError, StoreError
from mainspring.domain.ids import hash_parts
from mainspring.domain.states import RunState
from mainspring.store import failpoints
from mainspring.store.commands.exec_runs import DescribeExecAutomation, RecordExecRun
from mainspring.store.commands.results import Refused
from mainspring.store.side_files import describe_owner, make_side_folder, open_side_file, user_word

RECORD = ".run.json"
BAD = ".bad"
MOST_BYTES = 1024 * 1024
"""A file that is larger is no record of ours."""
MOST_RECORDS = 10_000
_PART = ".part"
_STALE_PART = 3600.0
_LONGEST_NAME = 100


class SpooledRun(msgspec.Struct, frozen=True):
    """One record. `form` is raised when its meaning changes."""

    form: int
    run: RecordExecRun
    describe: DescribeExecAutomation | None = None


class SpoolImportResult(msgspec.Struct, frozen=True):
    """What a taking in did: ids of runs taken, files set aside as bad, how many are left, and what kept them out."""

    runs: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    left: int = 0
    why: str | None = None


class SpoolFault(msgspec.Struct, frozen=True):
    """Why records may lie in the spool unseen: `text` in one line without a stop, `fix` = the command."""

    text: str
    fix: str


class LockFile:
    """A lock held by an open file; children that get the descriptor hold it too, until `release` or their end."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    def release(self) -> None:
        """Let the lock go, whoever else has the descriptor."""
        with contextlib.suppress(OSError):
            os.ftruncate(self.descriptor, 0)
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        os.close(self.descriptor)


class Spool:
    """The spool of one store. Its folder is made when something is written.

    `spare` = where records of the same store are while nothing can be made in `folder`: they are read from there, not written.
    """

    def __init__(self, folder: Path, spare: Path | None = None) -> None:
        self.folder = folder
        self._spare = spare

    def names(self) -> list[str]:
        """Return the files of the records, oldest first; none if there is no folder."""
        return self._ending_in(RECORD)

    def bad_names(self) -> list[str]:
        """Return the files that were set aside."""
        return self._ending_in(BAD)

    def find_fault(self) -> SpoolFault | None:
        """Return the first folder or record that this user cannot read; None if there is none."""
        for folder in self._folders():
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

    def write(self, run: RecordExecRun, describe: DescribeExecAutomation | None) -> Path:
        """Keep a record; it is on the disk when this returns.

        Raises:
            OSError: it cannot be written here.
            StoreError: there are too many records already.
        """
        make_side_folder(self.folder)
        if len(self.names()) >= MOST_RECORDS:
            raise StoreError(
                f"there are {MOST_RECORDS} records in {self.folder}", hint="Take them in: mainspring watch"
            )
        data = msgspec.json.encode(SpooledRun(1, run, describe))
        path = self.folder / f"{run.id}{RECORD}"
        part = self.folder / f"{run.id}.{os.getpid()}{_PART}"
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
        _sync(self.folder)
        return path

    def succeeded(self, automation: str, key: str) -> str | None:
        """Return the run that succeeded under this key and waits here to be taken in."""
        for name in self.names():
            with contextlib.suppress(OSError, ValueError, msgspec.MsgspecError):
                run = self._read(name).run
                found = run.run_key is not None and run.run_key.key == key and run.automation == automation
                if found and run.state is RunState.SUCCEEDED:
                    return run.id
        return None

    def take_in(
        self, apply: Callable[[Any], Any], *, limit: int = MOST_RECORDS, within: float | None = None
    ) -> SpoolImportResult:
        """Give the records to a store (`apply` commits one command) and delete each that is in it.

        Stops at the first sign that the store is away. `within` = seconds after which the rest is left for the next time.
        """
        names, until = self.names(), None if within is None else time.monotonic() + within
        taken: list[str] = []
        bad: list[str] = []
        why = None
        for name in names[:limit]:
            if until is not None and time.monotonic() > until:
                break
            try:
                run = self._take(name, apply)
            except FileNotFoundError:
                taken.append(name.removesuffix(RECORD))  # another process was faster
            except PermissionError:
                why = _find_fault(self.path_of(name)).text  # it stays, and keeps no other one out
            except (StoreError, FencedError) as error:
                if type(error) is not StoreError:
                    why = error.message
                    break
                bad.append(self._set_aside(name))
            except (MainspringError, OSError, ValueError, msgspec.MsgspecError):
                bad.append(self._set_aside(name))
            else:
                if run is not None:
                    taken.append(run)
        self._sweep()
        return SpoolImportResult(tuple(taken), tuple(bad), len(names) - len(taken) - len(bad), why)

    def lock(self, name: str) -> LockFile | None:
        """Take the lock of this name, or return None: somebody holds it.

        Raises:
            OSError: there can be no lock file here.
        """
        folder = self.folder / "locks"
        make_side_folder(self.folder)
        make_side_folder(folder)
        plain = name.encode("utf-8", "surrogatepass")
        quoted = quote(plain, safe="")
        path = folder / f"{quoted if len(quoted) <= _LONGEST_NAME else hash_parts(plain)}.lock"
        descriptor = open_side_file(path, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        with contextlib.suppress(OSError):  # a full disk: the text is only for people
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return LockFile(path, descriptor)

    def _ending_in(self, ending: str) -> list[str]:
        found: set[str] = set()
        for folder in self._folders():
            with contextlib.suppress(OSError):
                found.update(path.name for path in folder.iterdir() if path.name.endswith(ending))
        return sorted(found)

    def _folders(self) -> tuple[Path, ...]:
        return (self.folder,) if self._spare is None else (self.folder, self._spare)

    def path_of(self, name: str) -> Path:
        """Return where the file of this name is."""
        path = self.folder / name
        return path if self._spare is None or os.path.exists(path) else self._spare / name  # noqa: PTH110 - no error on EACCES

    def _take(self, name: str, apply: Callable[[Any], Any]) -> str | None:
        """Take one record in and return its run; None if the store still has an owner for it: then it stays for later."""
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
            raise ValueError(f"{path} has form {record.form}")
        return record

    def _set_aside(self, name: str) -> str:
        path = self.path_of(name)
        aside = path.with_name(name + BAD)
        with contextlib.suppress(OSError):
            path.rename(aside)
        return str(aside)

    def _sweep(self) -> None:
        """Delete what a writer that was killed left half written."""
        with contextlib.suppress(OSError):
            for path in self.folder.glob(f"*{_PART}"):
                with contextlib.suppress(OSError):
                    if time.time() - path.stat().st_mtime > _STALE_PART:
                        path.unlink()


def _find_fault(path: Path) -> SpoolFault:
    text = f"the spool cannot be read, and records of wrapped commands may wait there unseen: {path} ({describe_owner(path)})"
    return SpoolFault(text, _fix_command(path))


def _fix_command(path: Path) -> str:
    """Return the command after which records can be imported. They are for the owner of the folder above, who may not be this user."""
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
