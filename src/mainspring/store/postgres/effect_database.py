"""The effect database on PostgreSQL: the user's database for exactly-once effects.

Invariants: the search for an effect inserts its row at once, so that of two attempts with one key, anywhere, the second
waits for the end of the first. The row is marked as unfinished by a reference to a missing row, which is checked at the
commit, so that only the engine's commit can succeed, however it is made. Statements that would begin, commit or roll
back are refused before they are sent.
"""

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, NoReturn, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq.abc import PGconn
from psycopg.rows import RowFactory, tuple_row

from mainspring.domain.duration import to_milliseconds
from mainspring.domain.errors import ConfigError, NotSent, Transient
from mainspring.domain.redaction.secret_name import SECRET_REFERENCE, fill_references
from mainspring.domain.text.server_url import SERVER_HINT, explain_unreadable_url, split_schema
from mainspring.integrations.postgres import CONNECTION_DEFAULTS
from mainspring.store.effect_database import (
    TABLE,
    EarlierAttemptError,
    Parameters,
    Row,
    StoredEffect,
    TransactionError,
    UnknownCommitError,
)
from mainspring.store.postgres.address import with_password

CREATE = f"""create table if not exists {TABLE} (
    key text collate "C" primary key, result bytea not null, run text not null, step text not null, at bigint not null,
    unfinished text references {TABLE} (key) deferrable initially deferred
);
create index if not exists {TABLE}_unfinished on {TABLE} (unfinished) where unfinished is not null"""
_OPENING = """
select set_config('tcp_keepalives_idle', '2', false), set_config('tcp_keepalives_interval', '1', false),
       set_config('tcp_keepalives_count', '3', false),
       set_config('search_path', coalesce(%(schema)s, current_setting('search_path')), false),
       set_config('synchronous_commit', case current_setting('synchronous_commit') when 'off' then 'on'
                                        else current_setting('synchronous_commit') end, false)
"""
_NOTICE_DEATH = "set client_connection_check_interval = 2000"
_NOTICES_DEATH_FROM = 140_000
_FIND_TABLES = "select to_regclass(%s) is not null, to_regclass('audit_log') is not null and to_regclass('session_automations') is not null"
# Not by to_regclass, which may still return the earlier answer that there was none.
_WAS_MADE = """select 1 from pg_class join pg_namespace on pg_namespace.oid = relnamespace
where relname = %s and nspname = current_schema()"""
_CLAIM = f"""insert into {TABLE} (key, result, run, step, at, unfinished) values (%s, '', '', '', 0, 'a step that is being done')
on conflict (key) do nothing"""  # noqa: S608 - a constant name
_FIND = f"select result from {TABLE} where key = %s"  # noqa: S608 - a constant name
_SAVE = f"""insert into {TABLE} (key, result, run, step, at) values (%s, %s, %s, %s, %s)
on conflict (key) do update set result = excluded.result, run = excluded.run, step = excluded.step, at = excluded.at, unfinished = null"""  # noqa: S608 - a constant name
_SKIPPED = re.compile(r"""--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"[^"]*"|\$(\w*)\$.*?\$\1\$""", re.DOTALL)
_CONTROL = re.compile(
    r"(?:^|;)\s*(begin|start\s+transaction|commit|end|abort|rollback(?!\s+(?:work\s+|transaction\s+)?to\b)|prepare\s+transaction)\b",
    re.IGNORECASE,
)
_REFUSED = ("authentication failed", "no password supplied", "pg_hba.conf", "does not exist")
_SCHEMA = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


class PostgresEffectDatabase:
    """One PostgreSQL database of the user. `url` as configured; `busy_for` = how long an attempt waits for another one
    with its key before it fails; `read_secret` = reads the secrets in the address, again for each connection.

    Raises (from the constructor):

        ConfigError: the address cannot be read.
    """

    def __init__(
        self,
        name: str,
        url: str,
        *,
        busy_for: timedelta = timedelta(seconds=5),
        password: str | None = None,
        read_secret: Callable[[str], str] | None = None,
    ) -> None:
        self.name = name
        self._address, url = url, SECRET_REFERENCE.sub("secret", url)
        self._password = password
        self._read_secret = read_secret
        reason = explain_unreadable_url(url)
        if reason is not None:
            raise ConfigError(f"the address of the database {name!r} cannot be read: {reason}", hint=SERVER_HINT)
        url_without_schema, self.schema = split_schema(url)
        hint = "Write postgresql://USER@HOST:PORT/DATABASE, with ?schema=NAME if it is not the schema of the role."
        if self.schema is not None and not _SCHEMA.fullmatch(self.schema):
            raise ConfigError(f"{self.schema!r} is not a valid schema for the database {name!r}", hint=hint)
        try:
            params = conninfo_to_dict(url_without_schema)
        except (psycopg.ProgrammingError, ValueError):
            raise ConfigError(f"the address of the database {name!r} cannot be read", hint=hint) from None
        self.location = f"{params.get('host', 'localhost')}:{params.get('port', 5432)}/{params.get('dbname', params.get('user', ''))}"
        self._busy_ms = to_milliseconds(busy_for)

    @property
    def conninfo(self) -> str:
        """The parameters of a new connection, with the newest secrets of the address. Raises ConfigError if one cannot be read."""
        address = self._address if self._read_secret is None else fill_references(self._address, self._read_secret)
        params = conninfo_to_dict(split_schema(address)[0])
        return make_conninfo(**{**CONNECTION_DEFAULTS, **with_password(params, self._password)})

    def open(self) -> "PostgresEffectConnection":
        """Return a new connection; see EffectDatabase.open. Creates the table of effects if it is missing.

        Raises:
            NotSent: the server does not answer.
        """
        try:
            raw = _Guarded.connect(self.conninfo, autocommit=True)
        except psycopg.OperationalError as fault:
            if any(words in str(fault) for words in _REFUSED):
                raise  # a later login would fail too
            raise self._unreachable_error(fault) from fault
        raw.database = self.name
        try:
            with raw.engine_statements():
                self._prepare(raw)
        except BaseException:
            raw.close()
            raise
        return PostgresEffectConnection(self, raw, self._busy_ms)

    def connect(self, timeout_s: float, *, is_read_only: bool) -> psycopg.Connection[Row]:
        """Return a plain connection, without the table of effects. A statement, and its wait for a lock, lasts at most `timeout_s`.

        Raises:
            NotSent: the server does not answer.
            psycopg.Error: it refuses the login.
            ConfigError: it is a store of Mainspring.
        """
        try:
            raw = psycopg.connect(self.conninfo, autocommit=True)
        except psycopg.OperationalError as fault:
            if any(words in str(fault) for words in _REFUSED):
                raise
            raise self._unreachable_error(fault) from fault
        try:
            self._refuse_store(self._open_schema(raw))
            timeout_ms = str(max(1, int(timeout_s * 1_000)))
            for name in ("statement_timeout", "lock_timeout"):
                raw.execute("select set_config(%s, %s, false)", (name, timeout_ms))
            raw.autocommit = False
            raw.read_only = is_read_only
        except BaseException:
            raw.close()
            raise
        return raw

    def _unreachable_error(self, fault: psycopg.Error) -> NotSent:
        return NotSent(f"the database {self.name!r} cannot be reached\nat {self.location}: {str(fault).strip()}")

    def _open_schema(self, raw: psycopg.Connection[Row]) -> Row:
        """Set the schema; return whether it has the table of effects, and whether it is a store."""
        schema = None if self.schema is None else sql.Identifier(self.schema).as_string(raw)
        raw.execute(_OPENING, {"schema": schema})
        found = raw.execute(_FIND_TABLES, (TABLE,)).fetchone()
        assert found is not None
        return found

    def _refuse_store(self, found: Row) -> None:
        if found[1]:
            raise ConfigError(
                f"the database {self.name!r} is a store of Mainspring, which steps cannot use\nat {self.location}",
                hint=f"Set your own database or schema in databases.{self.name}.url.",
            )

    def _prepare(self, raw: "_Guarded") -> None:
        found = self._open_schema(raw)
        if raw.info.server_version >= _NOTICES_DEATH_FROM:
            # Otherwise a statement of a dead client runs to its end, and its successor waits for it.
            with contextlib.suppress(
                psycopg.errors.InvalidParameterValue
            ):  # the server's system does not support the check
                raw.execute(_NOTICE_DEATH)
        self._refuse_store(found)
        if found[0]:
            return
        try:
            with raw.transaction():
                raw.execute("select pg_advisory_xact_lock(hashtext(%s))", (TABLE,))
                # "create index if not exists" would wait for all writers of the table before it finds the index.
                if not raw.execute(_WAS_MADE, (TABLE,)).fetchone():
                    raw.execute(CREATE)
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidSchemaName) as fault:
            raise ConfigError(
                f"the table {TABLE} cannot be created in the database {self.name!r}\nat {self.location}: "
                f"{str(fault).splitlines()[0]}",
                hint="Let its owner create it: mainspring docs show transactional-steps#on-postgresql",
            ) from fault


class _Guarded(psycopg.Connection[Row]):
    """A connection on which only the engine begins, commits and rolls back."""

    database = ""
    is_engine_statement = False
    is_stopped = False

    def __init__(self, pgconn: PGconn, row_factory: RowFactory[Row] = tuple_row) -> None:
        super().__init__(pgconn, row_factory)
        self.cursor_factory = _GuardedCursor

    @contextlib.contextmanager
    def engine_statements(self) -> Iterator[None]:
        """Allow the engine's own statements."""
        self.is_engine_statement = True
        try:
            yield
        finally:
            self.is_engine_statement = False

    def commit(self) -> None:
        self.refuse("commit")

    def rollback(self) -> None:
        self.refuse("roll back")

    def refuse(self, operation: str) -> NoReturn:
        """Raise the error for an operation that only the engine may do."""
        raise TransactionError(
            f"a transactional step may not {operation} by itself\non the database {self.database!r}",
            hint="Remove it. Raise an error to roll back; use SAVEPOINT for a part. Mainspring commits the writes "
            "of the step together with its result when the step returns.",
        )


class _GuardedCursor(psycopg.Cursor[Row]):
    """A cursor that checks each statement before it is sent."""

    # The library's own signatures are overloaded, and differ between its versions.

    def execute(self, query: Any, *args: Any, **kwargs: Any) -> Self:
        self._check_statement(query)
        return super().execute(query, *args, **kwargs)

    def executemany(self, query: Any, *args: Any, **kwargs: Any) -> None:
        self._check_statement(query)
        super().executemany(query, *args, **kwargs)

    def _check_statement(self, query: object) -> None:
        connection = self.connection
        if not isinstance(connection, _Guarded) or connection.is_engine_statement:
            return
        if connection.is_stopped:
            raise psycopg.errors.QueryCanceled("the attempt was abandoned")
        text = query.as_string(connection) if isinstance(query, sql.Composable) else query
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        if (match := _CONTROL.search(_SKIPPED.sub(" ", text))) is not None:
            connection.refuse(match[1].upper())


class PostgresEffectConnection:
    """The connection of one attempt; guarded from its creation on."""

    def __init__(self, database: PostgresEffectDatabase, raw: _Guarded, busy_ms: int) -> None:
        self._database = database
        self._busy_ms = busy_ms
        self.raw = raw

    @property
    def last_rowid(self) -> int:
        """Not available on a server. Raises TransactionError."""
        raise TransactionError(
            f"PostgreSQL does not know the id of the last inserted row\nin the database {self._database.name!r}",
            hint='Let the statement return it: tx.execute("insert ... returning id")[0][0].',
        )

    @property
    def in_transaction(self) -> bool:
        """Whether the transaction is still open, or failed."""
        return self.raw.info.transaction_status != psycopg.pq.TransactionStatus.IDLE and not self.raw.closed

    def begin(self) -> None:
        """Begin; the effect is known only when it is searched for, and there a second attempt waits."""
        self._control("begin")

    def find(self, key: str) -> bytes | None:
        """Return the result of the effect with this key; if it was not done, lock the key until the end of the
        transaction.

        Raises:
            EarlierAttemptError: another attempt with this key took too long.
        """
        with self.raw.engine_statements():
            waiting = self.raw.execute(
                "select set_config('lock_timeout', %s, true), current_setting('lock_timeout')", (str(self._busy_ms),)
            )
            before = waiting.fetchone()
            assert before is not None
            try:
                claimed = self.raw.execute(_CLAIM, (key,)).rowcount
            except psycopg.errors.LockNotAvailable as fault:
                raise EarlierAttemptError(
                    f"another attempt of this step is still running in the database {self._database.name!r}\nat "
                    f"{self._database.location}"
                ) from fault
            self.raw.execute("select set_config('lock_timeout', %s, true)", (before[1],))
            if claimed:
                return None
            row = self.raw.execute(_FIND, (key,)).fetchone()
        if row is None:
            raise Transient(
                f"the effect of this step was deleted while it was looked for\nin the database {self._database.name!r}"
            )
        (result,) = row
        return bytes(result)

    def save(self, effect: StoredEffect) -> None:
        """Complete the row of the effect."""
        with self.raw.engine_statements():
            self.raw.execute(_SAVE, (effect.key, effect.result, effect.run, effect.step, effect.at))

    def commit(self) -> None:
        """Commit. An answer of the server is the truth; without one the outcome is unknown."""
        try:
            self._control("commit")
        except psycopg.Error as fault:
            if fault.sqlstate is None or fault.sqlstate[:2] in ("08", "57", "58", "XX"):
                raise UnknownCommitError(
                    f"a commit got no answer, and may have taken place\n"
                    f"in the database {self._database.name!r} at {self._database.location}: "
                    f"{str(fault).strip()}"
                ) from fault
            raise

    def execute(self, sql: str, parameters: Parameters) -> list[Row]:
        """Run a statement completely and return all rows."""
        # Without parameters a percent sign is a plain character.
        cursor = self.raw.execute(sql, parameters or None)
        return cursor.fetchall() if cursor.description else []

    def interrupt(self) -> None:
        """Stop the running statement and all later ones. The request to the server may take a while, so another thread
        sends it.
        """
        self.raw.is_stopped = True
        threading.Thread(target=self._cancel, name="mainspring-cancel", daemon=True).start()

    def _cancel(self) -> None:
        with contextlib.suppress(psycopg.Error):
            self.raw.cancel()

    def close(self) -> None:
        """Close; the server rolls back uncommitted changes."""
        with contextlib.suppress(psycopg.Error):
            self.raw.close()

    def _control(self, text: str) -> None:
        with self.raw.engine_statements():
            self.raw.execute(text, binary=True)  # as a single statement
