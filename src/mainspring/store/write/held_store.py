"""A held store: after a restore, runs may be created and decided upon, but nothing is claimed before the release.

Skipped parts of the lost interval stay skipped until they are started or dismissed.
"""

from typing import Final

from mainspring.domain.integrity.lost_interval import LOST_INTERVAL_NOTE, may_be_lost
from mainspring.domain.time.slot_verdict import SlotVerdict
from mainspring.store.commands.automations import DismissSlot
from mainspring.store.commands.results import DONE, CommandDone, Refused
from mainspring.store.commands.triggers import DismissDelivery
from mainspring.store.restore_hold import HOLD_KEY, RESTORED_AT
from mainspring.store.transaction import Params, Transaction

READ_HOLD: Final[tuple[str, Params]] = "read_meta", (HOLD_KEY,)


def is_store_on_hold(tx: Transaction) -> bool:
    """Tell whether the store is on hold (read once per group)."""
    is_held = tx.cache.get(HOLD_KEY)
    if is_held is None:
        is_held = tx.first(*READ_HOLD) is not None
        tx.cache[HOLD_KEY] = is_held
    return bool(is_held)


def is_in_lost_interval(tx: Transaction, happened_at: int | None) -> bool:
    """Tell whether the store before a restore may have accepted a file or message (the restore's instant is read once
    per group).
    """
    restored_at = tx.cache.get(RESTORED_AT)
    if restored_at is None:
        restored_at = tx.cache[RESTORED_AT] = int(tx.value("read_meta", (RESTORED_AT,), str) or 0)
    return bool(restored_at) and may_be_lost(happened_at, restored_at=restored_at, is_held=is_store_on_hold(tx))


def dismiss_slot(tx: Transaction, command: DismissSlot) -> CommandDone | Refused:
    """Dismiss a skipped due time: it gets no run."""
    c = command
    tx.hold("schedule", c.schedule)
    dismissed = (SlotVerdict.MISSED.value, c.note, tx.now, c.schedule, c.slot_at, SlotVerdict.LOST.value)
    if tx.change("dismiss_slot", dismissed):
        return DONE
    if tx.again and tx.value("find_slot", (c.schedule, c.slot_at), str) == SlotVerdict.MISSED:
        return DONE
    return Refused("not_found", f"this due time of {c.schedule!r} needs no decision")


def dismiss_delivery(tx: Transaction, command: DismissDelivery) -> CommandDone | Refused:
    """Dismiss a skipped delivery: it starts nothing."""
    if tx.change("dismiss_delivery", (command.note, tx.now, command.delivery, LOST_INTERVAL_NOTE)) or tx.again:
        return DONE
    return Refused("not_found", f"delivery {command.delivery} needs no decision")
