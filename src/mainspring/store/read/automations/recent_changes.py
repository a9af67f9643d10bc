"""Reads of recent changes: code, configuration, versions, and operations of people."""

import msgspec

from mainspring.domain.incidents.recent_changes import Deployment, RecentChanges, RecordedOperation
from mainspring.domain.runs.run_conditions import ConditionChange, ConditionKind
from mainspring.store.base import StoreReader

_values = msgspec.json.Decoder(dict[str, str]).decode
_ACTS = 1_000
"""So many of the newest acts are looked at."""


def oldest_run(reader: StoreReader, automation: str) -> int | None:
    """Return when the oldest run of an automation that is kept was started (ms UTC)."""
    rows = reader.read("find_oldest_run", (automation,))
    return rows[0][0] if rows else None


def changes_since(reader: StoreReader, since_at: int) -> RecentChanges:
    """Return what changed since an instant (ms UTC), oldest first."""
    with reader.snapshot() as read:
        return RecentChanges(
            tuple(Deployment(number, at) for number, at in read("list_deployments_since", (since_at,))),
            tuple(
                RecordedOperation(at, by, verb, subject)
                for at, by, verb, subject in read("list_operations_since", (since_at, _ACTS))
            ),
            tuple(
                ConditionChange(at, ConditionKind(kind), subject, _values(was), _values(now))
                for at, kind, subject, was, now in read("list_condition_changes_since", (since_at,))
            ),
        )
