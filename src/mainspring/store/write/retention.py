"""Retention: delete old rows in bounded batches; group the statistics of minutes by hour.

What an unfinished run can still read stays: children of an unfinished run, run keys that lead to one, events until
their own keep_until. The audit log, the slots of schedules and the pauses that explain them are never deleted.
"""

import json

from mainspring.domain.access.permissions import IDLE_TIMEOUT_MS
from mainspring.domain.effects.target_limits import LATE_LIMIT_MS
from mainspring.domain.states import RunState
from mainspring.store.commands.automations import ApplyRetention
from mainspring.store.commands.results import NumberAnswer
from mainspring.store.transaction import Transaction

_HOUR_MS = 3_600_000
GROUP_AFTER_MS = 48 * _HOUR_MS
"""Older statistics are grouped by hour."""

KEYS_COUNT_FOR_MS = 7 * 24 * _HOUR_MS
"""How long a key of a delivery counts at least, whatever the retention of events."""

WRITERS_STORED_MS = 7 * 24 * _HOUR_MS
"""How long a commit mark of a process is compared with the store's record of its commits."""

TARGETS_STORED_MS = 24 * _HOUR_MS
"""How long a target that gets no requests is listed. A rate with a longer span forgets its requests."""

FLAG_USES_STORED_MS = 60 * 24 * _HOUR_MS
"""How long questions about flags are on record. A flag without one for 30 days is reported."""

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
    "prune_effect_calls",
    "prune_flag_answers",
    "prune_measurements",
    "prune_run_forks",
    "prune_started_runs",
    "prune_run_retries",
    "prune_run_tags",
    "prune_run_updates",
    "prune_run_queries",
    "prune_logs",
    "prune_stream_chunks",
    "prune_stream_writers",
    "prune_rollout_runs",
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
    """Delete what is older than its retention."""
    limits = (
        (RunState.SUCCEEDED, command.succeeded_before),
        (RunState.FAILED, command.failed_before),
        (RunState.CANCELLED, command.cancelled_before),
    )
    run_ids: list[str] = []
    for state, before in limits:
        if before is not None and len(run_ids) < command.limit:
            run_ids += tx.values("lock_prunable_runs", (state.value, before, command.limit - len(run_ids)), str)
    if run_ids:
        ids = json.dumps(run_ids)
        for query in _OF_RUNS:
            tx.change(query, (ids,))
    tx.change("prune_run_keys", (tx.now,))
    tx.change("prune_start_requests", (tx.now,))
    tx.change("prune_start_throttles", (tx.now,))
    tx.change("prune_debounced_runs")
    tx.change("prune_effects", (tx.now, command.limit))
    tx.change("prune_targets", (tx.now - TARGETS_STORED_MS,))
    tx.change("prune_turns", (tx.now - LATE_LIMIT_MS,))
    tx.change("prune_flag_uses", (tx.now - FLAG_USES_STORED_MS,))
    _prune_access(tx)
    if command.failed_before is not None:
        _prune_bulk(tx, command.failed_before)
    if command.events_before is not None:
        _prune_events(tx, command.events_before, command.limit)
        _prune_deliveries(tx, command.events_before, command.limit)
    if command.rollups_before is not None:
        _prune_rollups(tx, command.rollups_before)
        tx.change("prune_secret_uses", (command.rollups_before,))
        for query in _OF_INCIDENTS:
            tx.change(query, (command.rollups_before,))
        tx.change("prune_channel_refs")
    tx.change("prune_outbox_leases", (tx.now,))
    _group_rollups(tx)
    if tx.change("rejoin_concurrency_lines"):  # a limit may have been raised since the last change of its key
        tx.ready = True
    return NumberAnswer(len(run_ids))


def _prune_access(tx: Transaction) -> None:
    """Delete expired sessions, tokens and links; the audit log keeps their owners."""
    tx.change("prune_web_sessions", (tx.now, tx.now - IDLE_TIMEOUT_MS))
    tx.change("prune_api_tokens", (tx.now,))
    tx.change("prune_start_links", (tx.now,))


def _prune_rollups(tx: Transaction, before: int) -> None:
    """Sum all old rows into one row at minute 0: totals stay the same, so that counters made of them never decrease."""
    for query in ("total_rollups", "prune_rollups", "total_rollup_details", "prune_rollup_details"):
        tx.change(query, (before,))


def _prune_events(tx: Transaction, before: int, limit: int) -> None:
    seqs = json.dumps(tx.values("list_prunable_events", (tx.now, before, limit), int))
    tx.change("prune_facts_of_events", (seqs,))
    tx.change("prune_event_matches", (seqs,))
    tx.change("prune_events", (seqs,))


def _prune_bulk(tx: Transaction, before: int) -> None:
    """Delete the bulk operation that ended first, with its runs: several at once could have so many runs that every
    commit is delayed.
    """
    found = tx.first("find_prunable_bulk_operation", (before,))
    if found is not None:
        for query in ("prune_bulk_runs", "prune_bulk_operation"):
            tx.change(query, found)


def _prune_deliveries(tx: Transaction, before: int, limit: int) -> None:
    """Delete old deliveries, so that their keys no longer count; undecided ones stay."""
    before = min(before, tx.now - KEYS_COUNT_FOR_MS)
    seqs = json.dumps(tx.values("list_prunable_deliveries", (before, limit), int))
    tx.change("prune_deliveries", (seqs,))
    tx.change("drop_abandoned_joined_deliveries", ("the other runs did not end in time", tx.now, before))
    for query in ("prune_joined_runs", "prune_gatherings"):
        tx.change(query, (before,))
    tx.change("prune_flow_control", (tx.now,))


def _group_rollups(tx: Transaction) -> None:
    """Group the rows of all sessions and minutes by hour (a sum that starts at a full hour stays the same), then delete
    old sessions.
    """
    before = tx.now - GROUP_AFTER_MS
    before -= before % _HOUR_MS
    for query in (
        "group_rollups_by_hour",
        "delete_grouped_rollups",
        "group_rollup_details_by_hour",
        "delete_grouped_rollup_details",
    ):
        tx.change(query, (before,))
    tx.change("prune_sessions", (before,))
    tx.change("prune_commits", (tx.now - WRITERS_STORED_MS,))
