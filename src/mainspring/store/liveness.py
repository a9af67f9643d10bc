"""Liveness of sessions without a clock: a session holds a lock file and its children inherit the descriptor, so the
kernel knows when all of them have ended.

Only children that must keep the descriptor inherit it (see `SessionLock.descriptor`). A session may be declared dead
when its lock can be acquired, on its own host only. `kill_remains` brings a session to that point after its main
process ended. The session of a program that performs effects outside of steps is never brought there: what it left
behind may be in the middle of an effect, so it stays alive until that has ended.
"""

import contextlib
import errno
import fcntl
import os
import signal
import socket
import stat
import sys
import time
from enum import Enum
from pathlib import Path

import msgspec

from mainspring.domain.errors import StoreFullError, StoreReadOnlyError
from mainspring.store.base import StoreReader
from mainspring.store.side_files import STATE_HOME_HINT, describe_owner, make_side_folder, open_side_file

_PROC = Path("/proc")
_LOCK = ".lock"
_SIDE_FILE_HINT = "The disk beside the store needs free space, and this user needs the right to write there."
_SUPERVISOR, _SUPERVISED = "supervisor", frozenset({"worker", "probation"})
ONCE_ROLE = "once"
"""Role of the session of a program that performs effects outside of steps."""


class LockState(Enum):
    """State of the lock file of a session."""

    FREE = "free"
    """No process holds it: the session is dead."""
    HELD = "held"
    MISSING = "missing"
    """The file is missing, which proves nothing."""
    UNREADABLE = "unreadable"
    """This user may not open it, or its disk fails, which proves nothing either."""


class SessionLock:
    """The lock file of this process's session; held until this process and every child with the descriptor have ended."""

    def __init__(self, folder: Path, uuid: str, *, store: Path | None = None) -> None:
        self.path = folder / f"{uuid}{_LOCK}"
        try:
            make_side_folder(folder, store=store)
            self.descriptor = open_side_file(self.path, os.O_RDWR, store=store)
        except OSError as error:
            kind = StoreFullError if error.errno == errno.ENOSPC else StoreReadOnlyError
            owner = f"; {describe_owner(folder)}" if error.errno == errno.EACCES else ""
            raise kind(
                f"no session can be opened\nat {self.path}: {error.strerror}{owner}",
                hint=STATE_HOME_HINT if store is None else _SIDE_FILE_HINT,
            ) from error
        """Pass it to children (subprocess: `pass_fds`) that must be dead before the session is."""
        fcntl.flock(self.descriptor, fcntl.LOCK_EX)

    def close(self, *, ended: bool) -> None:
        """Release the lock. Remove the file if the session is recorded as ended; else it stays until the session is
        declared dead.
        """
        if ended:
            self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


class FoundSession(msgspec.Struct, frozen=True):
    """A session of this host that is not recorded as ended although its main process has ended."""

    session: int
    role: str
    pid: int
    lock_path: Path
    groups: tuple[tuple[int, str], ...]
    """Recorded process groups: (group id, start mark of its leader)."""


def host_identity() -> str:
    """Return the same text for two processes that can see and kill each other: boot id and pid namespace (macOS: host
    name).
    """
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return f"{socket.gethostname()}/{sys.platform}"


def process_started(pid: int) -> str | None:
    """Return the start mark of a process (clock units since boot), "" if this system has none, None if there is no such
    process.

    A process that ended but was not yet waited for counts as missing.
    """
    if not (_PROC / "self/stat").exists():
        return "" if _exists(pid) else None
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return "" if _exists(pid) else None  # /proc may hide the processes of other users (hidepid)
    fields = text.rpartition(")")[2].split()  # the name before it may contain any character
    return None if fields[0] in "ZX" else fields[19]


def is_running(pid: int, started: str) -> bool:
    """Tell whether this very process is running: a reused pid has another start mark."""
    mark = process_started(pid)
    return mark is not None and (mark == started or not mark or not started)


def read_lock(lock_path: Path) -> LockState:
    """Return the state of a lock file; never raises."""
    try:
        # Read access is enough for flock, also on a read-only disk. A pipe under this name does not block.
        descriptor = os.open(lock_path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return LockState.MISSING
    except OSError:
        return LockState.UNREADABLE
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return LockState.HELD
    except OSError:
        return LockState.UNREADABLE
    else:
        return LockState.FREE
    finally:
        os.close(descriptor)


def find_users(folder: Path) -> list[str]:
    """Return the uuids of the sessions in a lock folder that may be in use: the lock is held, or unreadable for this
    user.

    Raises:
        StoreReadOnlyError: the folder cannot be read.
    """
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.name.endswith(_LOCK))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreReadOnlyError(
            f"the users of the store cannot be read\nat {folder}: {error.strerror}; {describe_owner(folder)}",
            hint="Run this as the owner of the folder, or give the folder to the owner of the store (chown).",
        ) from error
    in_use = {LockState.HELD, LockState.UNREADABLE}
    return [name.removesuffix(_LOCK) for name in names if read_lock(folder / name) in in_use]


def has_process_ended(host: str, pid: int, started: str) -> bool:
    """Tell whether a session's main process has certainly ended: it was of this host, and is not running."""
    return host == host_identity() and not is_running(pid, started)


def find_dead(reader: StoreReader) -> list[FoundSession]:
    """Return the sessions of this host, not recorded as ended, whose lock is free or whose main process has ended.

    A session of ONCE_ROLE whose lock is held is alive: a command or a fork of the program may still perform its effect.

    A session with an unreadable lock and a lease is omitted: it is declared dead when the lease expires. A store in a
    file has no leases: there the session is dead when its main process has ended and nothing is left of its recorded
    process groups.
    """
    sessions = []
    for session, role, pid, started, lock, lease_ms in reader.read("list_sessions_of_host", (host_identity(),)):
        lock_path = Path(lock)
        state = read_lock(lock_path)
        if (state is LockState.UNREADABLE and lease_ms is not None) or (state is LockState.HELD and role == ONCE_ROLE):
            continue
        if state is LockState.FREE or not is_running(pid, started):
            groups = tuple((int(group), str(mark)) for group, mark in reader.read("list_process_groups", (session,)))
            sessions.append(FoundSession(session, role, pid, lock_path, groups))
    return sessions


def find_left_processes(reader: StoreReader, session: int) -> list[int]:
    """Return the processes that hold the lock of a session whose main process has ended; none while that one runs."""
    for found, _, pid, started, lock, _ in reader.read("list_sessions_of_host", (host_identity(),)):
        if found == session and not is_running(pid, started):
            return sorted(holders(Path(lock)))
    return []


def left_to_supervisor(reader: StoreReader, dead: list[FoundSession]) -> frozenset[int]:
    """Return the dead sessions whose supervisor is alive: it knows how they died.

    A supervisor that was opened after them knows nothing: after the death of a whole process tree there is none to wait
    for.
    """
    dead_ids = {dead_session.session for dead_session in dead}
    supervisors = [
        session
        for session, role, *_ in reader.read("list_sessions_of_host", (host_identity(),))
        if role == _SUPERVISOR and session not in dead_ids
    ]
    oldest = min(supervisors, default=None)
    return frozenset(
        dead_session.session
        for dead_session in dead
        if oldest is not None and dead_session.role in _SUPERVISED and oldest < dead_session.session
    )


def kill_remains(found: FoundSession, *, within: float = 5.0) -> bool:
    """Kill what is left of a dead session. True = its lock is free, or it is unreadable and no process is left.

    Then DeclareSessionDead may be submitted. First kill the recorded process groups whose leader is still the recorded
    one, then each process that holds the lock file. Blocks for up to `within` seconds.
    """
    for group, started in found.groups:
        if _is_left(group, started):
            _kill_group(group)
    if (
        found.lock_path.suffix != _LOCK
    ):  # no path of ours: the record was written by someone else, and must not make us remove any file
        return True
    deadline = time.monotonic() + within
    while _may_hold(found):
        for pid in holders(found.lock_path):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.005)
    # A file that stays behind, as on a read-only disk, is free: it does not harm the next process of this host.
    with contextlib.suppress(OSError):
        found.lock_path.unlink(missing_ok=True)
    return True


def holders(lock_path: Path) -> list[int]:
    """Return the other processes that have the file open for writing, as its holder has, as far as this user may see;
    no readers.
    """
    try:
        lock_status = lock_path.stat()
    except OSError:
        return []
    pids = []
    for folder in _PROC.glob("[0-9]*/fd"):
        pid = int(folder.parent.name)
        if pid == os.getpid():
            continue
        with contextlib.suppress(OSError):
            for entry in folder.iterdir():
                with contextlib.suppress(OSError):
                    status = entry.stat()
                    is_same_file = (status.st_dev, status.st_ino) == (lock_status.st_dev, lock_status.st_ino)
                    # Opened for writing, as by SessionLock: `read_lock` only reads, maybe in another process at this
                    # moment.
                    if is_same_file and entry.lstat().st_mode & stat.S_IWUSR:
                        pids.append(pid)
                        break
    return pids


def _may_hold(found: FoundSession) -> bool:
    """Tell whether a process of a dead session may still be running."""
    state = read_lock(found.lock_path)
    return state is LockState.HELD or (
        state is LockState.UNREADABLE and any(_is_left(group, started) for group, started in found.groups)
    )


def _is_left(group: int, started: str) -> bool:
    """Tell whether a recorded process group still has a process."""
    return is_running(group, started) or (process_started(group) is None and _group_exists(group))


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _group_exists(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def _kill_group(group: int) -> None:
    if group not in (0, 1, os.getpgid(0)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
