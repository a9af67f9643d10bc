"""A restored store is held: runs may be staged and decided upon, but nothing is claimed before it is released.

What was set aside of the lost interval stays so until it is started or dismissed.
"""

from mainspring.domain.integrity.lost_interval import LOST_INTERVAL_NOTE, may_be_lost
from mainspring.domain.time.slot_verdict import SlotVerdict
from mainspring.store.commands.automations import DismissSlot
from mainspring.store.commands.results import DONE, CommandDone, Refused
from mainspring.store.commands.triggers import DismissDelivery
from mainspring.store.restore_hold import HOLD_KEY, RESTORED_AT
from mainspring.store.transaction import Transaction


def is_store_on_hold(tx: Transaction) -> bool:
    """Tell whether the store is held (asked once a group)."""
    held = tx.cache.get(HOLD_KEY)
    if held is None:
        held = tx.one("read_meta", (HOLD_KEY,)) is not None
        tx.cache[HOLD_KEY] = held
    return bool(held)


def is_in_lost_interval(tx: Transaction, happened_at: int | None) -> bool:
    """Tell whether a file or message may have been taken in by the store that a backup replaced (asked once a group when that was)."""
    restored = tx.cache.get(RESTORED_AT)
    if restored is None:
        row = tx.one("read_meta", (RESTORED_AT,))
        restored = tx.cache[RESTORED_AT] = 0 if row is None else int(row[0])
    return bool(restored) and may_be_lost(happened_at, restored_at=restored, is_held=is_store_on_hold(tx))


def dismiss_slot(tx: Transaction, command: DismissSlot) -> CommandDone | Refused:
    """Let a due time that was set aside have no run."""
    c = command
    tx.hold("schedule", c.schedule)
    dismissed = (SlotVerdict.MISSED.value, c.note, tx.now, c.schedule, c.slot_at, SlotVerdict.LOST.value)
    if tx.change("dismiss_slot", dismissed):
        return DONE
    known = tx.one("find_slot", (c.schedule, c.slot_at))
    if tx.again and known is not None and known[0] == SlotVerdict.MISSED:
        return DONE
    return Refused("not_found", f"this due time of {c.schedule!r} needs no decision")


def dismiss_delivery(tx: Transaction, command: DismissDelivery) -> CommandDone | Refused:
    """Let a delivery that was set aside start nothing."""
    if tx.change("dismiss_delivery", (command.note, tx.now, command.delivery, LOST_INTERVAL_NOTE)) or tx.again:
        return DONE
    return Refused("not_found", f"delivery {command.delivery} needs no decision")
