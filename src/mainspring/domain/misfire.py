"""Which of the slots that nobody made in time are made up for: a pure function of the schedule, the policy and the time.

A slot that is at most a minute old is on time. What is older was missed, and runs as the policy says: "none" of it, the "last" one
where nothing is on time, "all", or the newest n of them ("all:n").
"""

import sys

from mainspring.domain.schedule import Schedule

LATE_MS = 60_000
"""A slot that is older than this was missed: nobody was there to make it."""
_EARLY_MS = 1


def runs_from(schedule: Schedule, first_at: int, now_at: int, policy: str) -> int:
    """Return the instant from which on slots run, where `first_at` is the oldest that was not made; older ones were missed for good."""
    on_time_from = now_at - LATE_MS
    policy, _, most = policy.partition(":")
    if policy == "none" or first_at >= on_time_from:
        return on_time_from
    if policy == "all" and not most:
        return first_at
    if policy == "last" and schedule.slots_between(on_time_from - 1, now_at + _EARLY_MS, limit=1):
        return on_time_from
    newest = schedule.newest_between(first_at - 1, on_time_from - 1, int(most or "1"))
    return newest[0] if newest else on_time_from


def due_slots(schedule: Schedule, first_at: int, now_at: int, limit: int = sys.maxsize) -> list[int]:
    """Return the slots that are due and not made, oldest first: `first_at`, whatever made it, and what follows."""
    return [first_at, *schedule.slots_between(first_at, now_at + _EARLY_MS, limit)]
