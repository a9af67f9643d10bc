"""Jumps of the clock: durations without the time that a jump skipped, and the instant from which runs are expected again."""

from collections.abc import Sequence

from msgspec.structs import replace

from mainspring.domain.monitors.inputs import RunCompletion
from mainspring.store.read.status.clock_steps import RecordedStep

LEAST_MS = 5 * 60_000
"""A smaller jump makes nothing late."""


def find_jumps(steps: Sequence[RecordedStep], now_at: int) -> tuple[RecordedStep, ...]:
    """Return the jumps forward among the newest steps, newest first."""
    return tuple(step for step in steps if step.by_ms >= LEAST_MS and step.at <= now_at)


def last_jump_at(jumps: Sequence[RecordedStep]) -> int:
    """Return the instant of the last jump forward, 0 if there was none. What the jump skipped is expected from then on."""
    return max((jump.at for jump in jumps), default=0)


def clock_caught_up_at(steps: Sequence[RecordedStep], now_at: int) -> int:
    """Return when a clock that was set back passed the old instant again, 0 if it was not. Slots before it had their runs."""
    return max((step.old_at for step in steps if step.by_ms <= -LEAST_MS and step.old_at <= now_at), default=0)


def corrected_start(jumps: Sequence[RecordedStep], from_at: int, until_at: int) -> int:
    """Return the start of something by the clock that shows `until_at` now, without the time that jumps skipped."""
    for jump in jumps:
        if from_at <= jump.old_at and jump.at <= until_at:
            from_at += jump.by_ms
    return from_at


def correct_durations(jumps: Sequence[RecordedStep], ends: tuple[RunCompletion, ...]) -> tuple[RunCompletion, ...]:
    """Return the completions with the time that each really took."""
    if not jumps:
        return ends
    return tuple(
        end
        if end.started_at is None
        else replace(end, started_at=corrected_start(jumps, end.started_at, end.finished_at))
        for end in ends
    )
