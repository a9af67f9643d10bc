"""The effect database in SQLite: the user's file for exactly-once effects.

Invariants: a missing file is not created (a mistyped path would forget every effect); a store of Mainspring is refused
by its mark; `synchronous=FULL`, so that the engine saves an outcome only once its effect is durable. The authorizer
refuses BEGIN, COMMIT, ROLLBACK and ATTACH when a statement is prepared. The commit hook turns every other commit into a
rollback: statements after a transaction that SQLite ended itself would otherwise be committed alone.
"""

import contextlib
import time
from datetime import timedelta
from pathlib import Path

import apsw

from mainspring.domain.duration import to_milliseconds
from mainspring.domain.errors import ConfigError, Transient
from mainspring.store.effect_database import TABLE, Parameters, Row, StoredEffect, TransactionError, UnknownCommitError
from mainspring.store.sqlite.connection import refuse_unsafe_sqlite
from mainspring.store.sqlite.filesystem import refuse_network
from mainspring.store.sqlite.migrate import APPLICATION_ID

_CREATE = f"""create table if not exists {TABLE}
(key text primary key, result blob not null, run text not null, step text not null, at integer not null) strict, without rowid"""
_FIND = f"select result from {TABLE} where key = ?"  # noqa: S608 - a constant name
_SAVE = f"insert into {TABLE} (key, result, run, step, at) values (?, ?, ?, ?, ?)"  # noqa: S608 - a constant name
_STEPS_BETWEEN_CHECKS = 10_000  # of SQLite's machine: about a millisecond
_RETRY_S = 0.005
_TOGETHER = "Mainspring commits the writes of the step together with its result when the step returns."


class SqliteEffectDatabase:
    """One SQLite file of the user: `path` is absolute; `busy_for` = how long an attempt waits for another writer before
    it fails as retriable.
    """

    def __init__(self, name: str, path: Path, *, busy_for: timedelta = timedelta(seconds=5)) -> None:
        self.name = name
        self.path = path
        self._busy_ms = to_milliseconds(busy_for)

    def open(self, busy_s: float | None = None) -> "SqliteEffectConnection":
        """Return a new connection; see EffectDatabase.open. `busy_s` = another limit for the wait for another writer.

        Raises:
            UnsafeSqliteError: this SQLite, or a network file system, could damage the file.
            Transient: another program has locked the file.
        """
        self._require_file()
        raw = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            self._prepare(raw, self._busy_ms if busy_s is None else int(busy_s * 1_000))
        except BaseException as fault:
            raw.close(True)
            if isinstance(fault, apsw.BusyError):
                raise self.locked(fault) from fault
            raise
        return SqliteEffectConnection(self, raw)

    def open_reader(self, busy_s: float) -> apsw.Connection:
        """Return a connection that cannot write. Raises as `open`."""
        self._require_file()
        raw = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READONLY)
        raw.set_busy_timeout(int(busy_s * 1_000))
        return raw

    def _require_file(self) -> None:
        refuse_unsafe_sqlite(apsw.sqlite_lib_version())
        if not self.path.is_file():
            fix = "the address."
            if "://" not in self.name:
                fix = f"databases.{self.name}.url. Away from production, the name of the environment is part of the file's name."
            raise ConfigError(
                f"there is no file for the database {self.name!r}\nat {self.path}",
                hint=f"Create it with its tables, or correct {fix} Mainspring does not create it, because an empty one "
                "has no record of effects.",
            )
        refuse_network(self.path)

    def _prepare(self, raw: apsw.Connection, busy_ms: int) -> None:
        raw.set_busy_timeout(busy_ms)
        if raw.pragma("application_id") == APPLICATION_ID:
            raise ConfigError(
                f"the database {self.name!r} is a store of Mainspring, which steps cannot use\nat {self.path}",
                hint=f"Set your own file in databases.{self.name}.url.",
            )
        self._keep_log(raw)
        raw.pragma("synchronous", "full")
        raw.pragma("foreign_keys", True)

    def _keep_log(self, raw: apsw.Connection) -> None:
        """Set the file to a write-ahead log. Of two simultaneous requests SQLite refuses one without waiting, so retry."""
        deadline = time.monotonic() + self._busy_ms / 1_000
        while raw.pragma("journal_mode") != "wal":
            try:
                raw.pragma("journal_mode", "wal")
                return
            except apsw.BusyError:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(_RETRY_S)

    def locked(self, fault: apsw.Error) -> Transient:
        """Return the error of an attempt whose wait timed out."""
        return Transient(f"the database {self.name!r} is locked by another writer\nat {self.path}: {fault}")


class SqliteEffectConnection:
    """The connection of one attempt; guarded from its creation on."""

    def __init__(self, database: SqliteEffectDatabase, raw: apsw.Connection) -> None:
        self._database = database
        self._is_own_statement = False
        self._is_stopped = False
        self.raw = raw
        raw.authorizer = self._authorize
        raw.set_commit_hook(self._forbid_commit)
        raw.set_progress_handler(self._check_stop, _STEPS_BETWEEN_CHECKS)

    @property
    def last_rowid(self) -> int:
        """The id of the row inserted last."""
        return self.raw.last_insert_rowid()

    @property
    def in_transaction(self) -> bool:
        """Whether the transaction is still open."""
        return self.raw.in_transaction

    def begin(self) -> None:
        """Acquire the write lock, and create the table of effects if it is missing.

        Raises:
            Transient: another writer held the lock too long.
        """
        self.begin_writes()
        self.raw.execute(_CREATE)

    def begin_writes(self) -> None:
        """Acquire the write lock, and nothing else; raises as `begin`."""
        try:
            self._control("begin immediate")
        except apsw.BusyError as fault:
            raise self._database.locked(fault) from fault

    def find(self, key: str) -> bytes | None:
        """Return the result of the effect with this key."""
        row = self.raw.execute(_FIND, (key,)).fetchone()
        (result,) = row if row is not None else (None,)
        return None if result is None else bytes(result)

    def save(self, effect: StoredEffect) -> None:
        """Insert the row of the effect."""
        self.raw.execute(_SAVE, (effect.key, effect.result, effect.run, effect.step, effect.at))

    def commit(self) -> None:
        """Commit. While SQLite reports an open transaction, certainly nothing was committed."""
        try:
            self._control("commit")
        except apsw.Error as fault:
            if not self.raw.in_transaction:
                raise UnknownCommitError(
                    f"a commit failed, and may have taken place\nin the database {self._database.name!r} at {self._database.path}: {fault}"
                ) from fault
            if isinstance(fault, apsw.BusyError):
                raise self._database.locked(fault) from fault
            raise

    def execute(self, sql: str, parameters: Parameters) -> list[Row]:
        """Run all statements completely and return all rows."""
        return list(self.raw.execute(sql, parameters))

    def interrupt(self) -> None:
        """Stop the running statement and all later ones: SQLite's own interrupt misses one that is about to start."""
        self._is_stopped = True
        with contextlib.suppress(apsw.Error):
            self.raw.interrupt()

    def close(self) -> None:
        """Roll back uncommitted changes and close."""
        with contextlib.suppress(apsw.Error):
            if self.raw.in_transaction:
                self._control("rollback")
        with contextlib.suppress(apsw.Error):
            self.raw.close(True)

    def _control(self, sql: str) -> None:
        """Run a statement of the engine; not cached, so that the step cannot find it prepared."""
        self._is_own_statement = True
        try:
            self.raw.execute(sql, can_cache=False)
        finally:
            self._is_own_statement = False

    def _authorize(self, action: int, first: str | None, *_: str | None) -> int:
        if self._is_own_statement or action not in (apsw.SQLITE_TRANSACTION, apsw.SQLITE_ATTACH, apsw.SQLITE_DETACH):
            return apsw.SQLITE_OK
        if action == apsw.SQLITE_TRANSACTION:
            raise TransactionError(
                f"a transactional step may not {first} by itself\non the database {self._database.name!r}",
                hint=f"Remove it. Raise an error to roll back; use SAVEPOINT for a part. {_TOGETHER}",
            )
        raise TransactionError(
            f"a transactional step may not attach or detach a file\non the database {self._database.name!r}",
            hint="Two files are not committed together. Use one file.",
        )

    def _forbid_commit(self) -> bool:
        return not self._is_own_statement

    def _check_stop(self) -> bool:
        return self._is_stopped and not self._is_own_statement
