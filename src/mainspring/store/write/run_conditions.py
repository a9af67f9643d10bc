"""Run conditions: what processes run under; a row for each time that a condition changed."""

import msgspec

from mainspring.domain.runs.run_conditions import ConditionSnapshot
from mainspring.store.commands.automations import RecordRunConditions
from mainspring.store.commands.results import NumberAnswer
from mainspring.store.transaction import Transaction


def record_run_conditions(tx: Transaction, command: RecordRunConditions) -> NumberAnswer:
    """Keep what differs from what is on record.

    A host that is seen for the first time (each container is one) is compared with the one noted last; the first of all is no change.
    """
    tx.hold("run_conditions")
    changes = 0
    for found in command.found:
        known = tx.one("find_last_run_condition", (found.kind.value, found.subject))
        row = known or tx.one("find_last_run_condition_of_hosts", (found.kind.value,))
        was = None if row is None else msgspec.json.decode(row[0], type=dict[str, str])
        is_change = was is not None and was != found.values
        if known is None or is_change:
            insert_run_condition(tx, found, was if is_change else None)
        changes += is_change
    return NumberAnswer(changes)


def insert_run_condition(tx: Transaction, found: ConditionSnapshot, was: dict[str, str] | None) -> None:
    """Keep a circumstance, and what it was before (None = it was not known)."""
    before = None if was is None else _written(was)
    tx.change("insert_run_condition", (found.kind.value, found.subject, tx.now, before, _written(found.values)))


def _written(values: dict[str, str]) -> str:
    return msgspec.json.encode(values, order="deterministic").decode()
