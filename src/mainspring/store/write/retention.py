"""Retention: what is older than its limit goes, a bounded piece at a time; figures of single minutes are folded into hours.

Whatever an unfinished run can still ask for stays: children of an unfinished run, run keys that lead to one, events until their own
keep_until. The audit log, the slots of schedules and the pauses that explain them stay for ever.
"""

import json

from mainspring.domain.access.permissions import IDLE_TIMEOUT_MS
from mainspring.domain.states import RunState
from mainspring.store.commands.automations import ApplyRetention
from mainspring.store.commands.results import NumberAnswer
from mainspring.store.transaction import Transaction

_HOUR_MS = 3_600_000
FOLD_AFTER_MS = 48 * _HOUR_MS
"""Figures older than this are kept by the hour."""

KEYS_COUNT_FOR_MS = 7 * 24 * _HOUR_MS
"""A key of what arrived counts once for so long at least, whatever the retention of events."""

WRITERS_KEPT_MS = 7 * 24 * _HOUR_MS
"""For so long a mark that a process left is compared with what the store knows of it."""

_OF_RUNS = (
    "prune_journal",
    "prune_attempts",
    "prune_checkpoints",
    "prune_step_renames",
    "prune_inbox",
    "prune_rejected_facts",
    "prune_waits",
    "prune_fact_receipts",
    "prune_event_cursors",
    "prune_worker_losses",
    "prune_failures",
    "prune_logs",
    "prune_runs",
)

_OF_INCIDENTS = (
    "prune_error_groups",
    "prune_incidents",
    "prune_incident_moves",
    "prune_alerts",
    "prune_run_conditions",
)


def apply_retention(tx: Transaction, command: ApplyRetention) -> NumberAnswer:
    """Delete what has outlived its retention."""
    limits = (
        (RunState.SUCCEEDED, command.succeeded_before),
        (RunState.FAILED, command.failed_before),
        (RunState.CANCELLED, command.cancelled_before),
    )
    gone: list[str] = []
    for state, before in limits:
        if before is not None and len(gone) < command.limit:
            gone += [row[0] for row in tx.all("lock_prunable_runs", (state.value, before, command.limit - len(gone)))]
    if gone:
        ids = json.dumps(gone)
        for query in _OF_RUNS:
            tx.change(query, (ids,))
    tx.change("prune_run_keys", (tx.now,))
    _prune_ways_in(tx)
    if command.failed_before is not None:
        _prune_bulk(tx, command.failed_before)
    if command.events_before is not None:
        _prune_events(tx, command.events_before, command.limit)
        _prune_deliveries(tx, command.events_before, command.limit)
    if command.rollups_before is not None:
        _prune_rollups(tx, command.rollups_before)
        for query in _OF_INCIDENTS:
            tx.change(query, (command.rollups_before,))
        tx.change("prune_channel_refs")
    tx.change("prune_outbox_leases", (tx.now,))
    _fold(tx)
    return NumberAnswer(len(gone))


def _prune_ways_in(tx: Transaction) -> None:
    """Forget sessions, tokens and links that open nothing any more; the audit log keeps who had them."""
    tx.change("prune_web_sessions", (tx.now, tx.now - IDLE_TIMEOUT_MS))
    tx.change("prune_api_tokens", (tx.now,))
    tx.change("prune_start_links", (tx.now,))


def _prune_rollups(tx: Transaction, before: int) -> None:
    """Make one row of all that is too old, at minute 0: what was ever counted stays the same, so that counters made of it never go down."""
    for query in ("total_rollups", "prune_rollups", "total_rollup_details", "prune_rollup_details"):
        tx.change(query, (before,))


def _prune_events(tx: Transaction, before: int, limit: int) -> None:
    seqs = json.dumps([row[0] for row in tx.all("list_prunable_events", (tx.now, before, limit))])
    tx.change("prune_facts_of_events", (seqs,))
    tx.change("prune_event_matches", (seqs,))
    tx.change("prune_events", (seqs,))


def _prune_bulk(tx: Transaction, before: int) -> None:
    """Forget the bulk act that ended first, with its runs: they may be so many that several at once would hold up every commit."""
    found = tx.one("find_prunable_bulk_operation", (before,))
    if found is not None:
        for query in ("prune_bulk_runs", "prune_bulk_operation"):
            tx.change(query, found)


def _prune_deliveries(tx: Transaction, before: int, limit: int) -> None:
    """Forget what arrived, and with it that its key counted; what is undecided stays."""
    before = min(before, tx.now - KEYS_COUNT_FOR_MS)
    seqs = json.dumps([row[0] for row in tx.all("list_prunable_deliveries", (before, limit))])
    tx.change("prune_deliveries", (seqs,))
    tx.change("drop_abandoned_joined_deliveries", ("the others did not come", tx.now, before))
    for query in ("prune_joined_runs", "prune_gatherings"):
        tx.change(query, (before,))
    tx.change("prune_flow_control", (tx.now,))


def _fold(tx: Transaction) -> None:
    """Make one row an hour of the rows of all sessions and minutes (a sum from a full hour on stays the same), then forget old sessions."""
    before = tx.now - FOLD_AFTER_MS
    before -= before % _HOUR_MS
    for query in (
        "group_rollups_by_hour",
        "delete_grouped_rollups",
        "group_rollup_details_by_hour",
        "delete_grouped_rollup_details",
    ):
        tx.change(query, (before,))
    tx.change("prune_sessions", (before,))
    tx.change("prune_commits", (tx.now - WRITERS_KEPT_MS,))
