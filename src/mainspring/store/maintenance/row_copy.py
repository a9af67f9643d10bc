"""Row copy: copy all rows of a store, and compare both sides afterwards: by number of rows and by a hash over all of
them.

An interrupted copy continues where it stopped: each part of a table is one commit in the target, with the last key.
"""

import hashlib
from collections.abc import Callable

import msgspec

from mainspring.domain.errors import StoreError
from mainspring.store import failpoints
from mainspring.store.base import StoreBrokenError
from mainspring.store.maintenance.table_rows import LATE, RowSource, RowTarget, Table

ReportProgress = Callable[[str], object]
"""Gets progress in words."""

_REPORT_EVERY = 50_000
_pack = msgspec.msgpack.Encoder().encode


class TableSum(msgspec.Struct, frozen=True):
    """The sum of a table: the number of rows, and SHA-256 (hex) over all of them in the order of their keys."""

    rows: int
    sha256: str


def common_tables(source: RowSource, target: RowSource) -> list[Table]:
    """Return the tables of both sides.

    Raises:
        StoreError: one side has a table or column that the other lacks, which would be lost.
    """
    source_tables, target_tables = source.tables(), target.tables()
    if source_tables != target_tables:
        names = sorted(
            name
            for name in source_tables.keys() | target_tables.keys()
            if source_tables.get(name) != target_tables.get(name)
        )
        raise StoreError(
            f"the two databases do not have the same tables: {', '.join(names)}\nat {source.location}\nand {target.location}",
            hint="Bring both to the schema of this version: mainspring db migrate, with --store for the other one.",
        )
    return [source_tables[name] for name in sorted(source_tables, key=lambda name: (name in LATE, name))]


def copy(source: RowSource, target: RowTarget, report: ReportProgress) -> None:
    """Copy the rows that the target lacks.

    Raises:
        RowError: the target cannot store a row; names it.
        StoreError: one side failed; the copy can be continued.
    """
    for table in common_tables(source, target):
        copied, reported = 0, 0
        for rows in source.batches(table, target.progress(table)):
            target.append(table, rows)
            failpoints.hit("move.batch")
            copied += len(rows)
            if copied - reported >= _REPORT_EVERY:
                reported = copied
                report(f"{table.name}: {copied:,} rows")
        if copied:
            report(f"{table.name}: {copied:,} rows copied")
    target.set_last_ids(source.last_ids())
    failpoints.hit("move.copied")


def compare(source: RowSource, target: RowSource, report: ReportProgress) -> dict[str, TableSum]:
    """Read both sides completely and return the sum of each table.

    Raises:
        StoreBrokenError: they differ; names the tables.
    """
    sums: dict[str, TableSum] = {}
    different = []
    for table in common_tables(source, target):
        source_sum, target_sum = sum_of(source, table), sum_of(target, table)
        sums[table.name] = source_sum
        if source_sum != target_sum:
            different.append(f"{table.name}: {source_sum.rows} rows, copy {target_sum.rows}")
    source_ids, target_ids = source.last_ids(), target.last_ids()
    different += [
        f"last id of {name}: {source_ids[name]}, copy {target_ids[name]}"
        for name in source_ids
        if target_ids[name] < source_ids[name]
    ]
    if different:
        raise StoreBrokenError(
            f"the copy differs from the store: {', '.join(different)}\nat {target.location}",
            hint="Another program wrote to one of them, or a disk fails. Empty the copy and start again.",
        )
    report(f"compared: {sum(table_sum.rows for table_sum in sums.values()):,} rows in {len(sums)} tables are the same")
    return sums


def sum_of(source: RowSource, table: Table) -> TableSum:
    """Read a whole table."""
    digest, rows = hashlib.sha256(), 0
    for batch in source.batches(table, None):
        rows += len(batch)
        for row in batch:
            digest.update(_pack(row))
    return TableSum(rows, digest.hexdigest())
