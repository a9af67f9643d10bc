"""Blame for the crash of a worker: whether it counts against the runs that it had claimed, and which of them caused it."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

PROBATION_MS, _MAX_PROBATION_MS = 2_000, 600_000
"""A run on probation that has lived this long no longer blocks the next one. It grows while no death shows which run it was."""
SHUTDOWN_WINDOW_S = 2.0
"""A SIGTERM of a supervisor this soon before or after a death shows that everything is shut down: then no run is to blame."""
CRASH_LIMIT = 3
"""Deaths on probation, one after the other and without progress between them, that set a run apart."""
REMEMBERED_LOSSES_MS = 3_600_000
"""A supervisor reads from the store the deaths of probation processes in this time that no supervisor saw."""
_REMEMBERED_S = 600.0
_DEATHS_PER_EXTRA_CRASH = 3
_MAX_EXTRA_CRASHES = 7


class CrashHistory:
    """The deaths within ten minutes that one supervisor saw and that no run explains.

    If there are many, something else kills workers: then a run must die on probation more often before it counts as the cause.
    """

    def __init__(self) -> None:
        self._unexplained: deque[float] = deque(maxlen=_DEATHS_PER_EXTRA_CRASH * _MAX_EXTRA_CRASHES)

    def note(self, now: float, blame: "CrashBlame") -> None:
        """Record a death; `now` in seconds of any steady clock."""
        if blame.counts and blame.run is None:
            self._unexplained.append(now)

    def limit(self, now: float) -> int:
        """Return how many single deaths set a run apart now."""
        recent = sum(1 for at in self._unexplained if now - at <= _REMEMBERED_S)
        return CRASH_LIMIT + recent // _DEATHS_PER_EXTRA_CRASH


@dataclass(frozen=True, slots=True)
class CrashBlame:
    """The blame: `counts` = the claimed runs are put on probation, `run` = the one of them whose crash is counted."""

    counts: bool = False
    run: str | None = None


def assign_blame(
    *,
    is_excused: bool,
    is_at_work: bool,
    on_probation: bool,
    claimed_runs: Sequence[str],
    probation_runs: Sequence[str],
) -> CrashBlame:
    """Decide which runs to blame for the death of a worker, however it ended.

    `is_excused` = it was requested to end, or reported that it lost its store; `is_at_work` = its session was neither drained by a person
    nor declared dead before. `claimed_runs` = the runs that it still owned, `probation_runs` = those of them that are on probation.
    """
    if is_excused or not is_at_work or not claimed_runs:
        return CrashBlame()
    blamed_run = None
    if on_probation:
        blamed_run = (
            claimed_runs[0] if len(claimed_runs) == 1 else probation_runs[0] if len(probation_runs) == 1 else None
        )
    return CrashBlame(counts=True, run=blamed_run)


def first_probation_ms(unexplained: int) -> int:
    """Return how long a new supervisor watches a run on probation, after so many deaths of a probation process that no supervisor saw."""
    survive_ms = PROBATION_MS
    for _ in range(unexplained):
        survive_ms = next_probation_ms(survive_ms, CrashBlame())
    return survive_ms


def probation_wait_ms(unexplained: int) -> int:
    """Return how long a new supervisor waits, after so many such deaths, before it starts a probation process.

    Kills from outside then come while only the other workers run. The wait ends later than the watch of the supervisor before: kills at a
    constant interval count against a run at most once.
    """
    return first_probation_ms(unexplained) if unexplained else 0


def next_probation_ms(survive_ms: int, blame: CrashBlame) -> int:
    """Return how long a run on probation is watched after such a death."""
    return PROBATION_MS if blame.run is not None else min(survive_ms * 4, _MAX_PROBATION_MS)
