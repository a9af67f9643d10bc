"""Partition keys: one run at a time, in order, from when it may start until it ends; children share the hold of the run
above them.
"""

import json
from collections.abc import Iterable
from typing import Any

from mainspring.store.transaction import Transaction


def hold_partition(tx: Transaction, queue: str, partition: str, run: str, parent: str | None) -> bool:
    """Hold the key for `run`, or find that it or an ancestor holds it. False = another run holds it."""
    tx.hold("partition", queue, partition)
    if tx.change("insert_partition_hold", (queue, partition, run, tx.now)):
        return True
    row = tx.first("read_partition_holder", (queue, partition))
    holder = row[0] if row else None
    return holder == run or (parent is not None and tx.first("is_ancestor", (parent, holder)) is not None)


def make_runs_ready(tx: Transaction, rows: Iterable[tuple[Any, ...]]) -> None:
    """Make due runs ready, or block them by the key that another run holds."""
    due: list[int] = []
    for seq, run, queue, partition, parent, fresh in rows:
        if partition is not None and fresh and not hold_partition(tx, queue, partition, run, parent):
            tx.change("block_run", (seq,))
        else:
            due.append(seq)
    if due:
        tx.change("make_runs_ready", (json.dumps(due),))
        tx.ready = True


def make_first_runs_ready(tx: Transaction) -> int:
    """Make the first due runs of partitions ready; return how many there were.

    Their keys are locked before their rows: a process that starts a run at the same time uses this order too.
    """
    lines = tx.all("list_due_partitions", (tx.now,))
    tx.hold_all("partition", lines)
    found = 0
    for queue, partition in lines:
        rows = tx.all("list_due_runs_of_partition", (queue, partition, tx.now))
        make_runs_ready(tx, rows)
        found += len(rows)
    return found


def enter_partition(tx: Transaction, queue: str, partition: str, run: str, parent: str | None) -> bool:
    """Hold the key for a run that starts now, behind earlier due runs that no claim has checked yet."""
    tx.hold("partition", queue, partition)
    make_runs_ready(tx, tx.all("list_due_runs_of_partition", (queue, partition, tx.now)))
    return hold_partition(tx, queue, partition, run, parent)


def release_partitions(tx: Transaction, run: str) -> None:
    """Release the keys of `run` and pass each one on to the next run in order."""
    tx.hold_all(
        "partition", tx.all("list_partition_holds_of", (run,))
    )  # first: the holder of the lock may be waiting for this row
    for queue, partition in tx.all("delete_partition_holds", (run,)):
        unblock_next_run(tx, queue, partition)


def unblock_next_run(tx: Transaction, queue: str, partition: str) -> None:
    """Give a free key to the first run that it blocks; runs below one holder become free together."""
    tx.hold("partition", queue, partition)
    row = tx.first("find_next_blocked_run", (queue, partition))
    while row is not None:
        tx.hold("run", row[0])
        locked_row, row = row, tx.first("find_next_blocked_run", (queue, partition))
        if locked_row != row:
            continue  # it was cancelled before we locked it
        if hold_partition(tx, queue, partition, row[0], row[1]):
            tx.change("unblock_run", (row[0],))
            tx.ready = True
        return
