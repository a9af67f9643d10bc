"""The commit mark beside a store's file.

All of it is called inside the turnstile, so that an older mark never overwrites the mark of the newest commit.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mainspring.domain.integrity.lost_commits import LostCommits
from mainspring.store.base import StoreWentBackError
from mainspring.store.commands.acceptance import accepts_input
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
        self._shown = str(store)
        self._kept: CommitMark | None = None

    def find_lost(self, tx: Transaction) -> LostCommits | None:
        """Return what the store lacks of what the mark knows."""
        return find_lost_commits(marks_beside(self._file.path), tx.all)

    def find_higher_epoch(self, tx: Transaction) -> int | None:
        """Return the epoch of the mark if it is above that of the store; see commit_mark.find_higher_epoch."""
        return find_higher_epoch(marks_beside(self._file.path), tx.all)

    def read_before(self, store: str) -> CommitBefore | None:
        """Return the newest commit of before a hold, as the mark knows it: of before the first one if nothing was accepted since."""
        known = self._file.read() or self._kept
        return None if known is None or known.store != store else known.to_before()

    def count(self, tx: Transaction, store: str, commands: Sequence[Any]) -> CommitMark:
        """Number the commit that is about to be made, of these commands, and return its mark.

        Raises:
            StoreWentBackError: the mark knows this number already.
        """
        number, epoch = tx.all("count_commit", (tx.now,))[0]
        known = self._kept
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
            raise StoreWentBackError(lost, self._shown)
        before = None
        if known is not None and known.before is not None and known.epoch == epoch and not accepts_input(commands):
            before = known.before
        if known is not None and known.epoch == epoch and tx.audit_head is None:
            acts, act_hash = known.acts, known.act_hash
        else:  # the acts of an older epoch may be among those that are lost
            acts, act_hash = tx.one("read_newest_audit_entry") or (0, "")
        return CommitMark(
            store=store, epoch=epoch, number=number, at=tx.now, acts=acts, act_hash=act_hash, before=before
        )

    def count_raised(self, tx: Transaction, store: str, before: CommitBefore | None) -> CommitMark:
        """Number a commit that raised the epoch above that of the mark: a hold, or the return of a store that was replaced meanwhile.

        `before` = what the mark of this commit remembers of before the hold.
        """
        number, epoch = tx.all("count_commit", (tx.now,))[0]
        acts, act_hash = tx.one("read_newest_audit_entry") or (0, "")
        return CommitMark(
            store=store, epoch=epoch, number=number, at=tx.now, acts=acts, act_hash=act_hash, before=before
        )

    def keep(self, mark: CommitMark) -> None:
        """Write the mark of a commit that is known."""
        self._kept = mark
        self._file.write(mark)

    def look(self) -> None:
        """Notice that the mark was removed; it is written again with the next commit."""
        self._file.reopen_if_removed()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def mark_of(store: Path) -> Path:
    """Return the file of the mark of a store in a file."""
    return store.with_name(f"{store.name}.mark")


def marks_beside(path: Path) -> list[tuple[CommitMark, str]]:
    """Return the mark in this file as find_lost_commits takes it; none where there is none."""
    mark = read_mark(path)
    return [] if mark is None else [(mark, str(path))]
