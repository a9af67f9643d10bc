"""Setting aside, in the copy that is being restored, what the replaced store may have done since: slots, deliveries and messages."""

import json

import msgspec

from mainspring.domain.lost_interval import LOST
from mainspring.domain.schedule import Schedule
from mainspring.domain.slot_verdict import SlotVerdict
from mainspring.store.transaction import Transaction

_DECIDING = frozenset({"pause", "resume", "retire"})
_MOST_SLOTS = 10_000
"""Of one schedule, the newest ones: older ones are neither listed nor made."""


class SetAside(msgspec.Struct, frozen=True):
    """How many of each were set aside; `first_at` = the oldest slot (ms), None where there is none."""

    first_at: int | None = None
    slots: int = 0
    deliveries: int = 0
    messages: int = 0


def set_aside(tx: Transaction) -> SetAside:
    """Let nothing start by itself that was due, or received and undecided, or not sent yet, when the copy was made."""
    slots: list[int] = []
    for name, spec, next_slot_at in tx.all("list_schedules_to_set_aside", (tx.now,)):
        slots += _set_slots_aside(tx, name, spec, next_slot_at)
    deliveries = tx.change("set_deliveries_aside", (LOST, tx.now))
    return SetAside(min(slots, default=None), len(slots), deliveries, tx.change("set_messages_aside", (LOST,)))


def decides_what_starts(verb: str, subject: str) -> bool:
    """Tell whether an act on record pauses, resumes or ends something, or sets a flag: whoever restores has to do it again."""
    return verb in _DECIDING or subject.startswith("flag:")


def _set_slots_aside(tx: Transaction, name: str, spec: bytes, next_slot_at: int) -> list[int]:
    data = json.loads(spec)
    if data.pop("expected", False):  # somebody else starts it
        return []
    schedule = Schedule.from_data(data)
    missing = [
        slot_at
        for slot_at in schedule.newest_between(next_slot_at - 1, tx.now, _MOST_SLOTS)
        if tx.one("find_slot", (name, slot_at)) is None
    ]
    for slot_at in missing:
        tx.change("insert_slot", (name, slot_at, SlotVerdict.LOST.value, None, LOST, tx.now))
    tx.change("advance_schedule", (tx.now, schedule.next_after(tx.now), name))
    return missing
