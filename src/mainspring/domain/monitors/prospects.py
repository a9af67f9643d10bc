"""What whoever is woken asks next of an automation: when it last went well, what is missing since, whether it is tried again by itself."""

from typing import Any

from mainspring.domain.cadence import MOST_COUNTED, due_between
from mainspring.domain.monitors.facts import Watched

_FOREIGN = "exec"
"""Of what others start nobody knows at which minute of an interval they do."""


def prospects(one: Watched, now_at: int) -> dict[str, Any]:
    """Return `last_good_at`, and `next_try_at`: the next slot, null where nothing starts it by itself; each only if it is known."""
    found: dict[str, Any] = {}
    if one.succeeded_at is not None:
        found["last_good_at"] = one.succeeded_at
    if one.is_off(now_at):
        return found | {"next_try_at": None}
    if one.kind == _FOREIGN and any(cadence.schedule.every is not None for cadence in one.cadences):
        return found
    slots = [at for cadence in one.cadences if (at := cadence.schedule.next_after(now_at)) is not None]
    return found | {"next_try_at": min(slots, default=None)}


def missed(one: Watched, until_at: int) -> int:
    """Return how many slots came since the last success, those up to an instant; no more are counted than `MOST_COUNTED`."""
    good_at = 0 if one.succeeded_at is None else one.succeeded_at
    number = 0
    for cadence in one.cadences:
        from_at = max(cadence.since_at, one.success_from_at, good_at)
        number += due_between(cadence.schedule, from_at, until_at)
    return min(number, MOST_COUNTED)
