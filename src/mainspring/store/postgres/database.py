"""One schema of PostgreSQL as the committer sees it: a list of commands becomes one transaction.

BEGIN, wait for what this process sent before, is the session still alive, lock what the commands are about, the handlers in order, the
rollups, COMMIT. One thread uses it. Statements see what was committed before each of them (READ COMMITTED): what two processes could decide
upon at once is locked first (see locking.py).
"""

import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from mainspring.domain.clock import Clock, elapsed_seconds
from mainspring.domain.errors import FencedError, MainspringError, StoreError, StoreFullError, StoreUnavailableError
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.store import failpoints
from mainspring.store.base import CommitReport, StoreWentBackError
from mainspring.store.commands.sessions import OpenSession, RecordHeartbeat
from mainspring.store.grouping import GroupingDatabase, GuiltyError, Handlers
from mainspring.store.maintenance.move_marker import error_of_move, refuse_moved
from mainspring.store.postgres.address import Address
from mainspring.store.postgres.blocking_client_terminator import terminate_blocking_clients
from mainspring.store.postgres.bulk.batching import FEWEST, BatchFailedError, answer_commands
from mainspring.store.postgres.change_notifications import ChangeNotifications
from mainspring.store.postgres.commit_history import ServerHistory
from mainspring.store.postgres.connection import (
    BEGIN,
    POOLED,
    ServerConnection,
    ServerTimeoutError,
    connect,
    is_pooled,
    refuse_unsafe,
    refuse_waiting_for_standby,
)
from mainspring.store.postgres.error_table import ends_connection, is_broken_ring, translate
from mainspring.store.postgres.hidden_schema import explain_fault
from mainspring.store.postgres.host_marks import HostMarks
from mainspring.store.postgres.lease import Lease
from mainspring.store.postgres.locking import asked_at_once, lock_group
from mainspring.store.postgres.migrate import migrate, migrations
from mainspring.store.postgres.texts import TEXTS
from mainspring.store.postgres.transaction import PostgresTransaction, run
from mainspring.store.store_clock import StoreClock
from mainspring.store.transaction import Transaction

_T = TypeVar("_T")

LEASE_MS = 10_000
_SHORTEST_ANSWER = 5.0
"""So many seconds at least the server has for an answer; else somewhat longer than it waits for a lock, and less than a lease lasts."""

_MOST_RINGS = 4
"""So often at most a transaction is run again because of a ring of locks; after that it is trouble."""

_LOG = logging.getLogger("mainspring.store")


class PostgresDatabase(GroupingDatabase):
    """The write connection of one process, opened again whenever it is lost. Opening it makes and migrates the schema where needed.

    `clock` gives chance, and the time if `own_time`; else the database's clock is the time. `passing` returns seconds that only grow: by
    them this process counts its lease and its looks. `passed` returns such seconds where steps of the server's clock are looked for.
    `process_clock` = what this process computes by, if that is not `clock`.
    `marks` = the folder of this host's commit marks.

    Raises (from the constructor):
        StoreError: the database cannot be used; see connection.connect, connection.refuse_unsafe and migrate.migrate.
    """

    def __init__(
        self,
        address: Address,
        *,
        clock: Clock | StoreClock,
        handlers: Handlers,
        sealing: Sealing = PLAIN_SEALING,
        lease_ms: int = LEASE_MS,
        own_time: bool = False,
        passing: Callable[[], float] = elapsed_seconds,
        passed: Callable[[], float] | None = None,
        process_clock: StoreClock | None = None,
        marks: Path | None = None,
    ) -> None:
        super().__init__(handlers, passed, process_clock or (clock if isinstance(clock, StoreClock) else None))
        self._sealing = sealing
        self.address = address
        self._clock = clock
        self.lease = Lease(lease_ms, passing)
        self.gives_up = True
        """Whether this process takes its session for lost once its lease is over; who holds no runs may go on later."""
        self._own_time = own_time
        self.meanwhile = lambda: None
        self._answers_within = max(lease_ms / 2000 + 1, _SHORTEST_ANSWER)
        self.instance = clock.random_bits(62)
        """The advisory lock that each of our transactions takes first."""
        self._opening = {
            "schema": address.schema,
            "stands_still": str(lease_ms // 2),
            "waits": str(self.lease.beat_ms),
            "runs": str(lease_ms * 3),
            "instance": self.instance,
        }
        self._hints = ChangeNotifications(address.schema, self.instance, passing)
        self._history = ServerHistory(address, HostMarks(marks))
        self.connection: ServerConnection | None = None
        self.rings = 0
        """So often a transaction of this process was undone to break a ring of locks."""
        self._out_of_rings(lambda: self._connect(first=True))

    @property
    def trouble(self) -> str | None:
        """Nothing is known to be wrong while commits succeed."""
        return None

    @property
    def notice(self) -> str | None:
        """What is to be known of the way to the server, for people."""
        return POOLED if self.connection is not None and is_pooled(self.connection) else None

    def _reconnect(self) -> ServerConnection:
        """Open the connection again. The store was usable before: whatever is wrong with it now is an outage, until it is fixed.

        Raises:
            StoreUnavailableError: it cannot be used; the message says why.
        """
        try:
            return self._connect()
        except (StoreUnavailableError, StoreFullError):
            raise
        except StoreError as refused:
            raise StoreUnavailableError(refused.message, hint=refused.hint) from refused

    def _connect(self, *, first: bool = False) -> ServerConnection:
        connection = connect(self.address)
        connection.answers_within = self._answers_within
        try:
            refuse_unsafe(connection, self.address)
            if first:
                self._ask_time(connection)
                if len(migrate(connection, self.address)) == len(migrations()):
                    _LOG.warning("created a new store at %s", self.address.shown)
                connection.execute(BEGIN)
                connection.execute("select set_config('search_path', $1, true)", (self.address.schema,))
                marks = connection.execute(TEXTS["read_move_markers"]).fetchall()
                if (moved := error_of_move(marks, self.address.shown)) is not None:
                    raise moved
                connection.execute(TEXTS["set_store_id"], (f"{self._clock.random_bits(128):032x}",))
                connection.execute("commit")
                self._history.open(connection)
            else:
                self._history.reach(connection)
            self._hints.listen(connection, again=not first)
        except BaseException as fault:
            connection.close()
            if isinstance(fault, psycopg.Error):
                raise explain_fault(fault, self.address) or fault from fault
            raise
        self.connection = connection
        return connection

    def _ask_time(self, connection: ServerConnection) -> None:
        """Learn the server's time before anything is compared with it; from then on each commit tells it."""
        if self.process_clock is not None:
            asked_at = self.process_clock.own()
            ((now,),) = connection.execute(TEXTS["read_server_time"]).fetchall()
            self.process_clock.learn(asked_at, now, self.process_clock.own())

    def _meaning(self, fault: Exception) -> MainspringError | None:
        return translate(fault, self.address.shown)

    def _was_overtaken(self, cause: Exception) -> bool:
        return isinstance(cause, psycopg.errors.UniqueViolation)

    def commit(self, commands: list[Any], *, again: bool = False) -> CommitReport:
        """Commit the commands, renewing the lease with those that do; see base.Database.commit."""
        renews = any(isinstance(command, RecordHeartbeat | OpenSession) for command in commands)
        asked = self.lease.ask() if renews else 0.0
        try:
            report = super().commit(commands, again=again)
        except (StoreUnavailableError, StoreFullError) as error:
            if self.session is not None and self.gives_up and self.lease.is_over:
                raise FencedError(
                    f"the lease of session {self.session} is over: its runs may belong to others now\n{error.message}",
                    hint="The process ends and is started again.",
                ) from error
            self._beat_meanwhile()
            raise
        if renews:
            self.lease.renew(asked)
        if self.session is None:
            self.lease.end()
        return report

    def _beat_meanwhile(self) -> None:
        """Renew the lease where only this group does not get through: who waits for another one's lock, or for room, is not silent."""
        is_connected = self.connection is not None and not self.connection.closed
        if self.session is not None and self.lease.is_due and is_connected:
            asked = self.lease.ask()
            with contextlib.suppress(StoreUnavailableError, StoreFullError):
                super().commit([RecordHeartbeat()])
                self.lease.renew(asked)

    def _commit(self, commands: list[Any], *, again: bool) -> tuple[Transaction, list[Any]]:
        """Run one transaction; a second one that answers command by command if a statement for many failed: one of them is guilty."""
        try:
            return self._out_of_rings(
                lambda: self._transact(commands, again=again, together=not again and len(commands) >= FEWEST)
            )
        except BatchFailedError:
            return self._out_of_rings(lambda: self._transact(commands, again=again, together=False))

    def _out_of_rings(self, call: Callable[[], _T]) -> _T:
        """Call once more, a few times, where the server broke a ring of locks at our expense: it is no trouble that anyone need know of."""
        for _ in range(_MOST_RINGS):
            try:
                return call()
            except StoreUnavailableError as error:
                if not is_broken_ring(error.__cause__):
                    raise
                self.rings += 1
                _LOG.debug("a transaction is run again: %s", error)
        return call()

    def _transact(self, commands: list[Any], *, again: bool, together: bool) -> tuple[Transaction, list[Any]]:
        connection = self.connection
        if connection is None or connection.closed:
            connection = self._reconnect()
        if not together:
            connection.meanwhile = self.meanwhile
        try:
            transaction = self._open_group(connection, commands, again=again)
            commands = self._moved_with_step(transaction, commands)
            lock_group(transaction, commands)
            answers = self._run_together(transaction, commands) if together else self._run(transaction, commands)
            self._correct_marks(transaction, commands)
            if self.session is None:
                refuse_moved(transaction, self.address.shown)
            failpoints.hit("commit.before")
            self._close_group(connection, transaction, commands)
        except BaseException as fault:
            self._roll_back(connection, fault)
            if isinstance(fault, StoreWentBackError):
                self._hold(connection)
            if isinstance(fault, psycopg.errors.LockNotAvailable):
                terminate_blocking_clients(connection, self.address.schema, longer_than_ms=self.lease.beat_ms)
            if isinstance(fault, ServerTimeoutError | psycopg.errors.LockNotAvailable):
                refuse_waiting_for_standby(self.address, fault)
            raise explain_fault(fault, self.address) or fault if isinstance(fault, Exception) else fault from fault
        failpoints.hit("commit.after")
        self.session = transaction.session
        self._note_clock(transaction, commands)
        if transaction.ready or transaction.facts:
            self._hints.changed()
        self._hints.tell(connection)
        self._hints.take_in(connection)
        return transaction, answers

    def _hold(self, connection: ServerConnection) -> None:
        """Put a store on hold that went back; if that fails, the next process of this host does it."""
        try:
            self._history.hold_if_behind(connection)
        except psycopg.Error as fault:
            _LOG.warning("the store could not be put on hold yet: %s", fault)

    def _run_together(self, transaction: PostgresTransaction, commands: list[Any]) -> list[Any]:
        """Let one statement answer many commands where that means the same."""

        def alone(index: int) -> Any:
            transaction.flush()  # what others left for later: this command is not blamed for that
            return self._answer(transaction, commands, index)

        try:
            return answer_commands(transaction, commands, alone, self._lend_time)
        except (FencedError, GuiltyError):
            raise
        except Exception as fault:
            if self._meaning(fault) is not None:
                raise
            raise BatchFailedError from fault

    def _lend_time(self) -> None:
        """Let others work while the next answer is waited for."""
        if self.connection is not None:
            self.connection.meanwhile = self.meanwhile

    def _open_group(self, connection: ServerConnection, commands: list[Any], *, again: bool) -> PostgresTransaction:
        """Begin, and prove the session; one message to the server and back."""
        asked_at = answered_at = 0 if self.process_clock is None else self.process_clock.own()
        with connection.pipeline():
            connection.execute(BEGIN)
            run(connection.cursor(), TEXTS["prepare_group"], self._opening)
            if again and self.session is None:
                run(connection.cursor(), TEXTS["wait_for_standbys"], ())
            found = run(connection.cursor(), TEXTS["read_writer"], (self.session, self._history.writer))
            asked = [(*one, run(connection.cursor(), TEXTS[one[0]], one[1])) for one in asked_at_once(commands)]
        row = found.fetchone()
        assert row is not None
        if self.process_clock is not None:
            answered_at = self.process_clock.own()
        self._history.compare(number=row[2], epoch=row[3], is_on_hold=row[4], now=row[1])
        if self.session is not None:
            self._require_alive(row[0], commands, again=again)
        now = self._clock.now() if self._own_time else row[1]
        transaction = PostgresTransaction(
            connection.cursor(), self.address.schema, now=now, session=self.session, again=again, sealing=self._sealing
        )
        for query, params, cursor in asked:
            transaction.learn(query, params, cursor)
        self._meet_clock_step(transaction, max(answered_at - asked_at, 0))
        self._learn_time(transaction, asked_at, answered_at)
        return transaction

    def _close_group(
        self, connection: ServerConnection, transaction: PostgresTransaction, commands: Sequence[Any]
    ) -> None:
        """Write what is written last, and commit; one message to the server and back. If one of these fails, none after it is executed.

        Raises StoreUnavailableError if the server gave its wait for the standbys up: the commit is here, but not there.
        """
        connection.is_unsure = False
        connection.meanwhile = self.meanwhile
        with connection.pipeline():
            transaction.write_counters()
            transaction.send_later()
            if transaction.session is not None and transaction.session != self.session:
                run(connection.cursor(), TEXTS["set_session_instance"], (self.instance, transaction.session))
            self._history.count(connection.cursor(), transaction)
            connection.execute("commit")
        if connection.is_unsure:
            raise StoreUnavailableError(
                f"the database committed, but gave up the wait for its standbys\nat {self.address.shown}",
                hint="Are the servers of synchronous_standby_names up? It is committed again until one has it.",
            )
        self._history.keep(transaction, commands)

    def _roll_back(self, connection: ServerConnection, fault: BaseException) -> None:
        """Leave the transaction; a connection that cannot is given up, and the server rolls back by itself."""
        with contextlib.suppress(psycopg.Error):
            if not connection.closed and not ends_connection(fault):
                connection.execute("rollback")
                return
        connection.close()

    @property
    def hints(self) -> int | None:
        """The connection's descriptor; None while there is no connection, and where a pooler keeps hints from us."""
        return self._hints.descriptor(self.connection)

    @property
    def poll_in(self) -> float:
        """Until a hint is to be given or passed on; see base.Database.poll_in."""
        return self._hints.due_in(self.connection)

    def poll(self) -> bool:
        """Tell whether another process gave a hint, or a while has passed without one; give the hint that is due."""
        if self.session is not None and self.lease.is_due:
            self.commit([RecordHeartbeat()])
        connection = self.connection
        self._history.marks.look()
        if connection is not None and not connection.closed:
            try:
                self._hints.look(connection)
            except psycopg.Error as fault:
                connection.close()
                raise translate(fault, self.address.shown) or StoreUnavailableError(str(fault)) from fault
            self._hints.tell(connection)
        return self._hints.heed()

    def close(self) -> None:
        """Give the hint that waited for its time, and close the write connection."""
        if self.connection is not None:
            self._hints.tell(self.connection, at_once=True)
            self.connection.close()
        self._history.marks.close()
