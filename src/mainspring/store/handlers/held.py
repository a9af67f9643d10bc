"""A restored store is held: runs may be staged and decided upon, but nothing is claimed before it is released."""

from mainspring.store.held import HELD
from mainspring.store.transaction import Transaction


def is_held(tx: Transaction) -> bool:
    """Tell whether the store is held (asked once a group)."""
    held = tx.cache.get(HELD)
    if held is None:
        held = tx.one("read_meta", (HELD,)) is not None
        tx.cache[HELD] = held
    return bool(held)
