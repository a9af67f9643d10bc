"""The deadline of the next success: is it overdue? A pure function of the schedules, the last success and the time.

A success is expected after each slot of `cron`, and within each `every` since the last one (the minute at which a foreign scheduler
counts is unknown). It may be late by the grace. Invariants: a success never makes anything overdue sooner; once overdue it stays so until
a success; an unexpected success is never overdue.
"""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache

import msgspec

from mainspring.domain.duration import MILLISECOND
from mainspring.domain.time.schedule import Schedule

MAX_GRACE = timedelta(hours=6)
"""Bound of the default grace, which is one period: an hourly run is missed after two hours, a daily one after thirty."""

MAX_MISSED_COUNT = 100
"""Missed slots are counted up to this."""
_FIRST_COUNTED = 2
"""How many are computed at first, then twice as many each time: ten thousand may become silent together, with one slot each."""


class SuccessDeadline(msgspec.Struct, frozen=True):
    """The next success: when it is due, and from when on it is overdue (ms UTC)."""

    due_at: int
    late_at: int


@lru_cache(maxsize=65_536)  # it moves with each success only, and every evaluation asks
def next_deadline(schedule: Schedule, from_at: int, grace: timedelta | None = None) -> SuccessDeadline | None:
    """Return the success that is expected next after `from_at` (the last success, or when expecting began); None = never."""
    due_at = _next_due(schedule, from_at)
    if due_at is None:
        return None
    if grace is not None:
        return SuccessDeadline(due_at, due_at + grace // MILLISECOND)
    following = _next_due(schedule, due_at)
    period = MAX_GRACE // MILLISECOND if following is None else following - due_at
    return SuccessDeadline(due_at, due_at + min(period, MAX_GRACE // MILLISECOND))


def _next_due(schedule: Schedule, at: int) -> int | None:
    """Return when the next success is due after one: on an open day, if a calendar closes some."""
    if schedule.every is None:
        return schedule.next_after(at)
    due_at = at + schedule.every
    if schedule.calendar is None or schedule.calendar.is_open(schedule.local(due_at).date()):
        return due_at
    return schedule.next_after(due_at)


def count_due(schedule: Schedule, from_at: int, until_at: int) -> int:
    """Return how many successes were due after one instant and up to another, at most `MAX_MISSED_COUNT`."""
    number, most, at = 0, _FIRST_COUNTED, from_at
    while number < MAX_MISSED_COUNT:
        dues = _list_due(schedule, at, most)
        number += bisect_right(dues, until_at)
        if len(dues) < most or dues[-1] > until_at:
            break
        at, most = dues[-1], 2 * most
    return min(number, MAX_MISSED_COUNT)


@lru_cache(maxsize=65_536)  # while it is silent every evaluation asks for the same ones
def _list_due(schedule: Schedule, at: int, most: int) -> tuple[int, ...]:
    due_times: list[int] = []
    while len(due_times) < most:
        due_at = _next_due(schedule, at)
        if due_at is None:
            break
        due_times.append(due_at)
        at = due_at
    return tuple(due_times)


def find_overdue(
    schedules: Iterable[Schedule],
    *,
    since_at: int,
    succeeded_at: int | None,
    now_at: int,
    grace: timedelta | None = None,
    silence: timedelta | None = None,
    jitter: timedelta | None = None,
) -> SuccessDeadline | None:
    """Return the success that is overdue at `now_at`, the one that should have come first; None if none is. `jitter` delays starts.

    `since_at` = when it began to be expected. `silence` set replaces the schedules: the longest time without a success.
    """
    from_at = since_at if succeeded_at is None else max(since_at, succeeded_at)
    if silence is not None:
        due_at = from_at + silence // MILLISECOND
        deadlines = [SuccessDeadline(due_at, due_at)]
    else:
        deadlines = [
            deadline for schedule in schedules if (deadline := next_deadline(schedule, from_at, grace)) is not None
        ]
        jitter_ms = (jitter or timedelta()) // MILLISECOND
        deadlines = [SuccessDeadline(deadline.due_at, deadline.late_at + jitter_ms) for deadline in deadlines]
    return min(
        (deadline for deadline in deadlines if deadline.late_at <= now_at),
        key=lambda deadline: deadline.late_at,
        default=None,
    )
