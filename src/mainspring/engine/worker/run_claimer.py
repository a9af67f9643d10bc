"""Claims of a worker: ready runs, up to its free slots, when something may be ready and when it becomes due.

Invariants. The worker sends a ClaimRuns when something may be ready: on a change in the store, at a planned instant, with each heartbeat,
and after the end of a run if that may have freed a slot for another. One claim is open at a time, a second one only while more is ready
than the last one returned. One claim requests at most half of the worker's concurrency: while one half runs, the ends of the other are
committed, and the next runs are fetched.
"""

import asyncio
import logging
from collections import deque
from typing import Protocol

from mainspring.domain.clock import Clock
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.code_changes import WorkerCodeChanges
from mainspring.engine.worker.scans import scan
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.store.base import Store
from mainspring.store.commands.runs import ClaimedRun, ClaimedRuns, ClaimRuns

_LOG = logging.getLogger("mainspring.worker")
_MAX_PLAN_S, _RETRY_AFTER_S, _EARLY_TOLERANCE_S = 60.0, 1.0, 0.001
YIELD_S = 0.1
"""How long a worker leaves a free slot of a limited queue to older runs that only other workers can take."""
RECLAIM_S = 1.0
"""How long the worker then claims that slot, because no other worker came: one may be unable to in a way that the store does not know."""


class ClaimHost(Protocol):
    """The worker as RunClaimer uses it."""

    loop: asyncio.AbstractEventLoop
    store: Store
    clock: Clock
    settings: WorkerOptions
    draining: bool

    @property
    def registry(self) -> Registry:
        """The automations of the worker."""
        ...

    @property
    def free_slots(self) -> int:
        """Number of runs it could take now."""
        ...

    def take(self, run: ClaimedRun) -> None:
        """Start work on a run."""
        ...

    def drain(self) -> None:
        """Take no new runs and release the claimed ones."""
        ...


class RunClaimer:
    """Sends claims; used in the loop's thread."""

    def __init__(self, worker: ClaimHost) -> None:
        self._worker = worker
        self._code_changes = WorkerCodeChanges(worker.registry)
        self._may_be_ready = self._is_scheduled = False
        self._open_claims: deque[int] = deque()
        """Number of requested runs of each claim that is not answered."""
        self._has_more = False
        """Whether more was ready than the last claim could take."""
        self._is_limited = False
        """Whether the last claim saw ready runs of a queue with limited concurrency."""
        self._yielded: dict[str, float] = {}
        """Limited queues whose free slots are left to other workers until an instant (seconds of the loop), then claimed for RECLAIM_S."""
        self._only: str | None = None
        self._due: asyncio.TimerHandle | None = None
        self._due_at: int | None = None
        """The planned instant."""
        self.count = 0
        """Number of claims sent."""

    def request_claim(self, *, only: str | None = None) -> None:
        """Claim as soon as a slot is free. If `only` names a run, claim from now on only this run and those it starts."""
        self._only = only or self._only
        self._may_be_ready = True
        if not self._is_scheduled:
            self._is_scheduled = True
            self._worker.loop.call_soon(self._claim)

    def claim_after_end(self) -> None:
        """Claim after the end of a run, if another run may wait for its slot or its place in a queue.

        The store announces everything else that is ready. A claim that finds nothing would delay the next start until it is committed.
        """
        if self._may_be_ready or self._has_more or self._is_limited:
            self.request_claim()

    def _claim(self) -> None:
        self._is_scheduled = False
        worker, settings = self._worker, self._worker.settings
        free_slots = worker.free_slots - sum(self._open_claims)
        if (
            worker.draining
            or free_slots <= 0
            or (settings.one_run and self._only is None)
            or len(self._open_claims) > self._has_more
        ):
            return
        self._may_be_ready = False
        self.count += 1
        limit = min(free_slots, (settings.concurrency + 1) // 2)
        self._open_claims.append(limit)
        reclaims = tuple(self._reclaimed_queues())
        claim = ClaimRuns(
            f"{worker.store.session}:{self.count}",
            limit,
            settings.tags,
            settings.queues,
            settings.probation,
            self._only,
            reclaims,
            self._code_changes.list(),
        )
        worker.store.submit(claim, self._claimed)

    def _claimed(self, result: ClaimedRuns | BaseException) -> None:
        self._open_claims.popleft()
        worker = self._worker
        if isinstance(result, BaseException):
            _LOG.error("claiming failed, next attempt in a second: %s", result)
            worker.loop.call_later(_RETRY_AFTER_S, self.request_claim)
            return
        if result.draining and not worker.draining:
            _LOG.info("this worker drains: it claims no runs and releases those that it has")
            worker.drain()
        for run in result.runs:
            worker.take(run)
        self.plan(result.next_due_at)
        self._has_more, self._is_limited = result.more, result.is_limited
        self._yield_queues(result.yielded_queues)
        if result.more or self._may_be_ready:
            self._claim()  # at once, before the claimed runs start

    def _reclaimed_queues(self) -> dict[str, float]:
        """Return the limited queues that other workers did not use in their time."""
        now = self._worker.loop.time()
        return {queue: at for queue, at in self._yielded.items() if at - _EARLY_TOLERANCE_S <= now < at + RECLAIM_S}

    def _yield_queues(self, queues: tuple[str, ...]) -> None:
        """Note the queues whose free slots are left to other workers, and claim again when their time is over."""
        loop, reclaimed = self._worker.loop, self._reclaimed_queues()
        now = loop.time()
        still_yielded = {queue: at for queue, at in self._yielded.items() if at > now}
        waiting = {queue: still_yielded.get(queue, now + YIELD_S) for queue in queues if queue not in reclaimed}
        self._yielded = reclaimed | waiting
        if waiting:
            loop.call_at(min(waiting.values()), self.request_claim)

    def plan(self, due_at: int | None) -> None:
        """Plan a claim at an instant (ms UTC), in place of the planned one."""
        self.close()
        if due_at is not None:
            delay = max(0.001, (due_at - self._worker.clock.now()) / 1000)
            claim = self._claim_due if delay < _MAX_PLAN_S else self._scan_due
            self._due = self._worker.loop.call_later(min(delay, _MAX_PLAN_S), claim)
            self._due_at = due_at

    def plan_also(self, due_at: int | None) -> None:
        """Plan a claim at this instant (ms UTC) if it is earlier: a run was suspended until then, and no claim has seen it since."""
        if due_at is not None and (self._due_at is None or due_at < self._due_at):
            self.plan(due_at)

    def close(self) -> None:
        """Cancel the planned claim."""
        if self._due is not None:
            self._due.cancel()
        self._due = self._due_at = None

    @scan
    def _scan_due(self) -> None:
        self._claim_due()

    def _claim_due(self) -> None:
        self._due = self._due_at = None
        self.request_claim()
