"""Partition keys: one run at a time, in order, from when it may start until it ends; children share the hold of the run
above them.
"""

import json
from collections.abc import Iterable
from typing import Final

from mainspring.store.schema.runs.runs import BLOCKED_RUN, DUE_RUN, BlockedRun, DueRun
from mainspring.store.transaction import Params, Transaction

NEXT_DUE: Final[tuple[str, Params]] = "find_next_due_time", ()


def hold_partition(tx: Transaction, queue: str, partition: str, run: str, parent: str | None) -> bool:
    """Hold the key for `run`, or find that it or an ancestor holds it. False = another run holds it."""
    tx.hold("partition", queue, partition)
    if tx.change("insert_partition_hold", (queue, partition, run, tx.now)):
        return True
    holder = tx.value("read_partition_holder", (queue, partition), str)
    return holder == run or (parent is not None and tx.first("is_ancestor", (parent, holder)) is not None)


def make_runs_ready(tx: Transaction, runs: Iterable[DueRun]) -> None:
    """Make due runs ready, or block them by the key that another run holds."""
    due: list[int] = []
    for run in runs:
        partition = run.partition if run.fresh else None
        if partition is not None and not hold_partition(tx, run.queue, partition, run.id, run.parent):
            tx.change("block_run", (run.seq,))
        else:
            due.append(run.seq)
    if due:
        tx.change("make_runs_ready", (json.dumps(due),))
        tx.ready = True


def has_due_runs(tx: Transaction) -> bool:
    """Tell whether a run is due that is not ready yet."""
    due_at = tx.value(*NEXT_DUE, int)
    return due_at is not None and due_at <= tx.now


def make_first_runs_ready(tx: Transaction) -> int:
    """Make the first due runs of partitions ready; return how many there were.

    Their keys are locked before their rows: a process that starts a run at the same time uses this order too.
    """
    lines = tx.all("list_due_partitions", (tx.now,))
    tx.hold_all("partition", lines)
    found = 0
    for queue, partition in lines:
        runs = DUE_RUN.read_all(tx.all("list_due_runs_of_partition", (queue, partition, tx.now)))
        make_runs_ready(tx, runs)
        found += len(runs)
    return found


def enter_partition(tx: Transaction, queue: str, partition: str, run: str, parent: str | None) -> bool:
    """Hold the key for a run that starts now, behind earlier due runs that no claim has checked yet."""
    tx.hold("partition", queue, partition)
    make_runs_ready(tx, DUE_RUN.read_all(tx.all("list_due_runs_of_partition", (queue, partition, tx.now))))
    return hold_partition(tx, queue, partition, run, parent)


def release_partitions(tx: Transaction, run: str) -> None:
    """Release the keys of `run` and pass each one on to the next run in order."""
    tx.hold_all(
        "partition", tx.all("list_partition_holds_of", (run,))
    )  # first: the holder of the lock may be waiting for this row
    for queue, partition in tx.all("delete_partition_holds", (run,)):
        unblock_next_run(tx, queue, partition)


def _find_next_blocked(tx: Transaction, queue: str, partition: str) -> BlockedRun | None:
    return BLOCKED_RUN.read_first(tx.all("find_next_blocked_run", (queue, partition)))


def unblock_next_run(tx: Transaction, queue: str, partition: str) -> None:
    """Give a free key to the first run that it blocks; runs below one holder become free together."""
    tx.hold("partition", queue, partition)
    blocked = _find_next_blocked(tx, queue, partition)
    while blocked is not None:
        tx.hold("run", blocked.id)
        locked, blocked = blocked, _find_next_blocked(tx, queue, partition)
        if blocked is None or locked != blocked:
            continue  # it was cancelled before we locked it
        if hold_partition(tx, queue, partition, blocked.id, blocked.parent):
            tx.change("unblock_run", (blocked.id,))
            tx.ready = True
        return
