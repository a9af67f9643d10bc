"""The commit history of a server's store, as this process knows it: its own numbered commits, and the marks of its
host.
"""

import logging
import uuid
from collections.abc import Sequence

import msgspec
import psycopg

from mainspring.domain.integrity.lost_commits import LostCommits
from mainspring.domain.values.sealing import PLAIN_SEALING
from mainspring.store.base import StoreRevertedError
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commit_mark import CommitBefore, CommitMark, find_higher_epoch, find_lost_commits
from mainspring.store.maintenance.lost_interval import hold_for_lost_commits
from mainspring.store.postgres.address import Address
from mainspring.store.postgres.connection import BEGIN, UNHURRIED, ServerConnection
from mainspring.store.postgres.host_marks import COMPARED_FOR_MS, HostMarks, server_of
from mainspring.store.postgres.texts import TEXTS
from mainspring.store.postgres.transaction import PostgresTransaction, run

_LOG = logging.getLogger("mainspring.store")
_NOW = "select (extract(epoch from clock_timestamp()) * 1000)::bigint"
_LOCK = "lock table {} in exclusive mode"
_TABLES = """
select string_agg(quote_ident(relname), ', ' order by relname) from pg_class
where relnamespace = current_schema()::regnamespace and relkind = 'r'
"""


class ServerHistory:
    """The history of one process's commits; `writer` = its random name among all writers. For the committing thread."""

    def __init__(self, address: Address, marks: HostMarks) -> None:
        self.writer = uuid.uuid4().hex
        self._address = address
        self.marks = marks
        self._store = ""
        self._server = ""
        self._epoch = 0
        self._is_on_hold = False
        """Whether the store is on hold for lost commits."""
        self._newest: CommitMark | None = None

    def open(self, connection: ServerConnection) -> None:
        """Compare the marks of this host with the store; put it on hold if a mark is above it."""
        self.reach(connection)
        connection.execute(BEGIN)
        tx = self._begin_transaction(connection)
        self._store = tx.value("read_meta", ("store",), str) or ""
        marks = self.marks.compared(tx.now)
        lost = find_lost_commits(marks, tx.all)
        highest = find_higher_epoch(marks, tx.all) if lost is None else None
        if highest is not None:  # the server is back after an older copy had replaced it and was put on hold
            tx.change("raise_epoch_to", (highest,))
            tx.change("raise_epoch")
            tx.send_later()
        connection.execute("commit")
        if highest is not None:
            _LOG.warning(
                "the store that an older copy had replaced is back; it lacks nothing\nat %s", self._address.location
            )
        if lost is not None:
            self.hold_if_behind(connection)
        self.marks.tidy(tx.now)

    def reach(self, connection: ServerConnection) -> None:
        """Read which server a new connection leads to."""
        self._server = server_of(connection)

    def compare(self, *, number: int | None, epoch: int, is_on_hold: bool, now: int) -> None:
        """Check that the store has the newest commit of this process; a new connection may lead to another server.

        `is_on_hold` = it is on hold for lost commits.

        Raises:
            StoreRevertedError: it does not.
        """
        self._epoch, self._is_on_hold = epoch, is_on_hold
        newest = self._newest
        if newest is None or newest.at <= now - COMPARED_FOR_MS or (number is not None and number >= newest.number):
            return
        lost = LostCommits(
            stored=number,
            marked=newest.number,
            since_at=None,
            until_at=newest.at,
            where="this process",
            server=newest.server,
            epoch=newest.epoch,
        )
        raise StoreRevertedError(lost, self._address.location)

    def hold_if_behind(self, connection: ServerConnection) -> None:
        """Put the store on hold for its lost commits, unless another process has done so. All other writers wait until
        the commit.
        """
        connection.execute(BEGIN)
        try:
            connection.execute(UNHURRIED)
            tx = self._begin_transaction(connection)
            tables = connection.execute(_TABLES).fetchone()
            connection.execute(_LOCK.format(tables[0] if tables else "meta"))
            lost = find_lost_commits(self.marks.compared(tx.now, self._newest), tx.all)
            if lost is not None:
                lost = msgspec.structs.replace(lost, server_now=self._server)
                hold_for_lost_commits(tx, lost)
                tx.send_later()
            connection.execute("commit")
        except psycopg.Error:
            if not connection.closed:
                connection.execute("rollback")
            raise
        if lost is not None:
            _LOG.critical(
                "%s\nat %s\nThe store is on hold: no run starts before you have decided.",
                *(lost.text, self._address.location),
            )

    def count(self, cursor: "psycopg.Cursor[tuple[object, ...]]", tx: PostgresTransaction) -> None:
        """Count the commit that is about to be made."""
        run(cursor, TEXTS["count_commit"], (self.writer, self._next_number, tx.now))

    def keep(self, tx: PostgresTransaction, commands: Sequence[StoreCommand[object]]) -> None:
        """Write the mark of a completed commit of these commands."""
        previous = self._newest
        self._newest = CommitMark(
            store=self._store,
            epoch=self._epoch,
            number=self._next_number,
            at=tx.now,
            writer=self.writer,
            operation_number=tx.audit_head.seq if tx.audit_head else previous.operation_number if previous else 0,
            operation_hash=tx.audit_head.hash if tx.audit_head else previous.operation_hash if previous else "",
            server=self._server,
            before=self._before(commands),
        )
        self.marks.keep(self._newest)

    def _before(self, commands: Sequence[StoreCommand[object]]) -> CommitBefore | None:
        """Return this process's newest commit before the hold, as long as it has accepted nothing on hold."""
        newest = self._newest
        if not self._is_on_hold or any(command.accepts_input() for command in commands):
            return None
        if newest is None:
            return CommitBefore()
        return newest.to_before() if newest.before is not None or newest.epoch < self._epoch else None

    @property
    def _next_number(self) -> int:
        return 1 if self._newest is None else self._newest.number + 1

    def _begin_transaction(self, connection: ServerConnection) -> PostgresTransaction:
        connection.execute("select set_config('search_path', $1, true)", (self._address.schema,))
        (now,) = connection.execute(_NOW).fetchall()[0]
        return PostgresTransaction(
            connection.cursor(), self._address.schema, now=now, session=None, again=False, sealing=PLAIN_SEALING
        )
