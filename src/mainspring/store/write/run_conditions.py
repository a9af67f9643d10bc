"""Run conditions of processes; a row for each change of a condition."""

import msgspec

from mainspring.domain.runs.run_conditions import ConditionSnapshot
from mainspring.store.commands.automations import RecordRunConditions
from mainspring.store.commands.results import NumberAnswer
from mainspring.store.transaction import Transaction


def record_run_conditions(tx: Transaction, command: RecordRunConditions) -> NumberAnswer:
    """Record conditions that differ from the record.

    A new host (each container is one) is compared with the last recorded one; the very first is no change.
    """
    tx.hold("run_conditions")
    changes = 0
    for snapshot in command.found:
        known = tx.value("find_last_run_condition", (snapshot.kind.value, snapshot.subject), str)
        stored = known or tx.value("find_last_run_condition_of_hosts", (snapshot.kind.value,), str)
        old_values = None if stored is None else msgspec.json.decode(stored, type=dict[str, str])
        is_change = old_values is not None and old_values != snapshot.values
        if known is None or is_change:
            insert_run_condition(tx, snapshot, old_values if is_change else None)
        changes += is_change
    return NumberAnswer(changes)


def insert_run_condition(tx: Transaction, snapshot: ConditionSnapshot, old_values: dict[str, str] | None) -> None:
    """Insert a condition and its earlier values (None = unknown)."""
    before = None if old_values is None else _written(old_values)
    tx.change(
        "insert_run_condition", (snapshot.kind.value, snapshot.subject, tx.now, before, _written(snapshot.values))
    )


def _written(values: dict[str, str]) -> str:
    return msgspec.json.encode(values, order="deterministic").decode()
