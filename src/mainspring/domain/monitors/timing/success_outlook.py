"""Success outlook of an automation: its last success, the slots missed since, and whether it starts again by itself."""

from typing import Any

from mainspring.domain.monitors.inputs import WatchedAutomation
from mainspring.domain.time.success_deadline import MAX_MISSED_COUNT, count_due

_EXTERNALLY_STARTED_KIND = "exec"
"""The minute of an interval at which others start it is unknown."""


def describe_outlook(automation: WatchedAutomation, now_at: int) -> dict[str, Any]:
    """Return `last_good_at`, and `next_try_at`: the next slot, null if nothing starts it by itself; each only if it is known."""
    outlook: dict[str, Any] = {}
    if automation.succeeded_at is not None:
        outlook["last_good_at"] = automation.succeeded_at
    if automation.is_off(now_at):
        return outlook | {"next_try_at": None}
    if automation.kind == _EXTERNALLY_STARTED_KIND and any(
        cadence.schedule.every is not None for cadence in automation.cadences
    ):
        return outlook
    slots = [at for cadence in automation.cadences if (at := cadence.schedule.next_after(now_at)) is not None]
    return outlook | {"next_try_at": min(slots, default=None)}


def count_missed_slots(automation: WatchedAutomation, until_at: int) -> int:
    """Return how many slots came since the last success, up to an instant and to `MAX_MISSED_COUNT`."""
    good_at = 0 if automation.succeeded_at is None else automation.succeeded_at
    number = 0
    for cadence in automation.cadences:
        from_at = max(cadence.since_at, automation.success_from_at, good_at)
        number += count_due(cadence.schedule, from_at, until_at)
    return min(number, MAX_MISSED_COUNT)
