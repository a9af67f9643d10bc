"""The store mark: the commit mark beside a store's file.

All methods are called with the write lock held, so that an older mark never overwrites the newest one.
"""

from collections.abc import Sequence
from pathlib import Path

from mainspring.domain.integrity.lost_commits import LostCommits
from mainspring.store.base import StoreRevertedError
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commit_mark import (
    CommitBefore,
    CommitMark,
    MarkFile,
    find_higher_epoch,
    find_lost_commits,
    read_mark,
)
from mainspring.store.transaction import Transaction


class StoreMark:
    """The mark of one store. It never stops a commit."""

    def __init__(self, store: Path) -> None:
        self._file = MarkFile(mark_of(store), store=store)
        self._store_label = str(store)
        self._last_mark: CommitMark | None = None

    def find_lost(self, tx: Transaction) -> LostCommits | None:
        """Return the commits that the mark knows and the store lacks."""
        return find_lost_commits(read_marks(self._file.path), tx.all)

    def find_higher_epoch(self, tx: Transaction) -> int | None:
        """Return the epoch of the mark if it is above the store's; see commit_mark.find_higher_epoch."""
        return find_higher_epoch(read_marks(self._file.path), tx.all)

    def read_before(self, store: str) -> CommitBefore | None:
        """Return the newest commit before a hold, from the mark: before the first hold if nothing was accepted since."""
        known = self._file.read() or self._last_mark
        return None if known is None or known.store != store else known.to_before()

    def count(self, tx: Transaction, store: str, commands: Sequence[StoreCommand[object]]) -> CommitMark:
        """Count the commit of these commands and return its mark.

        Raises:
            StoreRevertedError: the mark has this number already.
        """
        number, epoch = tx.all("count_commit", (tx.now,))[0]
        known = self._last_mark
        if known is None or (epoch, number) != (known.epoch, known.number + 1):  # another process has committed since
            known = self._file.read() or known
        if known is not None and known.store != store:
            known = None
        if known is not None and (known.epoch, known.number) >= (epoch, number):
            where = str(self._file.path)
            lost = LostCommits(
                stored=number - 1,
                marked=known.number,
                since_at=None,
                until_at=known.at,
                where=where,
                epoch=known.epoch,
            )
            raise StoreRevertedError(lost, self._store_label)
        before = None
        accepts_input = any(command.accepts_input() for command in commands)
        if known is not None and known.before is not None and known.epoch == epoch and not accepts_input:
            before = known.before
        if known is not None and known.epoch == epoch and tx.audit_head is None:
            operation_number, operation_hash = known.operation_number, known.operation_hash
        else:  # the operations of an older epoch may be among the lost ones
            operation_number, operation_hash = tx.first("read_newest_audit_entry") or (0, "")
        return CommitMark(
            store=store,
            epoch=epoch,
            number=number,
            at=tx.now,
            operation_number=operation_number,
            operation_hash=operation_hash,
            before=before,
        )

    def count_raised(self, tx: Transaction, store: str, before: CommitBefore | None) -> CommitMark:
        """Count a commit that raised the epoch above that of the mark: a hold, or the return of a replaced store.

        `before` = the `before` of this commit's mark.
        """
        number, epoch = tx.all("count_commit", (tx.now,))[0]
        operation_number, operation_hash = tx.first("read_newest_audit_entry") or (0, "")
        return CommitMark(
            store=store,
            epoch=epoch,
            number=number,
            at=tx.now,
            operation_number=operation_number,
            operation_hash=operation_hash,
            before=before,
        )

    def keep(self, mark: CommitMark) -> None:
        """Write the mark of a completed commit."""
        self._last_mark = mark
        self._file.write(mark)

    def check_file(self) -> None:
        """Notice a removed mark; the next commit writes it again."""
        self._file.reopen_if_removed()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def mark_of(store: Path) -> Path:
    """Return the path of the mark of a store in a file."""
    return store.with_name(f"{store.name}.mark")


def read_marks(path: Path) -> list[tuple[CommitMark, str]]:
    """Return the mark in this file as a list for find_lost_commits; empty without a mark."""
    mark = read_mark(path)
    return [] if mark is None else [(mark, str(path))]
