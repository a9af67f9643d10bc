"""A restored store is held: runs may be staged and decided upon, but nothing is claimed before it is released."""

from mainspring.domain.lost_interval import may_be_lost
from mainspring.store.held import HELD, RESTORED_AT
from mainspring.store.transaction import Transaction


def is_held(tx: Transaction) -> bool:
    """Tell whether the store is held (asked once a group)."""
    held = tx.cache.get(HELD)
    if held is None:
        held = tx.one("read_meta", (HELD,)) is not None
        tx.cache[HELD] = held
    return bool(held)


def is_set_aside(tx: Transaction, happened_at: int | None) -> bool:
    """Tell whether a file or message may have been taken in by the store that a backup replaced (asked once a group when that was)."""
    restored = tx.cache.get(RESTORED_AT)
    if restored is None:
        row = tx.one("read_meta", (RESTORED_AT,))
        restored = tx.cache[RESTORED_AT] = 0 if row is None else int(row[0])
    return bool(restored) and may_be_lost(happened_at, restored_at=restored, is_held=is_held(tx))
