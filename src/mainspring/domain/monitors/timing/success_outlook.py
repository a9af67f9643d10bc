"""What whoever is woken asks next of an automation: when it last went well, what is missing since, whether it is tried again by itself."""

from typing import Any

from mainspring.domain.monitors.inputs import WatchedAutomation
from mainspring.domain.time.success_deadline import MAX_MISSED_COUNT, count_due

_EXTERNALLY_STARTED_KIND = "exec"
"""Of what others start nobody knows at which minute of an interval they do."""


def describe_outlook(one: WatchedAutomation, now_at: int) -> dict[str, Any]:
    """Return `last_good_at`, and `next_try_at`: the next slot, null where nothing starts it by itself; each only if it is known."""
    found: dict[str, Any] = {}
    if one.succeeded_at is not None:
        found["last_good_at"] = one.succeeded_at
    if one.is_off(now_at):
        return found | {"next_try_at": None}
    if one.kind == _EXTERNALLY_STARTED_KIND and any(cadence.schedule.every is not None for cadence in one.cadences):
        return found
    slots = [at for cadence in one.cadences if (at := cadence.schedule.next_after(now_at)) is not None]
    return found | {"next_try_at": min(slots, default=None)}


def count_missed_slots(one: WatchedAutomation, until_at: int) -> int:
    """Return how many slots came since the last success, those up to an instant; no more are counted than `MOST_COUNTED`."""
    good_at = 0 if one.succeeded_at is None else one.succeeded_at
    number = 0
    for cadence in one.cadences:
        from_at = max(cadence.since_at, one.success_from_at, good_at)
        number += count_due(cadence.schedule, from_at, until_at)
    return min(number, MAX_MISSED_COUNT)
