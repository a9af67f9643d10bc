"""Clock steps, changes of a wall clock: how a living process notices one, and how far the timers of a run move by recorded steps.

Monotonic seconds (CLOCK_BOOTTIME) show how much time has passed. A wall clock that differs from them by more than `STEP_MS` between two
readings was set. See docs/adr/0021-durations-survive-a-clock-that-is-set.md.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

import msgspec

from mainspring.domain.duration import format_rounded_duration

STEP_MS: Final = 2_000
"""A smaller difference is slewing, or the noise of a measurement."""
_SAME_MS: Final = 1_500
_ROUGH_MS: Final = 1_000
_DRIFT: Final = 1_000
"""Two clocks may drift apart by one part in this many."""


class ClockStep(msgspec.Struct, frozen=True):
    """A wall clock was set by `by_ms` (negative = put back), and shows `at` now. All values are ms.

    It happened at most `unseen_ms` ago. The process that noticed it had watched the clock for `lived_ms` before.
    """

    by_ms: int
    at: int
    unseen_ms: int
    lived_ms: int

    @property
    def old_at(self) -> int:
        """The time that the clock would show now, had no one set it."""
        return self.at - self.by_ms


class PendingRequests(msgspec.Struct, frozen=True):
    """`number` starts, pauses or snoozes (`kind`) that were requested while the clock was ahead, and that wait for the wall clock."""

    kind: str
    number: int
    until_at: int


class ClockRegression(msgspec.Struct, frozen=True, kw_only=True):
    """The clock was put back from `from_at` to `to_at` (ms), and has not passed `from_at` yet.

    `is_lived` = a process lived through it; else it went back by at least this much. `moved` = runs whose waits moved with it.
    `slots` = slots that lie ahead and have their run.
    """

    from_at: int
    to_at: int
    is_lived: bool
    moved: int
    slots: int = 0
    waiting: tuple[PendingRequests, ...] = ()

    @property
    def by_ms(self) -> int:
        """The length of the regression."""
        return self.from_at - self.to_at


class _Reading(NamedTuple):
    """A wall clock in ms, and the seconds beside it right after. The clock was read at most `rough_ms` before."""

    now: int
    passed_s: float
    rough_ms: int


class ClockWatch:
    """Compares a wall clock with monotonic seconds. Used by one thread. `passed` None = steps are not detected.

    `known` is the number of the last step that this process knows to be recorded in its store.
    """

    def __init__(self, passed: Callable[[], float] | None) -> None:
        self._passed = passed
        self._started_s: float | None = None
        self._read_from_s = 0.0
        self._last: _Reading | None = None
        self._seen: _Reading | None = None
        self._may_be_recorded = False
        self.known = 0
        self.is_moving = False
        """Whether a recorded step may still have durations to move."""

    def begin(self) -> None:
        """Prepare a reading: the wall clock is read after this call, and before `read`."""
        if self._passed is not None:
            self._read_from_s = self._passed()

    def read(self, now: int) -> None:
        """Take `now`, a reading of the wall clock. The longer ago `begin` was, the rougher it is: this process may have been stopped."""
        if self._passed is not None:
            passed = self._passed()
            self._seen = _Reading(now, passed, round((passed - self._read_from_s) * 1000))

    def find_step(self) -> ClockStep | None:
        """Return the step between the last noted reading and this one, if there is one. Nothing is noted.

        A step that was found and not noted may be recorded: whether that commit succeeded is not known. If the clock was set right
        since, this returns a step of (nearly) nothing.
        """
        seen, last = self._seen, self._last
        if seen is None or last is None or self._started_s is None:
            return None
        elapsed_ms = round((seen.passed_s - last.passed_s) * 1000)
        by_ms = seen.now - last.now - elapsed_ms
        is_step = abs(by_ms) > STEP_MS + seen.rough_ms + last.rough_ms + elapsed_ms // _DRIFT
        if not is_step and not self._may_be_recorded:
            return None
        self._may_be_recorded = True
        return ClockStep(by_ms, seen.now, elapsed_ms + seen.rough_ms, round((seen.passed_s - self._started_s) * 1000))

    def note(self) -> None:
        """Note the last reading: the step that it found was committed. A rough one without a step could hide the next step, so the one
        before it stays.
        """
        seen, last = self._seen, self._last
        if seen is None or (
            last is not None and not self._may_be_recorded and seen.rough_ms > max(_ROUGH_MS, last.rough_ms)
        ):
            return
        self._last = seen
        self._may_be_recorded = False
        self._started_s = seen.passed_s if self._started_s is None else self._started_s


def merge_steps(first: ClockStep | None, second: ClockStep | None) -> ClockStep | None:
    """Return two steps, one after the other, as one."""
    if first is None or second is None:
        return second or first
    return msgspec.structs.replace(second, by_ms=first.by_ms + second.by_ms)


def describe_step(by_ms: int) -> str:
    """Return a step in words."""
    span = format_rounded_duration(abs(by_ms))
    return f"the clock was put back by {span}" if by_ms < 0 else f"the clock was set forward by {span}"


def unrecorded_ms(by_ms: int, recorded: Sequence[int]) -> int:
    """Return the part of a step that no process has recorded yet; `recorded` = the steps recorded since this process knew of all."""
    for first in range(len(recorded)):
        for end in range(first + 1, len(recorded) + 1):
            if abs(by_ms - sum(recorded[first:end])) <= _SAME_MS:
                return 0
    return by_ms - sum(recorded)


class RunClockSteps:
    """The steps of its store's clock during a run: (rank of its last outcome then, by, at) each, oldest first."""

    def __init__(self, written: str | None = None) -> None:
        parts = (entry.split(":") for entry in (written or "").split())
        self._steps = [(int(rank), int(by_ms), int(at)) for rank, by_ms, at in parts]

    def add(self, rank: int, by_ms: int, at: int) -> None:
        """Add a step that happened after the outcome of this rank."""
        self._steps.append((rank, by_ms, at))

    def moved(self, rank: int) -> int:
        """Return by how many ms an instant moves that was counted from the outcome of `rank`: by the steps since that outcome."""
        return sum(by_ms for step_rank, by_ms, _ in self._steps if rank <= step_rank)

    @property
    def lived(self) -> list[tuple[int, int]]:
        """The steps alone, as (by, at)."""
        return [(by_ms, at) for _, by_ms, at in self._steps]

    @property
    def sums(self) -> list[int]:
        """The possible moves since an instant: the newest step, the newest two, and so on."""
        return list(accumulate(by_ms for _, by_ms, _ in reversed(self._steps)))

    def raise_last(self, rank: int) -> None:
        """Note that outcomes up to `rank` were still written by the clock as it was before the newest step."""
        if self._steps:
            last_rank, by_ms, at = self._steps[-1]
            self._steps[-1] = max(last_rank, rank), by_ms, at

    def write(self) -> str:
        """Return the steps as text."""
        return "".join(f"{rank}:{by_ms}:{at} " for rank, by_ms, at in self._steps)
