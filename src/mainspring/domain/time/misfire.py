"""Misfires: which missed slots run later. A pure function of the schedule, the policy and the time.

A slot that is at most a minute old is on time. An older one was missed, and runs by the policy: "none" of them, the "last" one if nothing
is on time, "all", or the newest n of them ("all:n").
"""

import sys

import msgspec

from mainspring.domain.time.schedule import Schedule

MISFIRE_AFTER_MS = 60_000
"""A slot that is older than this was missed: no scheduler created its run."""
_EARLY_MS = 1


class DueSlots(msgspec.Struct, frozen=True):
    """Slots that are due and not created, oldest first, and the slot after the last of them; `is_whole` = they are all that are due."""

    slots: list[int]
    following: int | None
    is_whole: bool


def find_due_slots(schedule: Schedule, first_at: int, now_at: int, limit: int = sys.maxsize) -> DueSlots:
    """Return `first_at`, whatever created it, and the slots after it: at most `limit` more. Each slot is computed once."""
    slots, until = [first_at], now_at + _EARLY_MS
    following = schedule.next_after(first_at)
    while following is not None and following <= until and len(slots) <= limit:
        slots.append(following)
        following = schedule.next_after(following)
    return DueSlots(slots, following, following is None or following > until)


def first_slot_to_run(schedule: Schedule, due: DueSlots, now_at: int, policy: str) -> int:
    """Return the instant from which on slots run; older ones were missed for good."""
    first_at, on_time_from = due.slots[0], now_at - MISFIRE_AFTER_MS
    policy, _, most = policy.partition(":")
    if policy == "none" or first_at >= on_time_from:
        return on_time_from
    if policy == "all" and not most:
        return first_at
    if policy == "last" and _is_any_on_time(schedule, due, now_at):
        return on_time_from
    newest = _newest_missed(schedule, due, on_time_from, int(most or "1"))
    return newest[0] if newest else on_time_from


def _is_any_on_time(schedule: Schedule, due: DueSlots, now_at: int) -> bool:
    on_time_from = now_at - MISFIRE_AFTER_MS
    if due.is_whole:
        return due.slots[-1] >= on_time_from
    return bool(schedule.slots_between(on_time_from - 1, now_at + _EARLY_MS, limit=1))


def _newest_missed(schedule: Schedule, due: DueSlots, until_at: int, count: int) -> list[int]:
    """Return the newest missed slots, oldest first."""
    if due.is_whole:
        return [slot for slot in due.slots if slot < until_at][-count:]
    return schedule.newest_between(due.slots[0] - 1, until_at - 1, count)
