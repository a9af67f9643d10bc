"""Jumps of the clock: how long something lasted although the clock was set forward in between, and from when on anything is expected."""

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
    """Return the instant of the last jump forward: what was jumped over is expected from then on; 0 = there was none."""
    return max((jump.at for jump in jumps), default=0)


def clock_caught_up_at(steps: Sequence[RecordedStep], now_at: int) -> int:
    """Return when a clock that was put back had passed the old instant: slots before it had their runs; 0 = there was none."""
    return max((step.old_at for step in steps if step.by_ms <= -LEAST_MS and step.old_at <= now_at), default=0)


def corrected_start(jumps: Sequence[RecordedStep], from_at: int, until_at: int) -> int:
    """Return when something began by the clock that shows `until_at` now: what was jumped over does not count."""
    for jump in jumps:
        if from_at <= jump.old_at and jump.at <= until_at:
            from_at += jump.by_ms
    return from_at


def correct_durations(jumps: Sequence[RecordedStep], ends: tuple[RunCompletion, ...]) -> tuple[RunCompletion, ...]:
    """Return the ends of runs, each as long as it took."""
    if not jumps:
        return ends
    return tuple(
        end
        if end.started_at is None
        else replace(end, started_at=corrected_start(jumps, end.started_at, end.finished_at))
        for end in ends
    )
