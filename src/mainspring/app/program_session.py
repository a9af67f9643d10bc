"""The session of a program outside of steps: a script, a plain program, `mainspring once`. Its effects and its locks belong to it.

Role: opens the project's store at the first use, with a session of its own, and keeps it until the program ends. Invariants: a program
that is killed leaves what it holds to its session, which another process declares dead; a forked child opens a session of its own.
"""

import atexit
import os
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

from mainspring.app.exec.best_effort_store import declare_dead_sessions
from mainspring.app.project import Project
from mainspring.app.stores.store_factory import make_store, require_store
from mainspring.app.workers.dead_sessions import declare_expired_sessions_dead
from mainspring.domain.errors import FencedError
from mainspring.service.actor import user_name
from mainspring.store.base import CommitChanges
from mainspring.store.commands.base import Answer, StoreCommand
from mainspring.store.liveness import ONCE_ROLE
from mainspring.store.process_store import ProcessStore

Part = TypeVar("Part")
STORE_TIMEOUT_S = 30.0
"""Seconds that the store may be away before a call fails."""


class ProgramSession:
    """The store and the session of one program; used from any thread. `program` = its name for people."""

    def __init__(self, project: Project, program: str | None = None) -> None:
        self.project = project
        self.changed = threading.Condition()
        self.changes = 0
        """How often another process may have committed."""
        self._store = self._make_store()
        program = program or Path(sys.argv[0] or "python").name
        self._owner = f"{program} of {user_name()}@{socket.gethostname()}"
        self._open_lock = threading.Lock()
        self._is_open = False
        self._closers: list[Callable[[], None]] = []
        self._parts_lock = threading.Lock()
        self._parts: dict[object, object] = {}

    def _make_store(self) -> ProcessStore:
        project = self.project
        store = make_store(
            project.settings.store.url,
            lease_ms=project.lease_ms,
            clock=project.clock,
            timeout_s=STORE_TIMEOUT_S,
            on_change=self._note_change,
        )
        store.full_disk_timeout_s = STORE_TIMEOUT_S
        return store

    def _note_change(self, _changes: CommitChanges) -> None:
        with self.changed:
            self.changes += 1
            self.changed.notify_all()

    def wait_for_change(self, seen: int, seconds: float) -> None:
        """Wait until another process may have committed since `changes` was `seen`, or a waiter is notified; at most so long."""
        with self.changed:
            if self.changes == seen:
                self.changed.wait(seconds)

    @property
    def owner(self) -> str:
        """This process, for people."""
        return f"{self._owner} (pid {os.getpid()})"

    @property
    def number(self) -> int | None:
        """The session of this program; None before it is open, and after it was declared dead."""
        return self._store.session if self._is_open and self._store.committer.fatal is None else None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """File descriptors that children must hold, so that the session lives while one of them runs."""
        return () if self._store.lock is None else (self._store.lock.descriptor,)

    def part(self, kind: "Callable[[ProgramSession], Part]") -> Part:
        """Return the part of this kind, for example the locks of this program; it is made at the first use."""
        with self._parts_lock:
            if kind not in self._parts:
                self._parts[kind] = kind(self)
            return cast("Part", self._parts[kind])

    def before_close(self, closer: Callable[[], None]) -> None:
        """Call `closer` before the session is closed."""
        self._closers.append(closer)

    def open(self) -> None:
        """Open the store and the session; after this session was declared dead, a new one. Raises StoreError."""
        with self._open_lock:
            if self._is_open and self._store.committer.fatal is not None:
                self._store.close(drain=False)
                self._store, self._is_open = self._make_store(), False
            if not self._is_open:
                require_store(
                    self.project.settings.store.url
                )  # a new store, by a typing error, would know no effect or lock
                self._store.open()
                try:
                    self._store.open_session(ONCE_ROLE)
                except BaseException:
                    self._store.close()
                    raise
                self._is_open = True

    def close(self) -> None:
        """End the session: its locks are free, and its pending effects are unknown from now on."""
        for closer in self._closers:
            closer()
        with self._open_lock:
            if self._is_open:
                self._is_open = False
                self._store.close()

    def apply(self, command: StoreCommand[Answer]) -> Answer:
        """Commit a command, in a new session if this one was declared dead."""
        self.open()
        try:
            return self._store.apply(command)
        except FencedError:
            self.open()
            return self._store.apply(command)

    def apply_in(self, number: int, command: StoreCommand[Answer]) -> Answer:
        """Commit a command in this session only.

        Raises:
            FencedError: the session was declared dead.
        """
        if self.number != number:
            raise FencedError(f"session {number} of this program was declared dead")
        return self._store.apply(command)

    def declare_dead_holders(self) -> bool:
        """Declare dead the holders that no live supervisor watches, and those without a heartbeat; return True if there was one."""
        return bool(declare_dead_sessions(self._store)) | declare_expired_sessions_dead(self._store)


_LOCK = threading.Lock()
_program: ProgramSession | None = None
_inherited: list[ProgramSession] = []
"""Those of the processes that forked this one: a connection must not be closed here."""


def program_session() -> ProgramSession:
    """Return the session of this program, on the store of the newest project of this process, or the one that the configuration names.

    Raises:
        ConfigError: the configuration cannot be used.
    """
    global _program  # noqa: PLW0603 - one program, one session
    with _LOCK:
        if _program is None:
            _program = ProgramSession(Project.current())
            atexit.register(_close, _program, os.getpid())
        return _program


def _close(session: ProgramSession, pid: int) -> None:
    """Close the session of this process, and not that of the process that forked it."""
    if os.getpid() == pid:
        session.close()


def _forget() -> None:
    """Start without a session in a forked child. That of its parent is neither used nor closed here."""
    global _LOCK, _program  # noqa: PLW0603 - another thread of the parent may have held the lock, and no one here releases it
    _LOCK = threading.Lock()
    if _program is not None:
        _inherited.append(_program)
    _program = None


os.register_at_fork(after_in_child=_forget)
