"""PostgreSQL database for the committer: one schema, and each list of commands becomes one transaction.

BEGIN, wait for earlier transactions of this process, check the session, lock what the commands concern, handlers in
order, rollups, COMMIT. One thread uses it. Each statement sees what was committed before it (READ COMMITTED), so
anything on which two processes could decide at once is locked first (see locking.py).
"""

import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import psycopg

from mainspring.domain.clock import Clock, elapsed_seconds
from mainspring.domain.errors import FencedError, MainspringError, StoreError, StoreFullError, StoreUnavailableError
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.store import failpoints
from mainspring.store.base import CommitReport, StoreRevertedError
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.sessions import OpenSession, RecordHeartbeat
from mainspring.store.grouping import GroupingDatabase, GuiltyError
from mainspring.store.maintenance.move_marker import error_of_move, refuse_moved
from mainspring.store.postgres.address import Address
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
from mainspring.store.postgres.host_marks import HostMarks
from mainspring.store.postgres.lease import Lease
from mainspring.store.postgres.locking import list_known_reads, lock_group, terminate_blocking_clients
from mainspring.store.postgres.migrate import migrate, migrations
from mainspring.store.postgres.schema_check import explain_fault
from mainspring.store.postgres.texts import TEXTS
from mainspring.store.postgres.transaction import PostgresTransaction, run
from mainspring.store.store_clock import StoreClock
from mainspring.store.transaction import Handlers, Transaction

_T = TypeVar("_T")

LEASE_MS = 10_000
_SHORTEST_ANSWER = 5.0
"""Minimum seconds for an answer of the server; otherwise somewhat longer than its lock timeout, and less than a lease."""

_MAX_DEADLOCK_RETRIES = 4
"""Maximum repetitions of a transaction because of lock cycles; then it is reported as an outage."""

_LOG = logging.getLogger("mainspring.store")


class PostgresDatabase(GroupingDatabase):
    """The write connection of one process, reopened when it is lost. It creates and migrates the schema if needed.

    `clock` gives random bits, and the time if `own_time`; else the database's clock is the time. `passing` returns
    growing seconds, by which this process measures its lease and its polls. `passed` returns such seconds if steps of
    the server's clock are to be noticed. `process_clock` = the clock by which this process computes, if that is not
    `clock`. `marks` = the folder of this host's commit marks.

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
        self.ends_without_lease = True
        """Whether this process ends once its lease is over; a process without runs may continue later."""
        self._own_time = own_time
        self.meanwhile = lambda: None
        self._answers_within = max(lease_ms / 2000 + 1, _SHORTEST_ANSWER)
        self.instance = clock.random_bits(62)
        """The advisory lock that each transaction of this process acquires first."""
        self._opening = {
            "schema": address.schema,
            "idle_timeout": str(lease_ms // 2),
            "waits": str(self.lease.beat_ms),
            "runs": str(lease_ms * 3),
            "instance": self.instance,
        }
        self._hints = ChangeNotifications(address.schema, self.instance, passing)
        self.has_found_ends = False
        """Whether another process may have ended runs before the last poll."""
        self._history = ServerHistory(address, HostMarks(marks))
        self.connection: ServerConnection | None = None
        self.rings = 0
        """How many transactions of this process were rolled back because of deadlocks."""
        self._retry_deadlocks(lambda: self._connect(first=True))

    @property
    def warning(self) -> str | None:
        """None: while commits succeed there is no warning."""
        return None

    @property
    def notice(self) -> str | None:
        """A warning about the connection to the server, for people."""
        return POOLED if self.connection is not None and is_pooled(self.connection) else None

    def _reconnect(self) -> ServerConnection:
        """Reopen the connection. The store was usable before, so each error now is an outage until it is fixed.

        Raises:
            StoreUnavailableError: it cannot be used; the message is the reason.
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
                self._read_server_time(connection)
                if len(migrate(connection, self.address)) == len(migrations()):
                    _LOG.warning("created a new store at %s", self.address.location)
                connection.execute(BEGIN)
                connection.execute("select set_config('search_path', $1, true)", (self.address.schema,))
                marks = connection.execute(TEXTS["read_move_markers"]).fetchall()
                if (moved := error_of_move(marks, self.address.location)) is not None:
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

    def _read_server_time(self, connection: ServerConnection) -> None:
        """Read the server's time before anything is compared with it; from then on each commit returns it."""
        if self.process_clock is not None:
            requested_at = self.process_clock.own()
            ((now,),) = connection.execute(TEXTS["read_server_time"]).fetchall()
            self.process_clock.learn(requested_at, now, self.process_clock.own())

    def _meaning(self, fault: Exception) -> MainspringError | None:
        return translate(fault, self.address.location)

    def _was_overtaken(self, cause: Exception) -> bool:
        return isinstance(cause, psycopg.errors.UniqueViolation)

    def commit(self, commands: list[StoreCommand[object]], *, again: bool = False) -> CommitReport:
        """Commit the commands, renewing the lease with commands that do so; see base.Database.commit."""
        renews = any(isinstance(command, RecordHeartbeat | OpenSession) for command in commands)
        requested = self.lease.ask() if renews else 0.0
        try:
            report = super().commit(commands, again=again)
        except (StoreUnavailableError, StoreFullError) as error:
            if self.session is not None and self.ends_without_lease and self.lease.is_over:
                raise FencedError(
                    f"the lease of session {self.session} has expired: other processes may have its runs now\n"
                    f"{error.message}",
                    hint="The process ends and is started again.",
                ) from error
            self._renew_lease()
            raise
        if renews:
            self.lease.renew(requested)
        if self.session is None:
            self.lease.end()
        return report

    def _renew_lease(self) -> None:
        """Renew the lease if only this group fails: a process that waits for a lock, or for disk space, is not silent."""
        is_connected = self.connection is not None and not self.connection.closed
        if self.session is not None and self.lease.is_due and is_connected:
            requested = self.lease.ask()
            with contextlib.suppress(StoreUnavailableError, StoreFullError):
                super().commit([RecordHeartbeat()])
                self.lease.renew(requested)

    def _commit(self, commands: list[StoreCommand[object]], *, again: bool) -> tuple[Transaction, list[object]]:
        """Run one transaction; if a bulk statement failed, run a second one that answers command by command, because
        one of them is guilty.
        """
        try:
            return self._retry_deadlocks(
                lambda: self._transact(commands, again=again, in_bulk=not again and len(commands) >= FEWEST)
            )
        except BatchFailedError:
            return self._retry_deadlocks(lambda: self._transact(commands, again=again, in_bulk=False))

    def _retry_deadlocks(self, call: Callable[[], _T]) -> _T:
        """Repeat a call a few times if the server chose it to break a deadlock: no one needs to know of it."""
        for _ in range(_MAX_DEADLOCK_RETRIES):
            try:
                return call()
            except StoreUnavailableError as error:
                if not is_broken_ring(error.__cause__):
                    raise
                self.rings += 1
                _LOG.debug("a transaction is run again: %s", error)
        return call()

    def _transact(
        self, commands: list[StoreCommand[object]], *, again: bool, in_bulk: bool
    ) -> tuple[Transaction, list[object]]:
        connection = self.connection
        if connection is None or connection.closed:
            connection = self._reconnect()
        if not in_bulk:
            connection.meanwhile = self.meanwhile
        try:
            transaction = self._open_group(connection, commands, again=again)
            commands = self._moved_with_step(transaction, commands)
            lock_group(transaction, commands)
            answers = self._run_in_bulk(transaction, commands) if in_bulk else self._run(transaction, commands)
            self._correct_marks(transaction, commands)
            if self.session is None:
                refuse_moved(transaction, self.address.location)
            failpoints.hit("commit.before")
            self._close_group(connection, transaction, commands)
        except BaseException as fault:
            self._roll_back(connection, fault)
            if isinstance(fault, StoreRevertedError):
                self._put_on_hold(connection)
            if isinstance(fault, psycopg.errors.LockNotAvailable):
                terminate_blocking_clients(connection, self.address.schema, longer_than_ms=self.lease.beat_ms)
            if isinstance(fault, ServerTimeoutError | psycopg.errors.LockNotAvailable):
                refuse_waiting_for_standby(self.address, fault)
            raise explain_fault(fault, self.address) or fault if isinstance(fault, Exception) else fault from fault
        failpoints.hit("commit.after")
        self.session = transaction.session
        self._note_clock(transaction, commands)
        if transaction.ready or transaction.facts or transaction.triggers or transaction.locks:
            self._hints.changed(is_work=True)
        elif transaction.ended:
            self._hints.changed(is_work=False)
        self._hints.send_hint(connection)
        self._hints.receive_pending(connection)
        return transaction, answers

    def _put_on_hold(self, connection: ServerConnection) -> None:
        """Put a store on hold that went back in time; if that fails, the next process of this host does it."""
        try:
            self._history.hold_if_behind(connection)
        except psycopg.Error as fault:
            _LOG.warning("the store could not be put on hold yet: %s", fault)

    def _run_in_bulk(self, transaction: PostgresTransaction, commands: list[StoreCommand[object]]) -> list[object]:
        """Answer many commands by one statement if the result is the same."""

        def answer_one(index: int) -> object:
            transaction.flush()  # postponed statements of other commands: this command is not blamed for them
            return self._run(transaction, [commands[index]], index)[0]

        try:
            return answer_commands(transaction, commands, answer_one, self._set_meanwhile)
        except (FencedError, GuiltyError):
            raise
        except Exception as fault:
            if self._meaning(fault) is not None:
                raise
            raise BatchFailedError from fault

    def _set_meanwhile(self) -> None:
        """Let other threads work while the next answer is awaited."""
        if self.connection is not None:
            self.connection.meanwhile = self.meanwhile

    def _open_group(
        self, connection: ServerConnection, commands: list[StoreCommand[object]], *, again: bool
    ) -> PostgresTransaction:
        """Begin, and check the session; one round trip to the server."""
        self.clock_watch.begin()
        requested_at = answered_at = 0 if self.process_clock is None else self.process_clock.own()
        with connection.pipeline():
            connection.execute(BEGIN)
            run(connection.cursor(), TEXTS["prepare_group"], self._opening)
            if again and self.session is None:
                run(connection.cursor(), TEXTS["wait_for_standbys"], ())
            found = run(connection.cursor(), TEXTS["read_writer"], (self.session, self._history.writer))
            statements = [
                (*statement, run(connection.cursor(), TEXTS[statement[0]], statement[1]))
                for statement in list_known_reads(commands, self.session)
            ]
        state, server_now, number, epoch, is_on_hold = found.fetchall()[0]
        if self.process_clock is not None:
            answered_at = self.process_clock.own()
        self._history.compare(number=number, epoch=epoch, is_on_hold=is_on_hold, now=server_now)
        if self.session is not None:
            self._require_alive(state, commands, again=again)
        now = self._clock.now() if self._own_time else server_now
        self.clock_watch.read(now)
        transaction = PostgresTransaction(
            connection.cursor(), self.address.schema, now=now, session=self.session, again=again, sealing=self._sealing
        )
        for query, params, cursor in statements:
            transaction.learn(query, params, cursor)
        self._meet_clock_step(transaction)
        self._learn_time(transaction, requested_at, answered_at)
        return transaction

    def _close_group(
        self, connection: ServerConnection, transaction: PostgresTransaction, commands: Sequence[StoreCommand[object]]
    ) -> None:
        """Write the last rows, and commit; one round trip to the server. If one statement fails, none after it is
        executed.

        Raises StoreUnavailableError if the server abandoned its wait for the standbys: the commit is here, but not
        there.
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
                f"the database committed, but did not wait for its standbys any longer\nat {self.address.location}",
                hint="Start the servers of synchronous_standby_names. The commit is repeated until one has it.",
            )
        self._history.keep(transaction, commands)

    def _roll_back(self, connection: ServerConnection, fault: BaseException) -> None:
        """Leave the transaction; a connection that cannot is closed, and the server rolls back by itself."""
        with contextlib.suppress(psycopg.Error):
            if not connection.closed and not ends_connection(fault):
                connection.execute("rollback")
                return
        connection.close()

    @property
    def hints(self) -> int | None:
        """The connection's descriptor; None without a connection, or if a pooler keeps hints away."""
        return self._hints.descriptor(self.connection)

    @property
    def poll_in(self) -> float:
        """Seconds until a hint has to be sent or passed on; see base.Database.poll_in."""
        return self._hints.due_in(self.connection)

    def poll(self) -> bool:
        """Tell whether another process sent a hint, or none has come for a while; send the pending hint."""
        if self.session is not None and self.lease.is_due:
            self.commit([RecordHeartbeat()])
        connection = self.connection
        self._history.marks.check_file()
        if connection is not None and not connection.closed:
            try:
                self._hints.read_hints(connection)
            except psycopg.Error as fault:
                connection.close()
                raise translate(fault, self.address.location) or StoreUnavailableError(str(fault)) from fault
            self._hints.send_hint(connection)
        self.has_found_ends = self._hints.take_ends()
        return self._hints.take_hint()

    def close(self) -> None:
        """Send the pending hint, and close the write connection."""
        if self.connection is not None:
            self._hints.send_hint(self.connection, at_once=True)
            self.connection.close()
        self._history.marks.close()
