"""Reads of clock steps: when the clock was set, by how much, and what has waited for the wall clock since."""

from collections.abc import Sequence

import msgspec

from mainspring.domain.clock import MAX_CLOCK_LEAD_MS
from mainspring.domain.time.clock_step import ClockRegression, PendingRequests
from mainspring.store.base import StoreReader
from mainspring.store.commands.incidents import DECIDED_CLOCK_STEP
from mainspring.store.read.status.status import meta
from mainspring.store.schema.row import first_value


class RecordedStep(msgspec.Struct, frozen=True):
    """A step: the clock was set by `by_ms` (negative = back) and showed `at` then (ms). `moved` = runs whose waits
    moved with it.

    `is_lived` = a process lived through it; else it went back by at least this much. `is_whole` = everything has moved.
    """

    seq: int
    at: int
    by_ms: int
    is_lived: bool
    moved: int
    is_whole: bool

    @property
    def old_at(self) -> int:
        """The instant that the clock would have shown without the step."""
        return self.at - self.by_ms


def recorded_steps(reader: StoreReader, limit: int = 10) -> list[RecordedStep]:
    """Return the newest steps, newest first."""
    rows = reader.read("list_clock_steps", (limit,))
    return [
        RecordedStep(seq, at, by_ms, bool(lived), moved, ended_at is not None)
        for seq, at, by_ms, lived, moved, ended_at in rows
    ]


def find_regression(reader: StoreReader, newest: Sequence[RecordedStep], now: int) -> ClockRegression | None:
    """Return how the newest steps set the clock back; None once it has passed the old instant (ms), or a person
    resolved it.
    """
    steps = [step for step in newest if step.by_ms < 0 and step.old_at > now]
    if steps:
        decided = int(meta(reader, DECIDED_CLOCK_STEP) or 0)
        steps = [step for step in steps if step.seq > decided]
    if not steps:
        return None
    return ClockRegression(
        from_at=max(step.old_at for step in steps),
        to_at=steps[0].at,
        is_lived=all(step.is_lived for step in steps),
        moved=max(step.moved for step in steps),
        slots=first_value(reader.read("count_slots_ahead", (now,)), int) or 0,
        waiting=_written_ahead(reader, now + MAX_CLOCK_LEAD_MS),
    )


def _written_ahead(reader: StoreReader, now: int) -> tuple[PendingRequests, ...]:
    """Return requests of a time when the clock was ahead of `now`, which wait for an instant."""
    rows = reader.read("count_written_ahead", (now,))
    return tuple(PendingRequests(kind, number, until_at) for kind, number, until_at in rows if number)
