"""Bulk operations: one commit leases a batch, another records its results; the operations between them have command ids
of their own.

If a process dies in between, its batch is leased again after the lease; the operations get their first answers.
"""

import json
from typing import Final

import msgspec

from mainspring.domain.clock import MAX_CLOCK_LEAD_MS
from mainspring.domain.runs.bulk_operation import BulkVerb
from mainspring.domain.states import BULK_MOVES, BulkMove, BulkState
from mainspring.store.commands.bulk_operations import (
    BeginBulkOperation,
    BulkBatch,
    ChangeBulkOperation,
    LeaseBulkBatch,
    RecordBulkBatch,
)
from mainspring.store.commands.results import DONE, CommandDone, Refused
from mainspring.store.transaction import Transaction
from mainspring.store.write.held_store import is_store_on_hold

_NOTHING = BulkBatch()
_MOVES: Final = {
    BulkMove.PAUSE: "pause_bulk_operation",
    BulkMove.RESUME: "resume_bulk_operation",
    BulkMove.STOP: "stop_bulk_operation",
    BulkMove.END: "end_bulk_operation",
}


def begin_bulk_operation(tx: Transaction, command: BeginBulkOperation) -> CommandDone:
    """Record the operation with its parts."""
    c = command
    row = {
        "id": c.id,
        "verb": c.verb.value,
        "selection": c.selection,
        "automations": msgspec.json.encode(c.automations).decode(),
        "rate": c.rate,
        "piece": c.piece,
        "every_ms": c.every_ms,
        "actor": c.actor,
        "reason": c.reason,
        "total": len(c.parts),
        "now": tx.now,
        "due_at": tx.now,
    }
    if tx.change("insert_bulk_operation", row):
        tx.change("insert_bulk_runs", (c.id, json.dumps(c.parts)))
        if not c.parts:
            tx.change("end_bulk_operation", (tx.now, c.id))
    return DONE


def lease_bulk_batch(tx: Transaction, command: LeaseBulkBatch) -> BulkBatch:
    """Lease a batch; none while a restored store is on hold: people decide first about its runs."""
    if is_store_on_hold(tx):
        return _NOTHING
    tx.hold("bulk")
    c = command
    found = tx.first("find_leased_bulk_operation", (c.lease,)) if tx.again else None
    if found is None:
        found = tx.first("list_due_bulk_operations", (tx.now, tx.now + MAX_CLOCK_LEAD_MS))
        if found is None:
            return _NOTHING
        bulk, *_ = found
        tx.change("lease_bulk_operation", (c.lease, tx.now + c.lease_ms, tx.now, bulk))
    bulk, verb, actor, reason, reached, size = found
    parts = tuple(tx.values("list_pending_bulk_runs", (bulk, reached, size), str))
    return BulkBatch(bulk, BulkVerb(verb), actor, reason, reached, parts, tx.now)


def record_bulk_batch(tx: Transaction, command: RecordBulkBatch) -> CommandDone:
    """Count a batch, unless it was counted before; the last one ends the operation. A stopped operation stays stopped."""
    c = command
    tx.hold("bulk")
    progress = tx.first("read_bulk_progress", (c.bulk,))
    if progress is None:
        return DONE
    state, reached, total, done, refused, every_ms, due_at = progress
    if reached != c.reached:
        return DONE
    for part, reason in c.refused.items():
        tx.change("refuse_bulk_run", (reason, c.bulk, part))
    next_at = max(min(due_at, tx.now), tx.now - every_ms) + every_ms
    tx.change("record_bulk_progress", (c.to, c.done, len(c.refused), next_at, tx.now, c.bulk))
    is_complete = done + refused + c.done + len(c.refused) >= total
    if is_complete and _is_legal(state, BulkMove.END):
        tx.change("end_bulk_operation", (tx.now, c.bulk))
    return DONE


def change_bulk_operation(tx: Transaction, command: ChangeBulkOperation) -> CommandDone | Refused:
    """Pause, resume or stop a bulk operation. The leased batch is completed."""
    c = command
    tx.hold("bulk")
    state = tx.value("read_bulk_progress", (c.bulk,), str)
    if state is None:
        return Refused("not_found", f"there is no bulk operation {c.bulk}")
    if not _is_legal(state, c.move):
        return Refused("wrong_state", f"bulk operation {c.bulk} is {state}")
    tx.change(_MOVES[c.move], (tx.now, c.bulk))
    return DONE


def _is_legal(state: str, move: BulkMove) -> bool:
    return BulkState(state) in BULK_MOVES[move][0]
