"""A postgres lock: a session advisory lock, `pg_advisory_lock(hashtextextended(NAME, 0))`, on a connection of its own.

Its fencing token is the next value of the sequence `mainspring_lock_token`, read while the lock is held. Invariants: it ends with the
session of the server and not with a lease, so a stopped holder keeps it as long as its connection lives; a pooler of transactions would
give the session to others, so it is refused.
"""

import contextlib
import select
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final

from mainspring.domain.errors import ConfigError
from mainspring.domain.text.lazy_pattern import lazy_pattern
from mainspring.domain.triggers.queues.queue_address import BrokerServer
from mainspring.integrations.base.lock_backend import BackendHolder, BackendLock, LockBackend, LockBackendError
from mainspring.integrations.base.queue_address import QueueAddressParts
from mainspring.integrations.postgres import CONNECTION_DEFAULTS, LIBPQ_PARAMETERS

if TYPE_CHECKING:
    import psycopg

_MARK: Final = "mainspring-lock "
_SEQUENCE: Final = "create sequence if not exists mainspring_lock_token"
_KEY: Final = "hashtextextended(%s, 0)"
_HOLDERS: Final = """
select activity.pid, activity.application_name, activity.usename, coalesce(host(activity.client_addr), 'this machine'),
       cast(extract(epoch from activity.state_change) * 1000 as bigint)
from pg_locks locks join pg_stat_activity activity on activity.pid = locks.pid
where locks.locktype = 'advisory' and locks.objsubid = 1 and locks.granted
  and locks.database = (select oid from pg_database where datname = current_database())
"""
_OF_NAME: Final = f"{_HOLDERS} and (cast(locks.classid as bigint) << 32) | cast(locks.objid as bigint) = {_KEY}"
_NAMED: Final = f"{_HOLDERS} and activity.application_name like %s order by 2"
_MAX_NAME_BYTES: Final = 63
_LONGEST_WAIT_MS: Final = 2**31 - 1
"""The longest `lock_timeout` of the server, 24 days."""
_CANCEL_EVERY_S: Final = 0.05
_DATABASE = lazy_pattern(r"[^/]+")


class PostgresLock(BackendLock):
    """One lock. Its connection has the name of the lock as its application name."""

    def __init__(self, server: BrokerServer, name: str) -> None:
        self._server = server
        self._name = name
        self._connection: psycopg.Connection[Any] | None = None
        self._is_ended = threading.Event()
        self._is_idle = threading.Event()
        self._is_idle.set()

    def acquire(self, wait_s: float) -> int | BackendHolder | None:
        """Wait on the server, which serves its sessions in their order."""
        self._is_idle.clear()
        try:
            return self._acquire(wait_s)
        finally:
            self._is_idle.set()

    def _acquire(self, wait_s: float) -> int | BackendHolder | None:
        import psycopg

        with _translate(self._server):
            self._connection = _connect(self._server, f"{_MARK}{self._name}")
            _refuse_pooler(self._connection)
            if self._connection.execute("select to_regclass('mainspring_lock_token')").fetchone() == (None,):
                _make_sequence(self._connection)
            if not self._is_ended.is_set() and self._take(wait_s):
                row = self._connection.execute("select nextval('mainspring_lock_token')").fetchone()
                return int(row[0]) if row is not None else 0
            if self._is_ended.is_set():
                return None
            try:
                return next(iter(_read_holders(self._connection, self._name)), BackendHolder(self._name, "another"))
            except psycopg.errors.InsufficientPrivilege:
                return BackendHolder(self._name, "another")

    def _take(self, wait_s: float) -> bool:
        """Take the lock within the wait; False = it is held, or the wait was cancelled."""
        import psycopg

        assert self._connection is not None
        row = self._connection.execute(f"select pg_try_advisory_lock({_KEY})", (self._name,)).fetchone()
        if row == (True,) or wait_s <= 0:
            return row == (True,)
        timeout_ms = min(max(round(wait_s * 1000), 1), _LONGEST_WAIT_MS)
        self._connection.execute("select set_config('lock_timeout', %s, false)", (f"{timeout_ms}ms",))
        try:
            self._connection.execute(f"select pg_advisory_lock({_KEY})", (self._name,))
        except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled):
            return False
        return True

    def cancel(self) -> None:
        """Cancel the statement that waits. It may be about to begin, so repeat that until `acquire` has ended."""
        self._is_ended.set()
        while not self._is_idle.wait(_CANCEL_EVERY_S):
            if self._connection is not None:
                with contextlib.suppress(Exception):
                    self._connection.cancel_safe(timeout=5)

    def is_lost(self) -> bool:
        """Whether the connection has ended; the kernel notices a dead server within about four seconds."""
        connection = self._connection
        if connection is None or connection.closed:
            return True
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        if poll.poll(0):
            with contextlib.suppress(Exception):
                connection.pgconn.consume_input()
        return connection.pgconn.status != 0 or bool(poll.poll(0))

    def release(self) -> bool:
        """Close the connection, which ends its locks."""
        self._is_ended.set()
        was_lost = self.is_lost()
        if self._connection is not None:
            self._connection.close()
        return not was_lost


class PostgresLockBackend(LockBackend):
    """Session advisory locks of a PostgreSQL server."""

    kind: ClassVar[str] = "postgresql-advisory"
    form: ClassVar[str] = "postgresql://USER:{secret:NAME}@HOST:5432/DATABASE"
    extra: ClassVar[str] = "postgres"

    def check_address(self, parts: QueueAddressParts) -> None:
        """Check that it names a database, and its parameters."""
        parts.parameters(*LIBPQ_PARAMETERS)
        parts.check_path(_DATABASE)

    def open_lock(self, server: BrokerServer, name: str, owner: str, lease: timedelta) -> PostgresLock:
        """Return a lock. It has no lease."""
        import psycopg  # noqa: F401 - a missing library is reported before the first connection

        return PostgresLock(server, name)

    def list_holders(self, server: BrokerServer) -> list[BackendHolder]:
        """Return the locks that Mainspring's connections hold: the server knows other locks by number only."""
        with _translate(server), _connect(server, "mainspring") as connection:
            return _read_holders(connection)

    def break_lock(self, server: BrokerServer, name: str) -> bool:
        """End the sessions that hold the lock: other programs may share it."""
        with _translate(server), _connect(server, "mainspring") as connection:
            holders = connection.execute(_OF_NAME, (name,)).fetchall()
            ended = [connection.execute("select pg_terminate_backend(%s)", (pid,)).fetchone() for pid, *_ in holders]
            return (True,) in ended


def _connect(server: BrokerServer, application: str) -> "psycopg.Connection[Any]":
    import psycopg

    name = application.encode()[:_MAX_NAME_BYTES].decode(errors="ignore")
    settings = {**CONNECTION_DEFAULTS, "application_name": name, "prepare_threshold": None}
    return psycopg.connect(server.url, autocommit=True, **settings)


def _refuse_pooler(connection: "psycopg.Connection[Any]") -> None:
    """Refuse a pooler, which reports a process number of its own. Raises ConfigError."""
    if connection.execute("select pg_backend_pid()").fetchone() != (connection.info.backend_pid,):
        raise ConfigError(
            f"the lock backend at {connection.info.host}:{connection.info.port} is behind a pooler, which gives the session "
            "of a lock to other programs",
            hint="Name the server itself under [locks], not pgbouncer.",
        )


def _make_sequence(connection: "psycopg.Connection[Any]") -> None:
    """Create the sequence of tokens. Raises ConfigError if that is not permitted."""
    import psycopg

    try:
        connection.execute(_SEQUENCE)
    except psycopg.errors.InsufficientPrivilege:
        raise ConfigError(
            "the lock backend has no sequence mainspring_lock_token for fencing tokens, and this user may not create it",
            hint=f"As an administrator: {_SEQUENCE}; grant usage on sequence mainspring_lock_token to {connection.info.user};",
        ) from None
    except psycopg.errors.UniqueViolation:
        return  # another process created it at the same time


def _read_holders(connection: "psycopg.Connection[Any]", name: str | None = None) -> list[BackendHolder]:
    query, value = (_NAMED, f"{_MARK}%") if name is None else (_OF_NAME, name)
    rows = connection.execute(query, (value,)).fetchall()
    return [
        BackendHolder(
            name or application.removeprefix(_MARK), f"{user}@{host} (server process {pid})", since_at=int(since_at)
        )
        for pid, application, user, host, since_at in rows
    ]


@contextlib.contextmanager
def _translate(server: BrokerServer) -> Iterator[None]:
    """Raise LockBackendError for the errors of the server; they never contain the address."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        host, port = server.hosts[0]
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        where = f"postgresql-advisory at {host}:{port or 5432}"
        raise LockBackendError(f"the lock backend {where} failed: {reason}") from None


LOCK_BACKEND: Final[LockBackend] = PostgresLockBackend()
