"""The databases that are simulated on: an empty one for each world, as each of its processes opens it, and reads beside them.

Another one is one more name in STORES, whose commits return when they are done: the world is one thread.
"""

import atexit
import functools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import apsw
import psycopg

from mainspring.domain.clock import Clock, SystemClock
from mainspring.store.base import Database, StoreReader
from mainspring.store.postgres.address import read_address
from mainspring.store.postgres.change_notifications import ChangeNotifications
from mainspring.store.postgres.connection import ServerConnection, connect
from mainspring.store.postgres.database import PostgresDatabase
from mainspring.store.postgres.migrate import migrate
from mainspring.store.postgres.reader import PostgresReader
from mainspring.store.sqlite.database import SqliteDatabase
from mainspring.store.sqlite.reader import SqliteReader
from mainspring.store.store_clock import StoreClock
from mainspring.store.write.command_handlers import HANDLERS
from tests.postgres_server import PostgresServer, in_memory

_SHM = Path("/dev/shm")
FOLDER = _SHM if _SHM.is_dir() else None
LEASE_MS = 3_000


class Store(Protocol):
    """The store of one world."""

    reader: StoreReader
    lease_ms: int | None
    """How long a session lives without a beat; None where only the kernel tells of a death."""

    def open(self, clock: Clock, world: Any, *, works: bool, process_clock: StoreClock | None = None) -> Database:
        """Open it once more, as another process does, whose machine shows `clock`."""
        ...

    def change_trigger(self, name: str, old: str, new: str) -> None:
        """Plant a bug in a trigger of the database."""
        ...

    def close(self) -> None:
        """Close the reads, and take away what is not in the folder."""
        ...


@functools.cache
def _empty() -> Path:
    """Return an empty file, made once a process."""
    folder = Path(tempfile.mkdtemp(prefix="mainspring-sim-", dir=FOLDER))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    SqliteDatabase(folder / "s.db", clock=SystemClock(), handlers=HANDLERS).close()
    return folder / "s.db"


class SqliteFile:
    """A file in the world's folder."""

    lease_ms: int | None = None

    def __init__(self, folder: Path) -> None:
        self._path = folder / "s.db"
        shutil.copy(_empty(), self._path)
        self._path.with_name("s.db.reserve").touch()  # four megabytes less to write
        self.reader: StoreReader = SqliteReader(self._path)

    def open(self, clock: Clock, world: Any, *, works: bool, process_clock: StoreClock | None = None) -> Database:
        """See Store."""
        return SqliteDatabase(self._path, clock=clock, handlers=HANDLERS, process_clock=process_clock)

    def change_trigger(self, name: str, old: str, new: str) -> None:
        """See Store."""
        connection = apsw.Connection(str(self._path))
        ((text,),) = connection.execute("select sql from sqlite_master where type = 'trigger' and name = ?", (name,))
        assert old in text, f"trigger {name} has changed: plant the bug again"
        connection.execute(f"drop trigger {name}; {text.replace(old, new)}")
        connection.close()

    def close(self) -> None:
        """See Store."""
        self.reader.close()


@functools.cache
def _server() -> PostgresServer:
    """Return a real server, started once a process."""
    server = in_memory()
    atexit.register(server.remove)
    return server


class _NoHints(ChangeNotifications):
    """Processes look by themselves, each second: hints come when the machine likes, and a seed could not be repeated."""

    def send_hint(self, connection: ServerConnection, *, at_once: bool = False) -> None:
        """Say nothing."""


class _WithoutHints(PostgresDatabase):
    """A database that gives no hints."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        assert type(self._hints) is ChangeNotifications
        self._hints.__class__ = _NoHints


class PostgresSchema:
    """A schema of a real server. The server's clock is the world's, whatever a machine's own clock shows."""

    lease_ms: int | None = LEASE_MS

    def __init__(self, _folder: Path) -> None:
        self._address = read_address(_server().new_store())
        self.reader: StoreReader = PostgresReader(self._address)

    def open(self, clock: Clock, world: Any, *, works: bool, process_clock: StoreClock | None = None) -> Database:
        """See Store."""
        database = _WithoutHints(
            self._address,
            clock=world.clock,
            handlers=HANDLERS,
            lease_ms=LEASE_MS,
            own_time=True,
            passing=world.loop.time,
            passed=getattr(world.clock, "passed", None),
            process_clock=process_clock,
        )
        database.ends_without_lease = works
        return database

    def change_trigger(self, name: str, old: str, new: str) -> None:
        """See Store."""
        with connect(self._address) as own:  # no process has opened it yet
            migrate(own, self._address)
        find = "select pg_get_functiondef(oid) from pg_proc where proname = %s and pronamespace = %s::regnamespace"
        with psycopg.connect(_server().url("postgres"), autocommit=True) as connection:
            ((text,),) = connection.execute(find, (name, self._address.schema))
            assert old in text, f"trigger {name} has changed: plant the bug again"
            connection.execute(text.replace(old, new))

    def close(self) -> None:
        """See Store."""
        self.reader.close()
        with psycopg.connect(_server().url("postgres"), autocommit=True) as connection:
            connection.execute(f'drop schema "{self._address.schema}" cascade')


STORES: dict[str, Callable[[Path], Store]] = {"sqlite": SqliteFile, "postgres": PostgresSchema}
"""By name; each is made with the folder of its world."""
