"""What a worker asks the store for: ready runs, as many as there is room for, when something may be ready and when it becomes due.

Invariants. A Claim is sent when something may be ready: at news of the store, at an instant that was planned, with each heartbeat, and
after the end of a run if that may have made room for another. One Claim is under way at a time, a second one only while more is ready
than the last one took. At most half of the worker's concurrency is asked for at once: while one half runs, the ends of the other are
committed, and the next is fetched.
"""

import asyncio
import logging
from collections import deque
from typing import Any, Protocol

from mainspring.domain.clock import Clock
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.store.base import Store
from mainspring.store.commands.runs import ClaimedRun, ClaimedRuns, ClaimRuns

_LOG = logging.getLogger("mainspring.worker")
_MAX_PLAN_S, _RETRY_AFTER_S, _EARLY_TOLERANCE_S = 60.0, 1.0, 0.001
YIELD_S = 0.1
"""So long the room in a limited queue is left to older runs that only other workers can take."""
RECLAIM_S = 1.0
"""So long it is taken after that, for no other worker came: one may be unable to in a way that the store does not know of."""


class ClaimHost(Protocol):
    """The worker, as its claims see it."""

    loop: asyncio.AbstractEventLoop
    store: Store
    clock: Clock
    settings: WorkerOptions
    draining: bool

    @property
    def room(self) -> int:
        """How many runs it could take now."""
        ...

    def take(self, run: ClaimedRun) -> None:
        """Begin to work on a run."""
        ...

    def drain(self) -> None:
        """Take nothing new and give back what it has."""
        ...


class RunClaimer:
    """Used in the loop's thread."""

    def __init__(self, worker: ClaimHost) -> None:
        self._worker = worker
        self._wanted = self._soon = False
        self._under_way: deque[int] = deque()
        """How many runs each Claim asks for that is not answered."""
        self._more = False
        """Whether more was ready than the last Claim could take."""
        self._is_limited = False
        """Whether the last Claim saw ready runs of a queue that limits how many run at once."""
        self._gave_way: dict[str, float] = {}
        """Limited queues in which room is left to others until an instant (seconds of the loop), and taken after it for INSIST_S."""
        self._only: str | None = None
        self._due: asyncio.TimerHandle | None = None
        self._due_at: int | None = None
        """The instant that is planned."""
        self.count = 0
        """How many Claims were sent."""

    def want(self, *, only: str | None = None) -> None:
        """Claim as soon as there is room; from now on this run and what it asks for, if `only` names one."""
        self._only = only or self._only
        self._wanted = True
        if not self._soon:
            self._soon = True
            self._worker.loop.call_soon(self._claim)

    def claim_after_end(self) -> None:
        """Claim, now that a run has ended, if its room or its place in a queue may be what another waits for.

        What else is ready is news of the store. A Claim that finds nothing would keep the next start waiting for its commit.
        """
        if self._wanted or self._more or self._is_limited:
            self.want()

    def _claim(self) -> None:
        self._soon = False
        worker, s = self._worker, self._worker.settings
        room = worker.room - sum(self._under_way)
        if worker.draining or room <= 0 or (s.one_run and self._only is None) or len(self._under_way) > self._more:
            return
        self._wanted = False
        self.count += 1
        limit = min(room, (s.concurrency + 1) // 2)
        self._under_way.append(limit)
        insists = tuple(self._insisted())
        claim = ClaimRuns(
            f"{worker.store.session}:{self.count}", limit, s.tags, s.queues, s.suspects, self._only, insists
        )
        worker.store.submit(claim, self._claimed)

    def _claimed(self, result: Any) -> None:
        self._under_way.popleft()
        worker = self._worker
        if not isinstance(result, ClaimedRuns):
            if isinstance(result, Exception):
                _LOG.error("claiming failed, it is tried again in a second: %s", result)
                worker.loop.call_later(_RETRY_AFTER_S, self.want)
            return
        if result.draining and not worker.draining:
            _LOG.info("this worker was told to drain: it takes nothing new and gives back what it has")
            worker.drain()
        for run in result.runs:
            worker.take(run)
        self.plan(result.next_due_at)
        self._more, self._is_limited = result.more, result.is_limited
        self._give_way(result.gave_way)
        if result.more or self._wanted:
            self._claim()  # at once, before what was taken runs

    def _insisted(self) -> dict[str, float]:
        """Return the limited queues in which others have had their time just now."""
        now = self._worker.loop.time()
        return {queue: at for queue, at in self._gave_way.items() if at - _EARLY_TOLERANCE_S <= now < at + RECLAIM_S}

    def _give_way(self, queues: tuple[str, ...]) -> None:
        """Note the queues in which room was left to others, and claim again when they have had their time."""
        loop, insisted = self._worker.loop, self._insisted()
        now = loop.time()
        begun = {queue: at for queue, at in self._gave_way.items() if at > now}
        waiting = {queue: begun.get(queue, now + YIELD_S) for queue in queues if queue not in insisted}
        self._gave_way = insisted | waiting
        if waiting:
            loop.call_at(min(waiting.values()), self.want)

    def plan(self, due_at: int | None) -> None:
        """Claim at an instant (ms UTC) at which something becomes due, and at no other that was planned."""
        self.close()
        if due_at is not None:
            delay = max(0.001, (due_at - self._worker.clock.now()) / 1000)
            self._due = self._worker.loop.call_later(min(delay, _MAX_PLAN_S), self._claim_due)
            self._due_at = due_at

    def plan_also(self, due_at: int | None) -> None:
        """Claim at this instant (ms UTC) too: a run was suspended until then, and no Claim has seen it since."""
        if due_at is not None and (self._due_at is None or due_at < self._due_at):
            self.plan(due_at)

    def close(self) -> None:
        """Plan nothing any more."""
        if self._due is not None:
            self._due.cancel()
        self._due = self._due_at = None

    def _claim_due(self) -> None:
        self._due = self._due_at = None
        self.want()
