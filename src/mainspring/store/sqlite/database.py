"""One SQLite file as the committer sees it: a list of commands becomes one transaction.

Turnstile, BEGIN IMMEDIATE, is the session still alive, the handlers in order, the rollups, COMMIT. One thread uses it. A command that
cannot be executed is set apart: what stands before it, it alone, what stands after it; alone and still failing it gets its error as its
result. (The guilty one is known here, so no blind halving.) Only the file's and disk's own faults leave as errors: then the outcome is
unknown.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import apsw

from mainspring.domain.clock import Clock
from mainspring.domain.errors import FencedError, MainspringError, StoreError, StoreFullError
from mainspring.domain.sealing import PLAIN, Sealing
from mainspring.domain.states import SessionState
from mainspring.store import failpoints
from mainspring.store.base import Changes, CommitReport, StoreBrokenError
from mainspring.store.commands.sessions import CloseSession
from mainspring.store.sqlite.ballast import Ballast
from mainspring.store.sqlite.connection import connect, prepare_folder, refuse_foreign, unwritable
from mainspring.store.sqlite.faults import translate
from mainspring.store.sqlite.migrate import migrate
from mainspring.store.sqlite.texts import TEXTS
from mainspring.store.sqlite.transaction import SqliteTransaction
from mainspring.store.sqlite.turnstile import Turnstile
from mainspring.store.transaction import Transaction

Handler = Callable[[Transaction, Any], Any]
Handlers = Mapping[type, Handler]

_WRITERS = frozenset({SessionState.ALIVE.value, SessionState.DRAINING.value})


class _GuiltyError(Exception):
    """The command at `index` raised `cause`."""

    def __init__(self, index: int, cause: Exception) -> None:
        super().__init__(index)
        self.index = index
        self.cause = cause


class SqliteDatabase:
    """The write connection of one process. Opening it makes and migrates the file where needed.

    Raises (from the constructor):
        StoreError: the file cannot be used; see connection.connect and migrate.migrate.
    """

    def __init__(self, path: Path, *, clock: Clock, handlers: Handlers, sealing: Sealing = PLAIN) -> None:
        self.session: int | None = None
        self.path = path
        self._clock = clock
        self._handlers = handlers
        self._sealing = sealing
        refuse_foreign(path)
        prepare_folder(path)
        self.turnstile = _turnstile(path)
        try:
            with self.turnstile:
                self.connection = connect(path)
                try:
                    migrate(self.connection)
                    self.connection.execute(TEXTS["name_store"], (f"{clock.random_bits(128):032x}",))
                except apsw.Error as fault:
                    raise translate(fault, path) or fault from fault
        except BaseException:
            self.turnstile.close()
            raise
        self._ballast = Ballast(path)
        self._ballast.keep()
        self._seen = self._data_version()

    @property
    def trouble(self) -> str | None:
        """Tell that the reserve for a full disk is used up."""
        if not self._ballast.given_up:
            return None
        return f"the disk of the store is nearly full\nat {self.path}"

    def commit(self, commands: list[Any], *, again: bool = False) -> CommitReport:
        """Commit the commands; see base.Database.commit."""
        results: list[Any] = []
        ready = facts = False
        parts = [commands]
        while parts:
            part = parts.pop()
            try:
                transaction, answers = self._commit(part, again=again)
            except _GuiltyError as guilty:
                if len(part) == 1:
                    results.append(_as_result(part[0], guilty.cause))
                    continue
                at = guilty.index
                parts += [some for some in (part[at + 1 :], part[at : at + 1], part[:at]) if some]
                continue
            results += answers
            ready |= transaction.ready
            facts |= transaction.facts
        return CommitReport(results, Changes(ready, facts))

    def _commit(self, commands: list[Any], *, again: bool) -> tuple[Transaction, list[Any]]:
        """Run one transaction."""
        connection = self.connection
        with self.turnstile:
            try:
                connection.execute("begin immediate")
                transaction = SqliteTransaction(
                    connection, now=self._clock.now(), session=self.session, again=again, sealing=self._sealing
                )
                self._check_session(transaction, commands)
                answers = self._run(transaction, commands)
                transaction.write_rollups()
                failpoints.hit("commit.before")
                connection.execute("commit")
            except BaseException as fault:  # noqa: BLE001 - rolled back and raised as what it means
                self._roll_back()
                self._raise(fault)
            failpoints.hit("commit.after")
        self.session = transaction.session
        if self._ballast.given_up:
            self._ballast.keep()
        return transaction, answers

    def _check_session(self, transaction: Transaction, commands: list[Any]) -> None:
        """Refuse to write for a session that was declared dead (or that closed itself, unless this repeats the closing)."""
        if self.session is None:
            return
        row = transaction.one("read_session_state", (self.session,))
        state = row[0] if row else None
        if state in _WRITERS:
            return
        if state == SessionState.CLOSED and transaction.again and any(isinstance(c, CloseSession) for c in commands):
            return
        raise FencedError(
            f"session {self.session} of this process is {state or 'gone'}: its runs belong to others now",
            hint="The process ends and is started again; it was out of reach for too long, or the store was restored.",
        )

    def _run(self, transaction: Transaction, commands: list[Any]) -> list[Any]:
        """Let each handler answer its command."""
        handlers, answers = self._handlers, []
        for index, command in enumerate(commands):
            try:
                answers.append(handlers[type(command)](transaction, command))
            except FencedError:
                raise
            except Exception as fault:
                if translate(fault, self.path) is not None:
                    raise
                raise _GuiltyError(index, fault) from fault
        return answers

    def _roll_back(self) -> None:
        """Leave the transaction; SQLite may have left it by itself."""
        try:
            if self.connection.in_transaction:
                self.connection.execute("rollback")
        except apsw.Error as fault:
            raise StoreBrokenError(f"a transaction cannot be rolled back\nat {self.path}: {fault}") from fault

    def _raise(self, fault: BaseException) -> None:
        """Raise what the fault means; free the reserve if it means a full disk."""
        if not isinstance(fault, apsw.Error):
            raise fault
        meaning = translate(fault, self.path)
        if isinstance(meaning, StoreFullError):
            self._ballast.give_up()
        raise meaning or StoreBrokenError(f"the store refused a transaction\nat {self.path}: {fault}") from fault

    def poll(self) -> bool:
        """Tell whether another connection committed since the last poll."""
        try:
            seen = self._data_version()
        except apsw.Error as fault:
            raise translate(fault, self.path) or fault from fault
        changed, self._seen = seen != self._seen, seen
        return changed

    def _data_version(self) -> object:
        # Not the connection's method of this name: that one counts our own commits and does not look for others'.
        return self.connection.execute("pragma data_version").get

    def close(self) -> None:
        """Close the write connection; the last one of all processes tidies the write-ahead log away."""
        with self.turnstile:
            self.connection.close(True)
        self.turnstile.close()


def _turnstile(path: Path) -> Turnstile:
    try:
        return Turnstile(path)
    except OSError as error:
        raise unwritable(path, str(error.strerror)) from error


def _as_result(command: Any, cause: Exception) -> Exception:
    """Return the error that a command gets for an answer."""
    if isinstance(cause, MainspringError):
        return cause
    error = StoreError(f"{type(command).__name__} cannot be written: {type(cause).__name__}: {cause}")
    error.__cause__ = cause
    return error
