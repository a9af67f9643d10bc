"""Starts in bulk: runs without a parent, key or partition, of automations and queues that cannot refuse them."""

import json
from collections import Counter
from collections.abc import Sequence

from mainspring.domain.states import RunMove, target_state
from mainspring.store.commands.results import StartAnswer
from mainspring.store.commands.runs import StartRun
from mainspring.store.postgres.arrays import columns
from mainspring.store.postgres.bulk.batch_rule import BatchRule
from mainspring.store.postgres.transaction import PostgresTransaction
from mainspring.store.schema.runs.runs import NEW_RUN
from mainspring.store.write import queues
from mainspring.store.write.runs.start import is_version_open, read_start_rules, row_of


def is_plain(tx: PostgresTransaction, c: StartRun) -> bool:
    """Tell whether a start only inserts its own row, and cannot be refused."""
    if (
        c.tags is not None
        or c.here
        or c.awaited
        or c.parent is not None
        or c.starter is not None
        or c.run_key is not None
        or c.request is not None
        or c.retry is not None
        or c.limits is not None
        or c.cancels_other_runs
        or c.partition is not None
    ):
        return False
    rules = read_start_rules(tx, c.automation)
    return not rules.is_retired and not is_version_open(rules, c) and queues.has_backlog_capacity(tx, c.queue)


def stage(tx: PostgresTransaction, commands: Sequence[StartRun]) -> set[str]:
    """Create plain runs in their order; return the ids of the new ones."""
    state = target_state(RunMove.STAGE)
    rows: list[tuple[object, ...]] = []
    in_line: dict[tuple[str, str | None], str] = {}
    """One run of each key: the trigger reads the whole line."""
    for c in commands:
        is_due = c.due_at is None or c.due_at <= tx.now
        is_in_line = is_due and c.concurrency_key is not None
        if is_in_line:
            in_line[c.automation, c.concurrency_key] = c.id
        blocked = "concurrency" if is_in_line else None
        rows.append(NEW_RUN.values(row_of(tx, c, state, ready=is_due and not is_in_line, blocked=blocked)))
    new_ids = set(tx.values("insert_runs", columns(NEW_RUN.kinds, rows), str))
    if in_line:
        tx.change("join_concurrency_line", (json.dumps(list(in_line.values())),))
    for queue, count in Counter(c.queue for c in commands if c.id in new_ids).items():
        queues.insert_queue(tx, queue)
        tx.change_backlog(queue, count)
    tx.ready |= bool(new_ids)
    return new_ids


def _find_plain(tx: PostgresTransaction, commands: Sequence[StartRun]) -> list[bool]:
    return [is_plain(tx, c) for c in commands]


def _start(tx: PostgresTransaction, commands: list[StartRun]) -> list[StartAnswer | None]:
    """Create runs in their order."""
    new_ids = stage(tx, commands)
    state = target_state(RunMove.STAGE)
    return [StartAnswer(c.id, created=True, state=state) if c.id in new_ids else None for c in commands]


def _id_of(c: StartRun) -> str:
    return c.id


STARTS = BatchRule(StartRun.batched_by(_start), key=_id_of, run=_id_of, plain=_find_plain)
