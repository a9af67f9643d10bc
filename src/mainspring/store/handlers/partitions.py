"""Partition keys: one run at a time, in order, from when it may begin until it ends; children share the hold of the run above them."""

from mainspring.store.transaction import Transaction


def take_hold(tx: Transaction, queue: str, partition: str, run: str, parent: str | None) -> bool:
    """Take the key for `run`, or find that it or a run above it has it. False = another run holds it."""
    if tx.change("take_hold", (queue, partition, run, tx.now)):
        return True
    row = tx.one("read_hold", (queue, partition))
    holder = row[0] if row else None
    return holder == run or (parent is not None and tx.one("is_ancestor", (parent, holder)) is not None)


def free_holds(tx: Transaction, run: str) -> None:
    """Let go of what `run` holds and pass each key on to the next in order."""
    for queue, partition in tx.all("free_holds", (run,)):
        pass_on(tx, queue, partition)


def pass_on(tx: Transaction, queue: str, partition: str) -> None:
    """Give a free key to the first run that is blocked by it; runs below one holder become free together."""
    row = tx.one("read_next_blocked", (queue, partition))
    if row is None or not take_hold(tx, queue, partition, row[0], row[1]):
        return
    tx.change("unblock_run", (row[0],))
    tx.ready = True
