"""Partition keys: one run at a time, in order, from when it may begin until it ends; children share the hold of the run above them."""

import json
from collections.abc import Iterable
from typing import Any

from mainspring.store.transaction import Transaction


def hold_partition(tx: Transaction, queue: str, partition: str, run: str, parent: str | None) -> bool:
    """Take the key for `run`, or find that it or a run above it has it. False = another run holds it."""
    tx.hold("partition", queue, partition)
    if tx.change("insert_partition_hold", (queue, partition, run, tx.now)):
        return True
    row = tx.one("read_partition_holder", (queue, partition))
    holder = row[0] if row else None
    return holder == run or (parent is not None and tx.one("is_ancestor", (parent, holder)) is not None)


def make_runs_ready(tx: Transaction, rows: Iterable[tuple[Any, ...]]) -> None:
    """Let runs whose time has come line up: ready, or blocked by the key that another one holds."""
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
    """Let the first runs whose time has come line up where they need a key; return how many there were.

    Their keys are held before their rows are: whoever starts a run beside them takes them in this order too.
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
    """Take the key for a run that begins now, behind those whose time came before and whom no claim has looked at yet."""
    tx.hold("partition", queue, partition)
    make_runs_ready(tx, tx.all("list_due_runs_of_partition", (queue, partition, tx.now)))
    return hold_partition(tx, queue, partition, run, parent)


def release_partitions(tx: Transaction, run: str) -> None:
    """Let go of what `run` holds and pass each key on to the next in order."""
    tx.hold_all(
        "partition", tx.all("list_partition_holds_of", (run,))
    )  # first: whoever has the key locked may be waiting for this row
    for queue, partition in tx.all("delete_partition_holds", (run,)):
        unblock_next_run(tx, queue, partition)


def unblock_next_run(tx: Transaction, queue: str, partition: str) -> None:
    """Give a free key to the first run that is blocked by it; runs below one holder become free together."""
    tx.hold("partition", queue, partition)
    row = tx.one("find_next_blocked_run", (queue, partition))
    while row is not None:
        tx.hold("run", row[0])
        held, row = row, tx.one("find_next_blocked_run", (queue, partition))
        if held != row:
            continue  # it was cancelled before we had it
        if hold_partition(tx, queue, partition, row[0], row[1]):
            tx.change("unblock_run", (row[0],))
            tx.ready = True
        return
