"""Repeated counts: commands that count something are numbered within their session, so that one sent again counts once."""

from mainspring.store.transaction import Transaction


def was_counted(tx: Transaction, query: str, number: int) -> bool:
    """Whether an earlier try counted the command of this number, maybe in another hour.

    `query` = the statement for the last number of a session that is on record. Its commands are committed in their order.
    """
    if not tx.again or tx.session is None:
        return False
    if query not in tx.cache:  # before this group changes it
        tx.cache[query] = tx.value(query, (tx.session,), int) or 0
    last: int = tx.cache[query]
    return number <= last
