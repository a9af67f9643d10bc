"""Reads of recent changes: code, configuration, versions, and operations of people."""

import msgspec

from mainspring.domain.incidents.recent_changes import Deployment, RecentChanges, RecordedOperation
from mainspring.domain.runs.run_conditions import ConditionChange, ConditionKind
from mainspring.store.base import StoreReader
from mainspring.store.schema.row import first_value

_values = msgspec.json.Decoder(dict[str, str]).decode
_MOST_OPERATIONS = 1_000
"""How many of the newest operations are searched."""


def oldest_run(reader: StoreReader, automation: str) -> int | None:
    """Return when the oldest stored run of an automation was started (ms UTC)."""
    return first_value(reader.read("find_oldest_run", (automation,)), int)


def changes_since(reader: StoreReader, since_at: int) -> RecentChanges:
    """Return the changes since an instant (ms UTC), oldest first."""
    with reader.snapshot() as read:
        return RecentChanges(
            tuple(Deployment(number, at) for number, at in read("list_deployments_since", (since_at,))),
            tuple(
                RecordedOperation(at, by, verb, subject)
                for at, by, verb, subject in read("list_operations_since", (since_at, _MOST_OPERATIONS))
            ),
            tuple(
                ConditionChange(at, ConditionKind(kind), subject, _values(old_values), _values(new_values))
                for at, kind, subject, old_values, new_values in read("list_condition_changes_since", (since_at,))
            ),
        )
