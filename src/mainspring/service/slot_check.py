"""The independent check of slots: it computes them again from the definitions; each must have a run or a recorded reason why not.

It does not trust the next due time that a schedule stores, so it finds a schedule that stopped without an error. Where that time is
overdue, the check of the scheduler reports it, and the rest is left to the scheduler.
"""

from typing import Final

import msgspec

from mainspring.domain.time.misfire import MISFIRE_AFTER_MS
from mainspring.domain.time.schedule import Schedule
from mainspring.service.reads import ServiceReads
from mainspring.store.views import SchedulePlan

MOST: Final = 20_000
"""Most slots of one schedule that are checked, the newest of the range."""


class UnaccountedSlots(msgspec.Struct, frozen=True):
    """Slots of a schedule without run and record."""

    automation: str
    schedule: str
    slots: list[int]


def unaccounted(reads: ServiceReads, first_at: int, end_at: int, now_at: int) -> list[UnaccountedSlots]:
    """Return the missing slots from `first_at` to before `end_at` (ms), by schedule; those of the last minute are still in progress."""
    found = []
    for plan in reads.plans(None):
        missing = _find_missing(reads, plan, first_at, min(end_at, now_at - MISFIRE_AFTER_MS))
        if missing:
            found.append(UnaccountedSlots(plan.automation, plan.name, missing))
    return found


def _find_missing(reads: ServiceReads, plan: SchedulePlan, first_at: int, end_at: int) -> list[int]:
    spec = msgspec.json.decode(plan.spec)
    if spec.get("expected"):  # another program starts it
        return []
    # Slots before the present definition are recorded by the earlier one. A pause writes its records when it is over.
    first_at = max(first_at, plan.low_water_at + 1, (plan.spec_at or 0) + 1)
    if plan.paused_at is not None and (plan.paused_until is None or plan.paused_until > end_at):
        end_at = min(end_at, plan.paused_at)
    if plan.next_slot_at is not None and plan.next_slot_at < end_at:  # late, but the scheduler will make it
        end_at = plan.next_slot_at
    if first_at >= end_at:
        return []
    slots = Schedule.from_data(spec).newest_between(first_at - 1, end_at - 1, MOST)
    known = {row.slot_at for row in reads.slots_between(plan.name, slots[0], slots[-1], 2 * MOST)} if slots else set()
    return [slot for slot in slots if slot not in known]
