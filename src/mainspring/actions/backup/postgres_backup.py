"""Postgres backup: a database of the user is written by `pg_dump`, and verified by `pg_restore` into a scratch database.

Invariants: `pg_dump` reads the snapshot in which the rows were counted. No password is an argument of a program. A scratch database has a
name that follows from the backup, so that the next call removes what a killed call left behind.
"""

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mainspring.actions import shell
from mainspring.actions.backup.backup_errors import BackupError, BackupUnavailableError
from mainspring.actions.backup.backup_record import DatabaseBackup, Snapshot, make_backup
from mainspring.actions.base.calling_thread import in_thread, refuse_event_loop
from mainspring.actions.base.project_settings import CURRENT_SECRETS
from mainspring.actions.base.stop_request import stoppable
from mainspring.actions.files.file_errors import FileUnavailableError
from mainspring.actions.files.place import FilePath, RootPath, read_target
from mainspring.actions.sql.sessions import find_database_place
from mainspring.app.stores.store_factory import make_effect_database
from mainspring.domain.duration import SpanInput, parse_duration
from mainspring.domain.errors import ConfigError, MainspringError, UnknownNameError
from mainspring.domain.ids import hash_parts
from mainspring.domain.text.escaping import escape
from mainspring.engine.commands.command import CommandFailed
from mainspring.resources.known_secrets import KNOWN_SECRETS
from mainspring.triggers.files.folder import printable_path

if TYPE_CHECKING:
    import psycopg

    from mainspring.store.postgres.effect_database import PostgresEffectDatabase

_CANCEL_TIMEOUT_S = 5
_SCRATCH_PREFIX = "mainspring_verify_"
_LIBPQ_VARIABLES = (
    *("PGPASSFILE", "PGSERVICE", "PGSERVICEFILE", "PGHOST", "PGPORT", "PGUSER", "PGDATABASE"),
    *("PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY", "PGSSLCRL", "PGKRBSRVNAME"),
)
_PROGRAM_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
_TABLES = """
select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence <> 't'
and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by 1, 2
"""
_RESTORE_OPTIONS = (
    "--exit-on-error --no-owner --no-privileges --no-comments --no-publications --no-subscriptions --no-security-labels"
    " --no-tablespaces"
).split()
_REFUSALS = ("permission denied", "must be owner", "must be superuser", "version mismatch", "row-level security")
_FULL_DISK = ("No space left", "disk full", "could not write")

Verification = Literal["restore", "read"]


def postgres(
    database: str,
    *,
    to: FilePath,
    root: RootPath = None,
    make_folders: bool = False,
    verify: Verification = "restore",
    scratch: str | None = None,
    programs: str | None = None,
    timeout: SpanInput = "1h",
) -> DatabaseBackup:
    """Back up a PostgreSQL database to the file `to` by `pg_dump`, and verify the backup by restoring it into a scratch database.

    `database` = the name of a database in the configuration, or postgresql://... `to` names one backup, so write the date of its slot into
    it. `scratch` = another database whose server has the scratch database; the user needs the right CREATEDB there. `verify="read"` = only
    read the whole backup. `programs` = the folder of `pg_dump` and `pg_restore`, which must not be older than the server. `root` = the
    folder that `to` may not leave. `make_folders` = create missing folders. `timeout` = for the whole backup.

    Safe to run twice because the backup gets its name only after it was verified, and a name is never written again. A second call with
    this name finds the backup, compares its checksum with its record, and returns it. The next call removes what a killed call left behind,
    also its scratch database.

    Example:
        backup.postgres("shop", to=f"backups/shop-{day}.dump", make_folders=True)

    Raises:
        BackupError: a right or a program is missing, the backup cannot be restored, or the backup of this name is damaged.
        BackupUnavailableError: the server is unreachable or too busy, or `timeout` is over.
        FileActionError, FileUnavailableError, PathOutsideRootError: the disk is full, or `to` cannot be written.
    """
    refuse_event_loop("backup.postgres")
    if verify not in ("restore", "read"):
        raise UnknownNameError("verification", verify, ("restore", "read"))
    source = _find_database(database)
    target = read_target(to, root)
    server = source if scratch is None else _find_database(scratch)
    until = monotonic() + parse_duration(timeout).total_seconds()

    def write(path: Path, descriptor: int) -> Snapshot:
        call = _Dump(source, path, until, programs, target.text)
        with _describe_errors(source.location), stoppable(call.stop):
            snapshot = call.write()
            if os.fstat(descriptor).st_size == 0:
                raise BackupError("pg_dump has written to another file: its folder was replaced", hint="Try again.")
            key = hash_parts(source.location.encode(), os.fsencode(target.absolute))
            call.verify(snapshot.tables, None if verify == "read" else server, key)
            call.refuse_late_end()
        return snapshot

    return make_backup(target, "postgres", source.location, write, make_folders=make_folders)


postgres_async = in_thread(postgres)


def _find_database(database: str) -> "PostgresEffectDatabase":
    name, place = find_database_place(database)
    if not place.startswith(("postgresql:", "postgres:")):
        raise ConfigError(f"the database {name!r} is not on PostgreSQL", hint="Use backup.sqlite() for SQLite.")
    found: Any = make_effect_database(name, place, CURRENT_SECRETS.get)
    return found  # type: ignore[no-any-return]


class _Programs(msgspec.Struct, frozen=True):
    """The programs of one version."""

    dump: str
    restore: str


class _Dump:
    """One backup in a temporary file: written by `write`, then verified by `verify`."""

    def __init__(
        self, source: "PostgresEffectDatabase", path: Path, until: float, programs: str | None, text: str
    ) -> None:
        self._source = source
        self._folder = str(path.parent.readlink())
        self._file = path.name
        self._until = until
        self._programs_folder = programs
        self._text = text
        self._programs: _Programs | None = None
        self._is_stopped = threading.Event()
        self._connections: list[psycopg.Connection[Any]] = []

    def stop(self) -> None:
        """Let it end soon: it was cancelled. Any thread may call it. A running program is stopped before, by its own stopper.

        The file is removed at once, because the process may end before the scratch database is dropped.
        """
        self._is_stopped.set()
        with suppress(OSError):
            Path(self._folder, self._file).unlink()
        for raw in self._connections:
            raw.cancel_safe(timeout=_CANCEL_TIMEOUT_S)

    def refuse_late_end(self) -> None:
        """Raise BackupUnavailableError if the backup was cancelled, or took too long: it is not published."""
        self._remaining()

    def write(self) -> Snapshot:
        """Count the rows and dump them, in one snapshot."""
        from psycopg import IsolationLevel

        with closing(self._connect(self._source, is_read_only=True)) as raw:
            raw.isolation_level = IsolationLevel.REPEATABLE_READ
            self._programs = _find_programs(self._programs_folder, raw.info.server_version // 10_000)
            snapshot_id = _value(raw, "select pg_export_snapshot()")
            created_at = time.time_ns() // 1_000_000
            tables = _count_rows(raw)
            words = [self._programs.dump, "--format=custom", "--no-password", "--lock-wait-timeout=60s"]
            self._run([*words, f"--snapshot={snapshot_id}", f"--file={self._file}"], self._source, None)
        return Snapshot(created_at, tables)

    def verify(self, tables: dict[str, int], server: "PostgresEffectDatabase | None", key: str) -> None:
        """Restore the backup into a scratch database and compare the rows; without a server, read it to its end."""
        assert self._programs is not None
        if server is None:
            self._run([self._programs.restore, "--file=/dev/null", self._file], None, None)
            return
        name = f"{_SCRATCH_PREFIX}{key[:16]}"
        with closing(self._connect(server, is_read_only=False)) as raw:
            raw.rollback()
            raw.autocommit = True
            with _scratch_database(raw, name, _encoding_of(self._source, self._connect)):
                self._run([self._programs.restore, *_RESTORE_OPTIONS, self._file], server, name)
                with closing(self._connect_to(server, name)) as restored:
                    found = _count_rows(restored)
        if found != tables:
            names = sorted(table for table in {*tables, *found} if tables.get(table) != found.get(table))
            raise BackupError(
                f"the restored backup has other rows than the database: {escape(', '.join(names), 200)}",
                hint="Try again, and report this error.",
            )

    def _connect(self, database: "PostgresEffectDatabase", *, is_read_only: bool) -> "psycopg.Connection[Any]":
        raw = database.connect(self._remaining(), is_read_only=is_read_only)
        self._remember(raw)
        raw.execute("select set_config('idle_in_transaction_session_timeout', '0', false)")
        raw.commit()
        return raw

    def _connect_to(self, server: "PostgresEffectDatabase", name: str) -> "psycopg.Connection[Any]":
        """Return a connection to the scratch database of this name."""
        import psycopg

        timeout_ms = max(1, int(self._remaining() * 1_000))
        raw = psycopg.connect(server.conninfo, dbname=name)
        self._remember(raw)
        raw.execute("select set_config('statement_timeout', %s, false)", [str(timeout_ms)])
        return raw

    def _remember(self, raw: "psycopg.Connection[Any]") -> None:
        """Let `stop` cancel the statements of this connection."""
        self._connections = [item for item in self._connections if not item.closed] + [raw]

    def _remaining(self) -> float:
        seconds = self._until - monotonic()
        if seconds <= 0 or self._is_stopped.is_set():
            raise BackupUnavailableError("the backup took too long, or was cancelled", hint="Raise timeout=.")
        return seconds

    def _run(self, words: list[str], database: "PostgresEffectDatabase | None", name: str | None) -> None:
        """Run a program of PostgreSQL, with its password in the environment. Raises BackupError and others."""
        env: dict[str, str] = {}
        if database is not None:
            conninfo, env = _split_password(database, name)
            words = [*words[:1], f"--dbname={conninfo}", *words[1:]]
        try:
            shell.run(words, cwd=self._folder, env=env, pass_env=_LIBPQ_VARIABLES, timeout=self._remaining())
        except CommandFailed as error:
            raise _command_error(Path(words[0]).name, error, self._text) from None


def _split_password(database: "PostgresEffectDatabase", name: str | None) -> tuple[str, dict[str, str]]:
    """Return connection parameters without a password, and the variable that has it. `name` = of another database."""
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    parameters = conninfo_to_dict(database.conninfo)
    password = parameters.pop("password", None)
    if "sslpassword" in parameters:
        raise BackupError("sslpassword= would be an argument of pg_dump", hint="Use a key without a password.")
    if name is not None:
        parameters["dbname"] = name
    if password is None:
        return make_conninfo("", **parameters), {}
    KNOWN_SECRETS.add([str(password)])
    return make_conninfo("", **parameters), {"PGPASSWORD": str(password)}


def _count_rows(raw: "psycopg.Connection[Any]") -> dict[str, int]:
    from psycopg import sql

    raw.execute("set local row_security = off")  # a policy that hides rows is an error, as for pg_dump
    tables = raw.execute(_TABLES.encode()).fetchall()
    return {
        f"{schema}.{table}": int(_value(raw, sql.SQL("select count(*) from {}").format(sql.Identifier(schema, table))))
        for schema, table in tables
    }


def _value(raw: "psycopg.Connection[Any]", statement: Any) -> Any:
    row = raw.execute(statement).fetchone()
    assert row is not None
    return row[0]


def _encoding_of(source: "PostgresEffectDatabase", connect: Any) -> str:
    with closing(connect(source, is_read_only=True)) as raw:
        return str(_value(raw, "select current_setting('server_encoding')"))


@contextmanager
def _scratch_database(raw: "psycopg.Connection[Any]", name: str, encoding: str) -> Iterator[None]:
    """Create an empty database, and drop it at the end. One of this name was left behind by a killed call."""
    import psycopg
    from psycopg import sql

    drop = sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
    create = sql.SQL("create database {} template template0").format(sql.Identifier(name))
    template = "select pg_encoding_to_char(encoding) from pg_database where datname = 'template0'"
    if _value(raw, template) != encoding:
        create += sql.SQL(" encoding {} lc_collate 'C' lc_ctype 'C'").format(sql.Literal(encoding))
    try:
        raw.execute(drop)
        raw.execute(create)
    except psycopg.errors.InsufficientPrivilege:
        raise BackupError(
            f"the user {raw.info.user!r} may not create a scratch database to verify the backup",
            hint=f'alter role {raw.info.user} createdb; or name another server: scratch=, or only read: verify="read"',
        ) from None
    try:
        yield
    finally:
        try:
            raw.execute(drop)
        except psycopg.errors.QueryCanceled:  # the cancel was for the statement before it
            raw.execute(drop)


def _find_programs(folder: str | None, server_major: int) -> _Programs:
    """Return programs that are not older than the server. Raises BackupError."""
    if folder is not None:
        folders = [folder]
    else:
        found = shutil.which("pg_dump")
        installed = sorted((path for glob in _PROGRAM_FOLDERS for path in Path("/").glob(glob[1:])), reverse=True)
        folders = [*([str(Path(found).parent)] if found else []), *map(str, installed)]
    versions = []
    for candidate in folders:
        programs = _Programs(str(Path(candidate, "pg_dump")), str(Path(candidate, "pg_restore")))
        major = _read_major(programs.dump)
        if major is None:
            continue
        if major >= server_major:
            return programs
        versions.append(f"{major} in {candidate}")
    problem = f"pg_dump is older than the server, which is PostgreSQL {server_major}: {', '.join(versions)}"
    raise BackupError(
        problem if versions else "pg_dump is not installed here",
        hint=f'Install it: apt install postgresql-client-{server_major}; or name its folder: programs="/.../bin"',
    )


def _read_major(program: str) -> int | None:
    """Return the major version of a program; None if it cannot run."""
    if not Path(program).is_file():
        return None
    try:
        text = shell.run([program, "--version"], timeout="30s").stdout
    except CommandFailed:
        return None
    words = [word for word in text.split() if word[:1].isdigit()]
    return int(words[0].partition(".")[0]) if words and words[0].partition(".")[0].isdigit() else None


def _command_error(program: str, error: CommandFailed, path: str) -> MainspringError:
    text = error.message
    if any(words in text for words in _FULL_DISK):
        full = FileUnavailableError(f"cannot write the backup {printable_path(path)}: {program} has no space left")
        full.hint = "Free space on this disk, for example with backup.prune(). Nothing was changed."
        return full
    if program == "pg_restore":
        hint = 'See what the message names. To verify on another server, pass scratch=; to only read it: verify="read"'
        return BackupError(f"{program} failed: {escape(text, 500)}", hint=hint)
    if any(words in text for words in _REFUSALS):
        hint = "See what the message names. Rights: grant pg_read_all_data to USER"
        return BackupError(f"{program} failed: {escape(text, 500)}", hint=hint)
    return BackupUnavailableError(f"{program} failed: {escape(text, 500)}", hint="Try again, or raise timeout=.")


@contextmanager
def _describe_errors(location: str) -> Iterator[None]:
    """Raise errors of the server as errors of a backup, and name the database in each."""
    import psycopg

    try:
        yield
    except BackupError as error:
        raise BackupError(f"{error.message}\nin the database {location}", hint=error.hint) from None
    except BackupUnavailableError as error:
        raise BackupUnavailableError(f"{error.message}\nin the database {location}", hint=error.hint or "") from None
    except psycopg.Error as error:
        text = escape(str(error).strip().partition("\n")[0], 300) or type(error).__name__
        message = f"cannot back up the database: {text}\nin the database {location}"
        state = error.sqlstate or ""
        is_refusal = isinstance(error, psycopg.ProgrammingError) or state.startswith("28") or "authentication" in text
        if is_refusal or "does not exist" in text:
            raise BackupError(message, hint="Rights: grant pg_read_all_data to USER") from None
        raise BackupUnavailableError(message, hint="Try again, or raise timeout=.") from None
