"""The index of the tags of runs, kept in the commit that saves the tags."""

import msgspec

from mainspring.domain.runs.run_tags import read_stored_tags
from mainspring.domain.values.sealing import split_sealed
from mainspring.store.transaction import Transaction


def add_tags(tx: Transaction, run: str, data: bytes) -> bytes:
    """Return the tags of a run with these added; sealed ones replace what is there, because they cannot be read here."""
    stored = tx.value("read_run_tags", (run,), bytes)
    if stored is None or split_sealed(stored) is not None or split_sealed(data) is not None:
        return data
    return msgspec.json.encode(msgspec.json.decode(stored) | msgspec.json.decode(data))


def index_tags(tx: Transaction, run: str, data: bytes | None) -> None:
    """Replace the tags of a run in the index."""
    tx.change("delete_run_tags", (run,))
    for name, value in dict.fromkeys(read_stored_tags(data)):
        tx.change("insert_run_tag", (name, value, run))
