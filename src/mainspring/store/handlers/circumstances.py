"""What processes run under: a row for each time that it was another than before."""

import msgspec

from mainspring.domain.circumstance import Circumstance
from mainspring.store.commands.automations import NoteCircumstances
from mainspring.store.commands.results import Numbered
from mainspring.store.transaction import Transaction


def note_circumstances(tx: Transaction, command: NoteCircumstances) -> Numbered:
    """Keep what differs from what is on record; what is seen for the first time is no change."""
    tx.hold("circumstances")
    changes = 0
    for found in command.found:
        row = tx.one("last_circumstance", (found.kind.value, found.subject))
        was = None if row is None else msgspec.json.decode(row[0], type=dict[str, str])
        if was != found.values:
            insert_circumstance(tx, found, was)
            changes += was is not None
    return Numbered(changes)


def insert_circumstance(tx: Transaction, found: Circumstance, was: dict[str, str] | None) -> None:
    """Keep a circumstance, and what it was before (None = it was not known)."""
    before = None if was is None else _written(was)
    tx.change("insert_circumstance", (found.kind.value, found.subject, tx.now, before, _written(found.values)))


def _written(values: dict[str, str]) -> str:
    return msgspec.json.encode(values, order="deterministic").decode()
