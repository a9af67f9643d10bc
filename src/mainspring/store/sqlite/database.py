"""SQLite database for the committer: one file, and each list of commands becomes one transaction.

Fair write lock, BEGIN IMMEDIATE, check of the session, handlers in order, rollups, COMMIT. One thread uses it.
"""

import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from mainspring.domain.clock import Clock, find_elapsed_clock
from mainspring.domain.errors import MainspringError, StoreFullError
from mainspring.domain.integrity.lost_commits import LostCommits
from mainspring.domain.values.sealing import PLAIN_SEALING, Sealing
from mainspring.store import failpoints
from mainspring.store.base import StoreBrokenError, StoreRevertedError
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commit_mark import CommitBefore
from mainspring.store.grouping import GroupingDatabase
from mainspring.store.maintenance.lost_interval import hold_for_lost_commits
from mainspring.store.maintenance.move_marker import error_of_move, refuse_moved
from mainspring.store.side_files import create_side_file
from mainspring.store.sqlite.connection import connect, not_made, prepare_folder, refuse_foreign
from mainspring.store.sqlite.damage import error_of_fault
from mainspring.store.sqlite.fair_write_lock import FairWriteLock
from mainspring.store.sqlite.file_identity import FileIdentity, note_store, require_store_present
from mainspring.store.sqlite.filesystem import free_bytes
from mainspring.store.sqlite.migrate import migrate, migrations
from mainspring.store.sqlite.store_mark import StoreMark, mark_of
from mainspring.store.sqlite.texts import TEXTS
from mainspring.store.sqlite.transaction import SqliteTransaction
from mainspring.store.store_clock import StoreClock
from mainspring.store.transaction import Handlers, Transaction

if TYPE_CHECKING:
    from mainspring.store.sqlite.commit_watch import CommitWatch

_LOG = logging.getLogger("mainspring.store")

SIZE = 4 * 1024 * 1024
_NEEDED_BYTES = 16 * SIZE
_BLOCK = b"\0" * 65_536
_POLLS_BEFORE_WATCH = 10
"""Half a second: a process that ends sooner, such as `exec`, does not load what a watch takes."""


class DiskReserve:
    """The reserve of one store. Never raises: without a reserve the store works as well.

    It is released when the disk is full, so that pending commits and the report of the full disk can still be written, and
    rebuilt when there is space again.
    """

    def __init__(self, store: Path, size: int = SIZE) -> None:
        self._store = store
        self._path = store.with_name(store.name + ".reserve")
        self._size = size
        self.given_up = False

    def keep(self) -> None:
        """Create the reserve if it is missing and the disk has enough space."""
        with contextlib.suppress(OSError):
            if not self._path.exists():
                if free_bytes(self._path.parent) < _NEEDED_BYTES:
                    return
                self._fill()
            self.given_up = False

    def _fill(self) -> None:
        # Written, not only reserved: some file systems promise space that they do not have.
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            part.unlink(missing_ok=True)
            with os.fdopen(create_side_file(part, os.O_WRONLY, store=self._store), "wb") as file:
                for _ in range(self._size // len(_BLOCK)):
                    file.write(_BLOCK)
            part.replace(self._path)
        finally:
            part.unlink(missing_ok=True)

    def give_up(self) -> bool:
        """Release the reserve; tell whether there was one."""
        self.given_up = True
        with contextlib.suppress(OSError):
            self._path.unlink()
            return True
        return False


class SqliteDatabase(GroupingDatabase):
    """The write connection of one process. It creates and migrates the file if needed.

    `recreate` = recreate a file that was removed. `note` = the file that notes the store, see note_store.
    `passed` returns growing seconds, by which a changed clock is noticed. `process_clock` = the clock by which this process computes.

    Raises (from the constructor):

        StoreError: the file cannot be used; see connection.connect and migrate.migrate.
    """

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        handlers: Handlers,
        sealing: Sealing = PLAIN_SEALING,
        recreate: bool = False,
        note: Path | None = None,
        passed: Callable[[], float] | None = None,
        process_clock: StoreClock | None = None,
    ) -> None:
        super().__init__(handlers, find_elapsed_clock(clock) if passed is None else passed, process_clock)
        self.path = path
        self._clock = clock
        self._sealing = sealing
        refuse_foreign(path)
        if not recreate:
            require_store_present(path, note)
        prepare_folder(path)
        self.write_lock = _open_write_lock(path)
        try:
            with self.write_lock:
                if not recreate:  # again: others may have held the lock, and the file may be gone since
                    require_store_present(path, note)
                self.connection = connect(path, create=not path.exists())
                try:
                    is_new = len(migrate(self.connection)) == len(migrations())
                    self._refuse_moved()
                    self.connection.execute(TEXTS["set_store_id"], (f"{clock.random_bits(128):032x}",))
                    self._store: str = self.connection.execute(TEXTS["read_meta"], ("store",)).get
                    self._mark = StoreMark(path)
                    self._hold_if_behind()
                except apsw.Error as fault:
                    raise error_of_fault(fault, path) or fault from fault
        except BaseException:
            self.write_lock.close()
            raise
        if note is not None:
            note_store(note, path, self._store)
        if is_new:
            _LOG.warning("created a new store at %s", path)
        self._reserve = DiskReserve(path)
        self._reserve.keep()
        self._seen = self._data_version()
        self._watch: CommitWatch | None = None
        self._polls = 0
        self.presence = FileIdentity(path)

    def _refuse_moved(self) -> None:
        marks = self.connection.execute(TEXTS["read_move_markers"]).fetchall()
        if (error := error_of_move(marks, str(self.path))) is not None:
            self.connection.close(True)
            raise error

    def _hold_if_behind(self) -> None:
        """Put the store on hold if its mark proves that it went back in time; the caller holds the write lock."""
        tx = self._query_transaction()
        lost = self._mark.find_lost(tx)
        if lost is not None:
            self._put_on_hold(lost)
        elif (highest := self._mark.find_higher_epoch(tx)) is not None:
            self._note_return(highest)

    def _query_transaction(self) -> SqliteTransaction:
        """Return an object for single queries in the form of a transaction."""
        return SqliteTransaction(self.connection, now=self._clock.now(), session=None, again=False)

    def _note_return(self, highest: int) -> None:
        """Raise the epoch of a store that was put back after an older copy had been on hold in its place: the mark
        belongs to that copy.
        """

        def change(tx: SqliteTransaction) -> CommitBefore | None:
            before = self._mark.read_before(self._store)
            _, epoch, _, number, at = tx.all("read_commits", ('[""]',))[0]
            if (
                before is None or before.epoch >= epoch
            ):  # otherwise it is on hold itself, and the earlier store is still elsewhere
                before = CommitBefore(epoch, number, at, *(tx.first("read_newest_audit_entry") or (0, "")))
            tx.change("raise_epoch_to", (highest,))
            tx.change("raise_epoch")
            return before

        self._change_epoch(change)
        _LOG.warning("the store that an older copy had replaced is back; it lacks nothing\nat %s", self.path)

    def _put_on_hold(self, lost: LostCommits) -> None:
        def change(tx: SqliteTransaction) -> CommitBefore | None:
            hold_for_lost_commits(tx, lost)
            return self._mark.read_before(self._store)

        self._change_epoch(change)
        _LOG.critical("%s\nat %s\nThe store is on hold: no run starts before you have decided.", lost.text, self.path)

    def _change_epoch(self, change: Callable[[SqliteTransaction], CommitBefore | None]) -> None:
        """Commit a change that raises the epoch; `change` returns the `before` of the mark."""
        self.connection.execute("begin immediate")
        try:
            tx = self._query_transaction()
            mark = self._mark.count_raised(tx, self._store, change(tx))
            self.connection.execute("commit")
        except BaseException:
            self._roll_back()
            raise
        self._mark.keep(mark)

    @property
    def warning(self) -> str | None:
        """Return a warning while the reserve for a full disk is used up."""
        if not self._reserve.given_up:
            return None
        return f"the disk of the store is nearly full\nat {self.path}"

    def _read_clock(self) -> int:
        self.clock_watch.begin()
        now = self._clock.now()
        self.clock_watch.read(now)
        return now

    def _commit(self, commands: list[StoreCommand[object]], *, again: bool) -> tuple[Transaction, list[object]]:
        """Run one transaction."""
        connection = self.connection
        with self.write_lock:
            try:
                connection.execute("begin immediate")
                changes = connection.total_changes()
                now = self._read_clock()
                transaction = SqliteTransaction(
                    connection, now=now, session=self.session, again=again, sealing=self._sealing
                )
                if self.session is not None:
                    state = transaction.value("read_session_state", (self.session,), str)
                    self._require_alive(state, commands, again=again)
                self._meet_clock_step(transaction)
                if self.process_clock is not None:
                    own = self.process_clock.own()
                    self._learn_time(transaction, own, own)
                commands = self._moved_with_step(transaction, commands)
                answers = self._run(transaction, commands)
                self._correct_marks(transaction, commands)
                if self.session is None:
                    refuse_moved(transaction, str(self.path))
                transaction.write_counters()
                failpoints.hit("commit.before")
                self.presence.check()
                # A transaction without changes is no commit, and costs no write.
                is_change = connection.total_changes() != changes
                mark = self._mark.count(transaction, self._store, commands) if is_change else None
                connection.execute("commit")
            except BaseException as fault:  # noqa: BLE001 - rolled back and raised as its meaning
                self._roll_back()
                if isinstance(fault, StoreRevertedError):
                    self._put_on_hold(fault.lost)
                self._raise(fault)
            failpoints.hit("commit.after")
            if mark is not None:
                self._mark.keep(mark)
        self.session = transaction.session
        self._note_clock(transaction, commands)
        if self._reserve.given_up:
            self._reserve.keep()
        return transaction, answers

    def _meaning(self, fault: Exception) -> MainspringError | None:
        return error_of_fault(fault, self.path)

    def _roll_back(self) -> None:
        """Leave the transaction; SQLite may have rolled it back already."""
        try:
            if self.connection.in_transaction:
                self.connection.execute("rollback")
        except apsw.Error as fault:
            raise StoreBrokenError(f"a transaction cannot be rolled back\nat {self.path}: {fault}") from fault

    def _raise(self, fault: BaseException) -> None:
        """Raise the meaning of a fault; release the reserve if the disk is full."""
        if not isinstance(fault, apsw.Error):
            raise fault
        meaning = error_of_fault(fault, self.path)
        if isinstance(meaning, StoreFullError):
            self._reserve.give_up()
        raise meaning or StoreBrokenError(f"the store refused a transaction\nat {self.path}: {fault}") from fault

    @property
    def hints(self) -> int | None:
        """The descriptor of the commit watch; None for a process that is new, or where the kernel does not report commits."""
        return None if self._watch is None else self._watch.descriptor

    def _renew_watch(self) -> None:
        """Watch the commits of other processes, unless this one is new."""
        self._polls += 1
        if self._watch is None and self._polls > _POLLS_BEFORE_WATCH:
            from mainspring.store.sqlite.commit_watch import CommitWatch  # noqa: PLC0415 - `exec` needs none

            self._watch = CommitWatch(mark_of(self.path))
        if self._watch is not None:
            self._watch.renew()

    def poll(self) -> bool:
        """Tell whether another connection committed since the last poll.

        Raises:
            StoreRemovedError: the file was removed or replaced.
        """
        self.presence.check()
        self._mark.check_file()
        self._renew_watch()  # before the version is read: a later commit wakes again
        try:
            seen = self._data_version()
        except apsw.Error as fault:
            raise error_of_fault(fault, self.path) or fault from fault
        changed, self._seen = seen != self._seen, seen
        return changed

    def _data_version(self) -> object:
        # The connection's method of this name counts our own commits and does not check for others'.
        return self.connection.execute("pragma data_version").get

    def close(self) -> None:
        """Close the write connection; the last one of all processes removes the write-ahead log."""
        with self.write_lock:
            self.connection.close(True)
        self._mark.close()
        if self._watch is not None:
            self._watch.close()
        self.write_lock.close()


def _open_write_lock(path: Path) -> FairWriteLock:
    try:
        return FairWriteLock(path)
    except OSError as error:
        raise not_made(path, error) from error
