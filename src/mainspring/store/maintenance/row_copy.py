"""Copying all rows of a store, and comparing both sides afterwards: by the number of rows and by a hash over all of them.

A copy that was broken off anywhere goes on where it was: each part of a table is one commit in the target, with the key it reached.
"""

import hashlib
from collections.abc import Callable

import msgspec

from mainspring.domain.errors import StoreError
from mainspring.store import failpoints
from mainspring.store.base import StoreBrokenError
from mainspring.store.maintenance.table_rows import LATE, RowSource, RowTarget, Table

ReportProgress = Callable[[str], object]
"""Told of progress, in words."""

_TELL_EVERY = 50_000
_pack = msgspec.msgpack.Encoder().encode


class TableSum(msgspec.Struct, frozen=True):
    """What a table holds: the number of rows, and SHA-256 (hex) over all of them in the order of their keys."""

    rows: int
    sha256: str


def common_tables(source: RowSource, target: RowSource) -> list[Table]:
    """Return the tables of both sides.

    Raises:
        StoreError: one side has a table or column that the other lacks, which would be lost.
    """
    here, there = source.tables(), target.tables()
    if here != there:
        names = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
        raise StoreError(
            f"the two databases do not have the same tables: {', '.join(names)}\nat {source.shown}\nand {target.shown}",
            hint="Bring both to this version's form: mainspring db migrate, with --store for the other one.",
        )
    return [here[name] for name in sorted(here, key=lambda name: (name in LATE, name))]


def copy(source: RowSource, target: RowTarget, tell: ReportProgress) -> None:
    """Bring over what the target does not have yet.

    Raises:
        RowError: the target cannot hold a row; names it.
        StoreError: one side failed; the copy can be gone on with.
    """
    for table in common_tables(source, target):
        copied, told = 0, 0
        for rows in source.batches(table, target.progress(table)):
            target.append(table, rows)
            failpoints.hit("move.batch")
            copied += len(rows)
            if copied - told >= _TELL_EVERY:
                told = copied
                tell(f"{table.name}: {copied:,} rows")
        if copied:
            tell(f"{table.name}: {copied:,} rows copied")
    target.set_last_ids(source.last_ids())
    failpoints.hit("move.copied")


def compare(source: RowSource, target: RowSource, tell: ReportProgress) -> dict[str, TableSum]:
    """Read both sides to their end and return what each table holds.

    Raises:
        StoreBrokenError: they differ; names the tables.
    """
    sums: dict[str, TableSum] = {}
    different = []
    for table in common_tables(source, target):
        here, there = sum_of(source, table), sum_of(target, table)
        sums[table.name] = here
        if here != there:
            different.append(f"{table.name}: {here.rows} rows, copy {there.rows}")
    ids, copied = source.last_ids(), target.last_ids()
    different += [f"last id of {name}: {ids[name]}, copy {copied[name]}" for name in ids if copied[name] < ids[name]]
    if different:
        raise StoreBrokenError(
            f"the copy does not hold what the store holds: {', '.join(different)}\nat {target.shown}",
            hint="Something wrote to one of them meanwhile, or a disk fails. Empty the copy and begin again.",
        )
    tell(f"compared: {sum(each.rows for each in sums.values()):,} rows in {len(sums)} tables are the same")
    return sums


def sum_of(place: RowSource, table: Table) -> TableSum:
    """Read a whole table."""
    digest, rows = hashlib.sha256(), 0
    for part in place.batches(table, None):
        rows += len(part)
        for row in part:
            digest.update(_pack(row))
    return TableSum(rows, digest.hexdigest())
