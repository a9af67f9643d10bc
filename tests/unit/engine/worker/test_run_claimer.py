"""When a worker claims from a limited queue in which older runs of other workers wait."""

from itertools import pairwise
from types import SimpleNamespace

import pytest

from mainspring.domain.clock import SystemClock
from mainspring.engine.definitions.registry import Registry
from mainspring.engine.worker.run_claimer import RunClaimer
from mainspring.engine.worker.worker_options import WorkerOptions
from mainspring.store.commands.runs import ClaimedRuns


class Loop:
    """Seconds and timers that go as the test says."""

    def __init__(self):
        self.seconds = 100.0
        self.timers = []

    def time(self):
        return self.seconds

    def call_soon(self, call):
        self.timers.append((self.seconds, call))

    def call_at(self, at, call):
        self.timers.append((at, call))

    def run_until(self, end):
        """Call what is due up to then, in order."""
        while due := [timer for timer in self.timers if timer[0] <= end]:
            at, call = timer = min(due, key=lambda timer: timer[0])
            self.timers.remove(timer)
            self.seconds = max(self.seconds, at)
            call()
        self.seconds = end


class Store:
    """Answers each claim at once: it leaves the room of "narrow" to others, while `is_contended`, unless the claim insists."""

    session = 1

    def __init__(self, loop):
        self.loop = loop
        self.is_contended = True
        self.insisted = []

    def submit(self, claim, on_done):
        insists = "narrow" in claim.insists
        self.insisted.append((round(self.loop.seconds - 100, 3), insists))
        yielded = ("narrow",) if self.is_contended and not insists else ()
        self.loop.call_soon(lambda: on_done(ClaimedRuns((), None, is_limited=True, yielded_queues=yielded)))


@pytest.fixture
def loop():
    return Loop()


@pytest.fixture
def store(loop):
    return Store(loop)


@pytest.fixture
def claims(loop, store):
    worker = SimpleNamespace(
        loop=loop,
        store=store,
        clock=SystemClock(),
        settings=WorkerOptions(),
        draining=False,
        free_slots=8,
        registry=Registry(),
    )
    return RunClaimer(worker)


def at_each_hundredth(claims, loop, count):
    """Let a run end every 10 ms: the worker asks for the next one."""
    for _ in range(count):
        claims.request_claim()
        loop.run_until(loop.seconds + 0.01)


def test_worker_that_yields_claims_again(claims, loop, store):
    """When the others have had their time."""
    claims.request_claim()
    loop.run_until(101.0)
    assert store.insisted == [(0.0, False), (0.1, True)]


def test_capacity_is_yielded_again_after_other_workers_used_it(claims, loop, store):
    """They get the same time for the next of their runs."""
    claims.request_claim()
    loop.run_until(100.05)
    store.is_contended = False
    claims.request_claim()
    loop.run_until(100.06)
    store.is_contended = True
    claims.request_claim()
    loop.run_until(100.15)
    assert store.insisted[:3] == [(0.0, False), (0.05, False), (0.06, False)]
    assert not any(insists for at, insists in store.insisted if at < 0.16)


def test_runs_unclaimed_by_other_workers_do_not_halve_the_rate(claims, loop, store):
    """A worker can be full, or of too old a deployment, in a way that the store does not know of."""
    at_each_hundredth(claims, loop, 1_000)
    insisted = sum(insists for _, insists in store.insisted)
    assert insisted > 0.85 * len(store.insisted)
    polite_claims = [at for at, insists in store.insisted if not insists]
    assert max(later - earlier for earlier, later in pairwise(polite_claims)) < 1.2
