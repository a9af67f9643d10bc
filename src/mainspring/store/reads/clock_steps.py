"""Reads of the steps of the clock: when it was set, by how much, and what waits for the wall clock since."""

import msgspec

from mainspring.store.base import Reader


class RecordedStep(msgspec.Struct, frozen=True):
    """The clock was set by `by_ms` (negative = put back) and showed `at` then (ms). `moved` = runs whose waits moved with it.

    `is_lived` = a process lived through it; else it went back by so much at least. `is_whole` = everything has moved.
    """

    at: int
    by_ms: int
    is_lived: bool
    moved: int
    is_whole: bool


class WrittenAhead(msgspec.Struct, frozen=True):
    """`number` starts, pauses or snoozes (`kind`) that were requested while the clock was ahead, and that wait for the wall clock."""

    kind: str
    number: int
    until_at: int


def recorded_steps(reader: Reader, limit: int = 10) -> list[RecordedStep]:
    """Return the newest steps, newest first."""
    rows = reader.read("list_clock_steps", (limit,))
    return [
        RecordedStep(at, by_ms, bool(lived), moved, ended_at is not None)
        for _, at, by_ms, lived, moved, ended_at in rows
    ]


def written_ahead(reader: Reader, now: int) -> list[WrittenAhead]:
    """Return what was requested while the clock was ahead of `now`, and waits for an instant."""
    rows = reader.read("count_written_ahead", (now,))
    return [WrittenAhead(kind, number, until_at) for kind, number, until_at in rows if number]
