"""The store of one process: write connection, committer, readers, and the session of this process.

store = SqliteStore(path, clock=..., deliver=...)
store.open()
store.open_session("worker")
...
store.close()
"""

import logging
import os
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from math import inf
from pathlib import Path
from typing import Required, TypedDict

import msgspec

from mainspring.domain.clock import Clock
from mainspring.domain.errors import MainspringError, StoreUnavailableError
from mainspring.domain.integrity.store_finding import StoreFinding
from mainspring.domain.processes.hash_seed import hash_seed_fingerprint
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.store.base import CommitCallback, CommitChanges, Database, StoreReader
from mainspring.store.commands.base import Answer, StoreCommand
from mainspring.store.commands.sessions import CloseSession, OpenSession
from mainspring.store.commit_callbacks import CallbackBatch, CallbackRunner
from mainspring.store.committer import Committer
from mainspring.store.liveness import SessionLock, host_identity, process_started
from mainspring.store.schema.row import first_values

_LOG = logging.getLogger("mainspring.store")
POLL_EVERY_S = 0.02
INFORMED_FOR_S = 0.1
"""Seconds after a poll of the committer in which its word counts that no other process committed: two of its polls."""
_SHARE_OF_TIME = 20
_LAST_READ_S = 1.0
OnEnd = Callable[[], object]


class RunEndWaiters:
    """The waiters of one process at one store, for any thread.

    A commit of this process names the runs that it ended, and their waiters are called at once. For the commits of other
    processes one thread reads the ends of all awaited runs together while there are waiters: when the committer tells that
    another process committed, or 50 times a second if it does not tell. A waiter may wait for a record of a stream or a
    reply, too: a commit of this process does not name those, so they are read after it, 50 times a second at most. If that
    read is slow, the next one comes later: even many waiters use at most a twentieth of one connection.

    A waiter is called once, in the thread that finds the end, and is then forgotten. If the store cannot be read it is
    called although its run may continue, so it must read the run again.
    """

    def __init__(self, poll_every_s: float = POLL_EVERY_S, informed_for_s: float = INFORMED_FOR_S) -> None:
        self._poll_every_s = poll_every_s
        self._informed_for_s = informed_for_s
        self._informed_at = -inf
        self._is_behind = False
        """Whether another process has committed since the last read."""
        self._has_own_commit = False
        self._changed = threading.Condition()
        self._waiters: dict[str, list[OnEnd]] = {}
        self._ids: bytes | None = None
        self._poller: threading.Thread | None = None
        self._is_closed = False

    def add(self, run_id: str, on_end: OnEnd, reader: StoreReader) -> None:
        """Call `on_end` once the run has ended. Read the run after this call: it may have ended before."""
        with self._changed:
            if self._is_closed:
                on_end()
                return
            self._waiters.setdefault(run_id, []).append(on_end)
            self._ids = None
            if self._poller is None:
                self._poller = threading.Thread(
                    target=self._poll, args=(reader,), name="mainspring-run-ends", daemon=True
                )
                self._poller.start()

    def remove(self, run_id: str, on_end: OnEnd) -> None:
        """Forget a waiter; does nothing if it was called already."""
        with self._changed:
            waiters = self._waiters.get(run_id, [])
            if on_end in waiters:
                waiters.remove(on_end)
            if not waiters and self._waiters.pop(run_id, None) is not None:
                self._note_removal()

    def wake(self, run_ids: Iterable[str]) -> None:
        """Call the waiters of runs that have ended."""
        if not self._waiters:
            return
        with self._changed:
            woken = [on_end for run_id in run_ids for on_end in self._waiters.pop(run_id, ())]
            if woken:
                self._note_removal()
        for on_end in woken:
            on_end()

    def note_poll(self, *, is_changed: bool, is_pushed: bool) -> None:
        """Note the answer of a poll of the committer. `is_pushed` = until the next poll another process's commit wakes it."""
        with self._changed:
            if is_pushed:
                self._informed_at = time.monotonic()
            if is_changed:
                self._is_behind = True
                self._changed.notify()

    def note_own_commit(self) -> None:
        """Note a commit of this process. It names the runs that it ended, but not the records and replies that it wrote."""
        if self._waiters:
            with self._changed:
                self._has_own_commit = True
                self._changed.notify()

    def close(self) -> None:
        """Call all waiters and end the thread; later waiters are called at once."""
        with self._changed:
            self._is_closed = True
        self.wake(list(self._waiters))
        poller = self._poller
        if poller is not None and poller is not threading.current_thread():
            poller.join(_LAST_READ_S)

    def _note_removal(self) -> None:
        """Update the polling thread after waiters were removed; the caller holds the lock."""
        self._ids = None
        if not self._waiters:
            self._changed.notify()

    def _poll(self, reader: StoreReader) -> None:
        pause = 0.0
        while (ids := self._next_run_ids(pause)) is not None:
            started_at = time.monotonic()
            try:
                ended = first_values(reader.read("list_ended_among", (ids.decode(),)), str)
            except MainspringError:
                ended = list(self._waiters)
            except Exception:  # noqa: BLE001 - each waiter reads its own run and gets the error there
                _LOG.exception("the ends of runs cannot be read")
                ended = list(self._waiters)
            pause = (time.monotonic() - started_at) * _SHARE_OF_TIME
            self.wake(ended)

    def _wait_for_news(self) -> None:
        """Wait for a commit of any process, for as long as the word of the committer counts; the caller holds the lock."""
        while (left := self._informed_at + self._informed_for_s - time.monotonic()) > 0:
            if self._changed.wait_for(lambda: self._is_behind or self._has_own_commit or not self._waiters, left):
                return

    def _next_run_ids(self, pause: float) -> bytes | None:
        """Return the ids of the awaited runs as JSON when they may have ended, after the pause at the earliest; None once there
        are no waiters.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._waiters, pause)
            if not self._changed.wait_for(lambda: self._is_behind or not self._waiters, self._poll_every_s - pause):
                self._wait_for_news()
            self._is_behind = self._has_own_commit = False
            if not self._waiters:
                self._poller = None
                return None
            if self._ids is None:
                self._ids = msgspec.json.encode(list(self._waiters))
            return self._ids


def _deliver_now(answers: CallbackBatch) -> None:
    """Deliver on the committing thread: for a process without an event loop."""
    for on_done, result in answers:
        on_done(result)


def _ignore_change(news: object) -> None:
    """Ignore a change: for a process without a callback."""


class StoreOptions(TypedDict, total=False):
    """The options of a ProcessStore that are the same for every kind of store."""

    clock: Required[Clock]
    sealing: Sealing
    deliver: CallbackRunner
    on_change: Callable[[CommitChanges], None]
    on_outage: Callable[[str | None], None]
    on_fatal: Callable[[BaseException], None]
    wrap: Callable[[Database], Database]
    timeout_s: float


class ProcessStore(ABC):
    """A base.Store of one process; a subclass opens one kind of store. The callbacks are those of committer.Committer.

    `sealing` opens the data of events, to match them; other values stay sealed. `wrap` puts another Database around the
    real one (simulated faults).
    """

    def __init__(
        self,
        *,
        clock: Clock,
        sealing: Sealing = PLAIN_SEALING,
        deliver: CallbackRunner = _deliver_now,
        on_change: Callable[[CommitChanges], None] = _ignore_change,
        on_outage: Callable[[str | None], None] = _ignore_change,
        on_fatal: Callable[[BaseException], None] = _ignore_change,
        wrap: Callable[[Database], Database] = lambda database: database,
        timeout_s: float = float("inf"),
    ) -> None:
        self.lock: SessionLock | None = None
        """The session's lock; its descriptor is for children that must be dead before the session is."""
        self.full_disk_timeout_s: float = -1
        """Seconds after which a caller of `apply` gets an error while the disk is full; -1 = it waits."""
        self.clock = clock
        """The clock of the users of this store."""
        self._sealing = sealing
        self._deliver = deliver
        self._on_change = on_change
        self._on_outage = on_outage
        self._on_fatal = on_fatal
        self.wrap = wrap
        """Puts another Database around the real one, when the store is opened."""
        self.end_waiters = RunEndWaiters()
        """Waiters for the ends of runs."""
        self._timeout_s = timeout_s
        self._database: Database | None = None
        self._committer: Committer | None = None
        self._reader: StoreReader | None = None

    # -- what each kind of store implements ----------------------------------------------------------------------------

    @property
    @abstractmethod
    def location(self) -> str:
        """The address of the store, for people; never with a password."""

    @property
    @abstractmethod
    def locks(self) -> Path:
        """The folder of the session locks: the same for all processes of this host that use this store."""

    @property
    def file(self) -> Path | None:
        """The store's file; None where a server keeps it."""
        return None

    @abstractmethod
    def _open_database(self) -> Database:
        """Open the database that commits; create and migrate it if needed. Raises StoreError."""

    @abstractmethod
    def _note_poll(self, is_changed: bool) -> None:  # noqa: FBT001 - a callback of the committer
        """Inform the waiters of a poll, and whether the next commit of another process wakes the committer."""

    @abstractmethod
    def _open_reader(self) -> StoreReader:
        """Return the reads."""

    @abstractmethod
    def give_space_back(self) -> bool:
        """Return a little of the space that retention freed to the disk; True if enough is left for another part."""

    def expired(self) -> list[tuple[int, int]]:
        """Return sessions, each with its lease in ms, without a heartbeat for longer than their lease; none if the
        kernel reports deaths.
        """
        return []

    def cut_off(self, session: int) -> None:  # noqa: B027 - the kernel has cut off a process that is dead
        """End the operations of an unreachable session in the store, so that no one waits for them."""

    @property
    def lease_ms(self) -> int | None:
        """How long a session lives without a heartbeat; None if the kernel reports its death."""
        return None

    def check_presence(self) -> None:  # noqa: B027 - a server's tables are not removed from under it
        """Check that the open file is still the one under its name. Raises StoreRemovedError; any thread may call it."""

    def known_damage(self) -> StoreFinding | None:
        """Return damage of the store that any process recorded; read without the store."""
        return None

    def waits_for(self, longer_than: float = 5.0) -> str | None:
        """Return who has kept this process from writing for so many seconds, if that is known."""
        return None

    # -- what all kinds share ------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the store; create and migrate it if needed.

        Raises:
            StoreError: it cannot be used; the class is the reason.
        """
        self.end_waiters = RunEndWaiters()
        self._database = self._open_database()
        self._reader = self._open_reader()
        self._committer = Committer(
            self.wrap(self._database),
            self._deliver,
            on_change=self._announce_changes,
            on_poll=self._note_poll,
            on_commit=self.end_waiters.note_own_commit,
            on_outage=self._on_outage,
            on_fatal=self._stop_waiting,
            timeout_s=self._timeout_s,
        )
        self._committer.start()

    @property
    def is_idle(self) -> bool:
        """Whether this process waits for no commit."""
        return self._committer is None or self._committer.is_idle

    @property
    def commit_count(self) -> int:
        """How often this process has committed; it grows before `is_idle` is true again."""
        return 0 if self._committer is None else self._committer.group_count

    def on_idle(self, callback: Callable[[], object]) -> None:
        """Call back, in another thread, whenever the last awaited commit is over. The session is open."""
        assert self._committer is not None
        self._committer.on_idle = callback

    def _announce_changes(self, changes: CommitChanges) -> None:
        self.end_waiters.wake(changes.ended)
        if changes.ready or changes.facts or changes.triggers or changes.locks or changes.clock_step is not None:
            self._on_change(changes)

    def _stop_waiting(self, error: BaseException) -> None:
        """Report a fatal error, also to the waiters for runs."""
        self._on_fatal(error)
        self.end_waiters.close()

    def check_session_lock(self) -> None:
        """Check that this process could hold the lock of a session. Raises StoreReadOnlyError, StoreFullError."""
        SessionLock(self.locks, f"{self.clock.random_bits(128):032x}").close(ended=True)

    def open_session(self, role: str, *, posts: tuple[str, ...] = (), capacity: int | None = None) -> int:
        """Open the one session of this process: first the lock, then the row, so that no one finds the row without its
        proof of life.

        `posts` and `capacity` are those of OpenSession.
        """
        uuid = f"{self.clock.random_bits(128):032x}"
        self.lock = SessionLock(self.locks, uuid, store=self.file)
        pid = os.getpid()
        opening = OpenSession(
            uuid=uuid,
            role=role,
            host=host_identity(),
            hostname=socket.gethostname(),
            pid=pid,
            pid_started=process_started(pid) or "",
            lock_path=str(self.lock.path),
            lease_ms=self.lease_ms,
            posts=posts,
            capacity=capacity,
            hash_seed=hash_seed_fingerprint(),
        )
        return self.apply(opening).number

    @property
    def session(self) -> int | None:
        """The session of this process, once it is open."""
        return self._database.session if self._database is not None else None

    @property
    def reader(self) -> StoreReader:
        """The reads."""
        if self._reader is None:
            raise StoreUnavailableError("the store is not open")
        return self._reader

    @property
    def committer(self) -> Committer:
        """The thread that commits."""
        if self._committer is None:
            raise StoreUnavailableError("the store is not open")
        return self._committer

    def submit(self, command: StoreCommand[Answer], on_done: CommitCallback[Answer]) -> None:
        """Queue a command for the next group; see base.Store."""
        self.committer.submit(command, on_done)

    def apply(self, command: StoreCommand[Answer]) -> Answer:
        """Commit a command and return its answer; see base.Store."""
        return self.committer.apply(command, timeout_s=self.full_disk_timeout_s)

    def apply_in_order(self, commands: Sequence[StoreCommand[Answer]]) -> list[Answer | BaseException]:
        """Commit commands in their order, and return their answers; see base.Store."""
        return self.committer.apply_in_order(commands, timeout_s=self.full_disk_timeout_s)

    def close(self, *, drain: bool = True, end: CloseSession = CloseSession()) -> None:  # noqa: B008 - it is frozen
        """Commit the queued commands, end the session, close the file. Without `drain`, or after a fatal error, write
        nothing more.

        `end` = what is recorded of the session's end. A session that did not end in order keeps its lock file until it
        is declared dead.
        """
        committer, database, reader = self._committer, self._database, self._reader
        if committer is None or database is None or reader is None:
            return
        ended = False
        if drain and committer.fatal is None and database.session is not None:
            committer.hurry()
            ended = self._end_session(committer, end)
        committer.stop(drain=drain)
        self.end_waiters.close()
        reader.close()
        database.close()
        if self.lock is not None:
            self.lock.close(ended=ended)
        self._committer = self._database = self._reader = self.lock = None

    @staticmethod
    def _end_session(committer: Committer, end: CloseSession) -> bool:
        try:
            committer.apply(end)
        except Exception:  # noqa: BLE001 - closing continues; another process then declares the session dead
            return False
        return True
