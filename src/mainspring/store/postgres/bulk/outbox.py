"""The outbox in bulk: messages of outcomes, in the order of the outcomes."""

from collections.abc import Sequence

from mainspring.store.commands.journal import SaveOutcome
from mainspring.store.commands.runs import CompleteRun
from mainspring.store.postgres.arrays import columns
from mainspring.store.postgres.transaction import PostgresTransaction
from mainspring.store.write.outbox import row_of


def post_all(tx: PostgresTransaction, saved: Sequence[SaveOutcome | CompleteRun]) -> None:
    """Insert the messages of these outcomes."""
    rows = [row_of(tx, c.run, c.ident, message) for c in saved for message in c.posts]
    if rows:
        tx.later("insert_messages", columns("ttttbnbttn", rows))
        tx.triggers = True
