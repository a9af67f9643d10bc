"""What the tests of the SQLite store share: a clock that stands, a database with its handlers, sessions and runs to work with."""

from pathlib import Path
from typing import Any

from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.runs import ClaimedRuns, ClaimRuns, StartRun
from mainspring.store.commands.sessions import OpenSession
from mainspring.store.grouping import GroupingDatabase
from mainspring.store.sqlite.database import SqliteDatabase
from mainspring.store.write.command_handlers import HANDLERS

START_AT = 1_700_000_000_000


class StoppedClock:
    """A clock that moves only when told to; its dice count."""

    def __init__(self, now_at: int = START_AT) -> None:
        self.now_at = now_at
        self.thrown = 0

    def now(self) -> int:
        return self.now_at

    def random_bits(self, bits: int) -> int:
        self.thrown += 1
        return self.thrown & ((1 << bits) - 1)


def open_database(path: Path, handlers: Any = HANDLERS, clock: StoppedClock | None = None) -> SqliteDatabase:
    return SqliteDatabase(path, clock=clock or StoppedClock(), handlers=handlers)


def do(database: GroupingDatabase, command: StoreCommand[Any], *, again: bool = False) -> Any:
    """Commit one command and return its result."""
    (result,) = database.commit([command], again=again).results
    if isinstance(result, BaseException):
        raise result
    return result


def opening(uuid: str = "u1", role: str = "worker", lock_path: str = "") -> OpenSession:
    return OpenSession(uuid=uuid, role=role, host="here", hostname="h", pid=1, pid_started="1", lock_path=lock_path)


def starting(run: str, **more: Any) -> StartRun:
    return StartRun(
        id=run, automation="a", kind="workflow", version=1, input=b"{}", codec="json", trigger="test", **more
    )


def allow_claims(database: SqliteDatabase, *automations: str) -> None:
    """Let this session claim runs of the automations, as Announce does."""
    for name in automations:
        database.connection.execute("insert into session_automations values (?, ?, 1)", (database.session, name))


def claim(database: SqliteDatabase, name: str = "c1", limit: int = 10) -> ClaimedRuns:
    claimed = do(database, ClaimRuns(id=name, limit=limit))
    assert isinstance(claimed, ClaimedRuns), claimed
    return claimed
