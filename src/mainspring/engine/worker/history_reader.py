"""Read the histories of claimed runs in bulk, in the order of their claims, and pass each to the worker.

After an outage a worker claims thousands of runs at once: one read brings many. Invariants. One read runs at a time, and the next one
starts before the runs of the last are loaded, so that at most two reads' worth of histories is in memory. Between the runs of two
reads the loop is free for everything else. A history that cannot be read keeps only its own run from being loaded.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from mainspring.domain.errors import StoreUnavailableError
from mainspring.domain.runs.journal import History
from mainspring.domain.time.clock_step import ClockStep, RunClockSteps
from mainspring.engine.driver.blocking_calls import BlockingCaller
from mainspring.engine.worker.inbox_reader import CallLater
from mainspring.store.base import EngineReads
from mainspring.store.commands.runs import ClaimedRun

_BATCH_SIZE = 100

HistoryCallback = Callable[[ClaimedRun, History | Exception], None]


class HistoryReader:
    """Created and used in the loop's thread. `on_read` is called once for each run, with its history or with the error of the read."""

    def __init__(
        self, reads: EngineReads, off_loop: BlockingCaller, later: CallLater, on_read: HistoryCallback
    ) -> None:
        self._reads = reads
        self._off_loop = off_loop
        self._later = later
        self._on_read = on_read
        self._waiting: deque[ClaimedRun] = deque()
        self._single: deque[ClaimedRun] = deque()
        self._reading = self._closed = False
        self._steps: list[ClockStep] = []
        """Steps of the clock since the current read started."""
        self.count = 0
        """Number of runs that wait for their history."""

    def read(self, run: ClaimedRun) -> None:
        """Read the history of a run, together with the histories of other waiting runs."""
        self.count += 1
        self._waiting.append(run)
        self._next()

    def read_again(self, step: ClockStep) -> None:
        """Repeat the current read: the clock was set since its runs were claimed, and their rows have moved."""
        self._waiting = deque(_apply_clock_step(run, step) for run in self._waiting)
        self._single = deque(_apply_clock_step(run, step) for run in self._single)
        self._steps += [step] if self._reading else []

    def close(self) -> None:
        """Stop: pass nothing more to `on_read`."""
        self._closed = True

    def _next(self) -> None:
        if self._reading or self._closed:
            return
        if self._single:
            runs = [self._single.popleft()]
        elif self._waiting:
            runs = [self._waiting.popleft() for _ in range(min(len(self._waiting), _BATCH_SIZE))]
        else:
            return
        self._reading = True
        self._begin(runs)

    def _begin(self, runs: list[ClaimedRun]) -> None:
        ids = [run.id for run in runs]
        self._off_loop(lambda: self._reads.histories(ids), lambda read: self._ended(runs, read))

    def _ended(self, runs: list[ClaimedRun], read: Any) -> None:
        if self._closed:
            return
        if isinstance(read, StoreUnavailableError):  # this worker owns the runs: they wait until the store is back
            self._later(lambda: self._begin(runs))
            return
        self._reading = False
        if self._steps:
            for step in self._steps:
                runs = [_apply_clock_step(run, step) for run in runs]
            self._steps.clear()
            self._waiting.extendleft(reversed(runs))
            read = []
        elif not isinstance(read, Exception):
            self._waiting.extendleft(reversed(runs[len(read) :]))
        elif len(runs) == 1:
            read = [read]
        else:  # one of them fails: read each by itself
            self._single.extend(runs)
            read = []
        self._next()
        for run, history in zip(runs, read, strict=False):
            self.count -= 1
            self._on_read(run, history)


def _apply_clock_step(run: ClaimedRun, step: ClockStep) -> ClaimedRun:
    """Return a claimed run moved with a step of the clock, as its rows were."""
    steps = RunClockSteps(run.clock_steps)
    steps.add(run.rank, step.by_ms, step.at)
    deadline_at = None if run.deadline_at is None else run.deadline_at + step.by_ms
    return replace(run, clock_steps=steps.write(), deadline_at=deadline_at)
