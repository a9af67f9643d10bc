"""Commit marks: a process remembers its newest commit outside the store. A mark above the store proves that the store
went back in time.

A mark is one record of fixed size with a checksum, read and written as a whole, without fsync. A missing, torn or
unreadable mark proves nothing.
"""

import json
import logging
import os
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec

from mainspring.domain.integrity.lost_commits import LostCommits
from mainspring.domain.integrity.store_finding import StoreFinding, StoreFindingKind
from mainspring.store.side_files import open_side_file
from mainspring.store.transaction import Params, Rows

SIZE: Final = 512
"""A sector: a disk writes it completely or not at all; the checksum detects a torn one."""
EPOCH: Final = "epoch"
"""The entry of `meta` that is raised when older marks stop being a proof."""
SINGLE: Final = ""
"""The writer of a store in a file: all its processes, one after the other."""
_DECIDE = (
    "The store is on hold. mainspring db restore --undecided and --lost list what to decide, then "
    "mainspring db restore --release; or restore a newer backup: mainspring db restore FILE"
)
_OPEN = "The next process that writes puts the store on hold. Then decide: mainspring db restore --undecided and --lost"
_SUM_BYTES = 8
_LOG = logging.getLogger("mainspring.store")


class CommitBefore(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest commit of a writer before a hold; fields as in CommitMark. `number` 0 = the writer had none."""

    epoch: int = 0
    number: int = 0
    at: int = 0
    operation_number: int = msgspec.field(default=0, name="op")
    operation_hash: str = msgspec.field(default="", name="op_hash")


class CommitMark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The newest commit of a writer: store id, epoch, number and instant (ms UTC), and the head of the audit log at
    that commit.

    `operation_number`, `operation_hash` = number and hash of the newest operation that the process knows (short names,
    because a mark has SIZE bytes); `server` = the server that committed it, for people. `before` = the newest commit
    before the store was put on hold for lost commits, as long as nothing was accepted on hold: a store that has that
    commit lacks nothing.
    """

    store: str
    epoch: int
    number: int
    at: int
    writer: str = SINGLE
    operation_number: int = msgspec.field(default=0, name="op")
    operation_hash: str = msgspec.field(default="", name="op_hash")
    server: str = ""
    before: CommitBefore | None = None

    def to_before(self) -> CommitBefore:
        """Return this mark as the `before` of a hold's mark."""
        if self.before is not None:
            return self.before
        return CommitBefore(self.epoch, self.number, self.at, self.operation_number, self.operation_hash)


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(CommitMark).decode


def pack_mark(mark: CommitMark) -> bytes:
    """Return the record of a mark: checksum, JSON, blanks."""
    body = _encode(mark).ljust(SIZE - _SUM_BYTES)
    return b"%08x" % zlib.crc32(body) + body


def unpack_mark(record: bytes) -> CommitMark | None:
    """Return the mark in a record; None if the record is torn or no mark."""
    try:
        if len(record) != SIZE or int(record[:_SUM_BYTES], 16) != zlib.crc32(record[_SUM_BYTES:]):
            return None
        return _decode(record[_SUM_BYTES:])
    except (ValueError, msgspec.DecodeError):
        return None


def read_mark(path: Path) -> CommitMark | None:
    """Return the mark in a file; None if no mark can be read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        return unpack_mark(os.pread(descriptor, SIZE + 1, 0))
    except OSError:
        return None
    finally:
        os.close(descriptor)


class MarkFile:
    """The file of one mark, open from the first write on: each write is one `pwrite`. For one thread.

    `without` = what goes unnoticed while the mark cannot be written, for the log; `store` = the store's file beside the
    mark, if any.
    """

    def __init__(
        self, path: Path, *, without: str = "a store that goes back in time", store: Path | None = None
    ) -> None:
        self.path = path
        self._without = without
        self._store = store
        self._descriptor = -1
        self._fault: str | None = None

    def read(self) -> CommitMark | None:
        """Return the mark in the file."""
        return read_mark(self.path)

    def write(self, mark: CommitMark) -> None:
        """Write a mark, readable for its user alone. Never raises: the first failure of a kind is logged."""
        fault = None
        try:
            if self._descriptor < 0:
                self._descriptor = open_side_file(self.path, os.O_RDWR, store=self._store)
            os.pwrite(self._descriptor, pack_mark(mark), 0)
        except OSError as error:
            fault = error.strerror or type(error).__name__
        if fault is not None and fault != self._fault:
            _LOG.warning(
                "the commit mark cannot be written: %s\nat %s\nUntil it can be written, Mainspring does not notice %s.",
                *(fault, self.path, self._without),
            )
        self._fault = fault

    def reopen_if_removed(self) -> None:
        """Recreate the file at the next write if it was removed."""
        if self._descriptor >= 0 and not os.fstat(self._descriptor).st_nlink:
            self.close()

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def find_lost_commits(
    marks: Iterable[tuple[CommitMark, str]], read: Callable[[str, Params], Rows]
) -> LostCommits | None:
    """Compare marks and their places with the store; return the lost commits by the newest mark.

    Read the marks before the store: a commit is in the store before it is in its mark.
    """
    marks = list(marks)
    if not marks:
        return None
    rows = read("read_commits", (json.dumps(sorted({mark.writer for mark, _ in marks})),))
    known = {writer: (number, at) for _, _, writer, number, at in rows}
    store, epoch, *_ = rows[0]
    losses = [
        lost
        for mark, where in marks
        if mark.store == store
        if (lost := _losses_of_mark(mark, where, epoch, *known.get(mark.writer, (None, None)), read)) is not None
    ]
    if not losses:
        return None
    newest = max(losses, key=lambda lost: (lost.until_at, lost.marked))
    return msgspec.structs.replace(newest, epoch=max(mark.epoch for mark, _ in marks if mark.store == store))


def find_higher_epoch(marks: Iterable[tuple[CommitMark, str]], read: Callable[[str, Params], Rows]) -> int | None:
    """Return the highest epoch in a mark of this store, if the store is below it; else None.

    A store below a mark that lacks nothing was put back after an older copy had been put on hold in its place.
    """
    store, epoch, *_ = read("read_commits", ('[""]',))[0]
    highest = max((mark.epoch for mark, _ in marks if mark.store == store), default=0)
    return highest if highest > epoch else None


def make_finding(lost: LostCommits) -> StoreFinding:
    """Return lost commits as a finding; the hint depends on whether the store is on hold already."""
    hint = _DECIDE if lost.found_at else _OPEN
    return StoreFinding(
        kind=StoreFindingKind.COMMITS_LOST,
        text=lost.text,
        since_at=lost.found_at or lost.until_at,
        hint=hint,
        facts=msgspec.to_builtins(lost),
    )


def _losses_of_mark(
    mark: CommitMark,
    where: str,
    epoch: int,
    number: int | None,
    at: int | None,
    read: Callable[[str, Params], Rows],
) -> LostCommits | None:
    newest = mark.before if mark.before is not None and epoch < mark.epoch else mark
    if newest.epoch < epoch or not newest.number:
        return None
    missing_operation = (
        newest.operation_number
        if newest.operation_number and read("read_audit_hash", (newest.operation_number,)) != [(newest.operation_hash,)]
        else None
    )
    if newest.epoch == epoch and number is not None and number >= newest.number and missing_operation is None:
        return None
    return LostCommits(
        stored=number,
        marked=newest.number,
        since_at=at,
        until_at=newest.at,
        where=where,
        act=missing_operation,
        server=mark.server,
    )
