"""The store of one process on one schema of PostgreSQL."""

import logging
import threading
from pathlib import Path
from typing import Unpack

from mainspring.domain.clock import SystemClock, elapsed_seconds
from mainspring.domain.errors import FencedError
from mainspring.store.commands.sessions import CloseSession
from mainspring.store.postgres.address import Address
from mainspring.store.postgres.database import LEASE_MS, PostgresDatabase
from mainspring.store.postgres.reader import PostgresReader
from mainspring.store.process_store import ProcessStore, StoreOptions
from mainspring.store.store_clock import StoreClock, steady
from mainspring.store.write.command_handlers import HANDLERS

_LOG = logging.getLogger("mainspring.store")
_CHECK_EVERY_S = 0.2
_WITHOUT_RUNS = frozenset({"supervisor", "scheduler", "watcher", "web", "cli"})
"""Roles that own no run: they need not end when the database is unavailable for a while."""


class PostgresStore(ProcessStore):
    """A process_store.ProcessStore at `address`; the time is the database's.

    `locks` = a folder of this host, the same for every process that uses this store.
    """

    def __init__(
        self, address: Address, *, locks: Path, lease_ms: int = LEASE_MS, **options: Unpack[StoreOptions]
    ) -> None:
        clock = options["clock"]
        self._passed = elapsed_seconds if isinstance(clock, SystemClock) else None
        self._store_clock = StoreClock(steady(clock))
        options["clock"] = self._store_clock
        super().__init__(**options)
        self.address = address
        self._locks = locks
        self._lease_ms = lease_ms
        self._closed = threading.Event()

    @property
    def location(self) -> str:
        """Server, database and schema."""
        return self.address.location

    @property
    def locks(self) -> Path:
        """The lock folder of this host."""
        return self._locks

    def _open_database(self) -> PostgresDatabase:
        return PostgresDatabase(
            self.address,
            clock=self._store_clock,
            handlers=HANDLERS,
            sealing=self._sealing,
            lease_ms=self._lease_ms,
            marks=self._locks,
            passed=self._passed,
        )

    def _note_poll(self, is_changed: bool) -> None:  # noqa: FBT001 - a callback of the committer
        database = self._database
        if isinstance(database, PostgresDatabase):
            # Hints tell of ends, and not of records of streams: those are found by reads at intervals.
            self.end_waiters.note_poll(is_changed=is_changed or database.has_found_ends, is_pushed=False)

    def _open_reader(self) -> PostgresReader:
        return PostgresReader(self.address, marks=self._locks)

    def open_session(self, role: str, *, posts: tuple[str, ...] = (), capacity: int | None = None) -> int:
        """Open this process's one session; a process that may own runs ends itself when its lease is over."""
        holds_runs = role not in _WITHOUT_RUNS
        if isinstance(self._database, PostgresDatabase):
            self._database.ends_without_lease = holds_runs
        session = super().open_session(role, posts=posts, capacity=capacity)
        if holds_runs and isinstance(self._database, PostgresDatabase) and self._database.notice is not None:
            _LOG.warning("%s\nat %s", self._database.notice, self.location)
        if holds_runs:
            threading.Thread(target=self._watch, name="mainspring-lease", daemon=True).start()
        return session

    def _watch(self) -> None:
        """Check the lease in a thread of its own: the committing thread may be blocked in an unanswered statement."""
        database = self._database
        while not self._closed.wait(_CHECK_EVERY_S):
            if isinstance(database, PostgresDatabase) and database.lease.is_over:
                self._on_fatal(
                    FencedError(
                        f"the database was unreachable for too long: the lease of session {self.session} has expired\nat "
                        f"{self.location}",
                        hint="The process ends and is started again; other processes continue its runs.",
                    )
                )
                return

    def give_space_back(self) -> bool:
        """Do nothing: the server's autovacuum reuses the space."""
        return False

    def expired(self) -> list[tuple[int, int]]:
        """Return sessions without a heartbeat for longer than their lease, on any host."""
        return [(session, lease_ms) for session, lease_ms in self.reader.read("list_expired_sessions")]

    def cut_off(self, session: int) -> None:
        """End the connection on which the process of this session has an operation in progress."""
        self.reader.read("terminate_backends_of_session", (session,))

    @property
    def lease_ms(self) -> int:
        """How long a session lives without a heartbeat."""
        return self._lease_ms

    def close(self, *, drain: bool = True, end: CloseSession = CloseSession()) -> None:  # noqa: B008 - it is frozen
        """Commit the queued commands, end the session, close the connections."""
        self._closed.set()
        super().close(drain=drain, end=end)
