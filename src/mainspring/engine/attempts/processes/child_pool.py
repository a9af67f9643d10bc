"""The pool of warm child processes: each serves one attempt at a time, is reused, and is replaced after some calls.

Invariant: the engine gets a report of the start and end of each child, so that a takeover can kill its remaining processes.
"""

import asyncio
import os
from collections import deque
from pathlib import Path
from typing import Final, Protocol

from mainspring.domain.processes.child_queue import MAX_LISTED_ATTEMPTS, ChildQueue, WaitingAttempt
from mainspring.engine.attempts.attempt_host import ReportCallback
from mainspring.engine.attempts.attempt_reports import ProcessReport, ReportKind
from mainspring.engine.attempts.attempt_spec import AttemptSpec
from mainspring.engine.attempts.processes.child_process import ChildProcess, ChildSettings

_MAX_WARM_CHILDREN = 4
"""Idle children that stay warm."""

CHILD_BYTES: Final = 40_000_000
"""Memory of a warm child before it imports much user code, in bytes."""
_CGROUP_FILES = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


class ChildRequester(Protocol):
    """An attempt that waits for a child."""

    closed: bool
    spec: AttemptSpec

    def take(self, child: ChildProcess) -> None:
        """Use this child; give it back after its EndMessage."""
        ...

    def handle_start_error(self, error: OSError) -> None:
        """Handle the error that no child could be started."""
        ...


class ChildPool:
    """At most `size` children of one worker, started as calls need them.

    Created and used in the loop's thread, which must live as long as they do.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        size: int,
        on_report: ReportCallback,
        settings: ChildSettings | None = None,
    ) -> None:
        self.settings = settings or ChildSettings()
        self._loop = loop
        self._size = size
        self._on_sign = on_report
        self._all: set[ChildProcess] = set()
        self._idle: list[ChildProcess] = []
        self._waiting: deque[ChildRequester] = deque()
        self._is_closed = False
        self._trimming: asyncio.TimerHandle | None = None

    @property
    def pids(self) -> list[int]:
        """The pids of the live children."""
        return sorted(child.pid for child in self._all)

    @property
    def queue(self) -> ChildQueue | None:
        """The attempts that wait for a child; None if none does."""
        waiting = [attempt.spec for attempt in self._waiting if not attempt.closed]
        if not waiting:
            return None
        listed = [WaitingAttempt(spec.run_id, spec.name) for spec in waiting[:MAX_LISTED_ATTEMPTS]]
        return ChildQueue(len(self._all), len(waiting), listed)

    def warm(self, count: int) -> None:
        """Start children until there are `count`, so that the first calls need not wait for them.

        Raises:
            OSError: the system could not start one.
        """
        while len(self._all) < min(count, self._size):
            self._idle.append(self._start())

    def lend(self, requester: ChildRequester) -> None:
        """Call `requester.take` with a child as soon as one is free; requesters are served in order."""
        self._waiting.append(requester)
        self._serve()

    def give_back(self, child: ChildProcess, memory: int, *, is_spent: bool) -> None:
        """Return a child to the pool after a call, with the bytes of memory that it uses; replace it if it is spent."""
        child.user = None
        child.calls += 1
        if child.first_memory is None:
            child.first_memory = memory
        has_grown = memory - child.first_memory > self.settings.growth_at_most
        if is_spent or has_grown or child.calls >= self.settings.calls_at_most:
            child.terminate()
        elif not child.is_ending:
            self._idle.append(child)
        self._serve()
        if len(self._idle) > _MAX_WARM_CHILDREN and self._trimming is None:
            self._trimming = self._loop.call_later(self.settings.idle_after, self._trim)

    def _trim(self) -> None:
        """End all but a few idle children, the longest idle ones first: the pool grew for a load that is over."""
        self._trimming = None
        for child in self._idle[:-_MAX_WARM_CHILDREN]:
            child.terminate()
        del self._idle[:-_MAX_WARM_CHILDREN]

    def close(self) -> None:
        """Kill all children and what they started."""
        self._is_closed = True
        if self._trimming is not None:
            self._trimming.cancel()
        self._waiting.clear()
        for child in tuple(self._all):
            child.kill()

    def _serve(self) -> None:
        """Assign free or new children to waiting attempts."""
        while self._waiting and not self._is_closed:
            if self._waiting[0].closed:
                self._waiting.popleft()
            elif self._idle:
                child = self._idle.pop()  # the one used last has the warmest caches
                if not child.is_ending:
                    self._waiting.popleft().take(child)
            elif len(self._all) < self._size:
                self._start_for(self._waiting.popleft())
            else:
                return

    def _start_for(self, requester: ChildRequester) -> None:
        try:
            child = self._start()
        except OSError as error:  # no memory, too many processes: this attempt fails, later ones may not
            self._loop.call_soon(requester.handle_start_error, error)
        else:
            requester.take(child)

    def _start(self) -> ChildProcess:
        child = ChildProcess(self._loop, self.settings, self._on_exit)
        self._all.add(child)
        self._on_sign(None, ReportKind.PROCESS, ProcessReport(child.pid, child.started, ended=False))
        return child

    def _on_exit(self, child: ChildProcess) -> None:
        self._all.discard(child)
        if child in self._idle:
            self._idle.remove(child)
        self._on_sign(None, ReportKind.PROCESS, ProcessReport(child.pid, child.started, ended=True))
        if not self._is_closed:
            self._loop.call_soon(self._serve)


def compute_child_limit(configured: int, concurrency: int, memory: int) -> int:
    """Return the most children of a worker: min(configured, concurrency, memory / 40 MB), at least 1. `memory` in bytes."""
    return max(1, min(configured, concurrency, memory // CHILD_BYTES))


def read_memory_limit(cgroup_files: tuple[Path, ...] = _CGROUP_FILES) -> int:
    """Return how much memory this process may use in bytes: that of the machine, or of its container if that is less."""
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for file in cgroup_files:
        try:
            text = file.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal():
            limits.append(int(text))
    return min(limits)
