"""Which process begins to ask the filter of a delivery, so that one that ends its process is found out."""

import json

from mainspring.store.commands.results import DONE, Done
from mainspring.store.commands.triggers import NoteAsked
from mainspring.store.transaction import Transaction


def note_asked(tx: Transaction, command: NoteAsked) -> Done:
    """Keep who begins to ask these filters."""
    tx.change("record_filter_call", (tx.session or 0, json.dumps(command.deliveries)))
    return DONE
