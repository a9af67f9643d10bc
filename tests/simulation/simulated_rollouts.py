"""Simulated rollouts: runs of two versions, read at a fixed age, with the guard evaluated after each of them."""

import math
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from mainspring.domain.flags.flag import SHARE_UNITS
from mainspring.domain.rollouts.evidence import Evidence, add_outcomes
from mainspring.domain.rollouts.guard import GuardDecision, GuardVerdict, count_safe_runs, evaluate_step
from mainspring.domain.rollouts.guard_settings import FAILED, GuardSettings
from mainspring.domain.rollouts.run_outcome import RunOutcome, choose_age, read_kind
from mainspring.domain.rollouts.watched_measurement import WatchedMeasurement
from mainspring.domain.states import RunState

IS_LONG = bool(os.environ.get("TESTS_LONG"))
SETTINGS = GuardSettings(steps=3, watched=(WatchedMeasurement("cost"),))
"""Three steps with two sides, all metrics that need no name, and a number of the runs."""
BASE_RATE = 0.05
MEDIAN_MS = 10_000
SIGMA = 0.5


@dataclass(frozen=True)
class SimulatedRun:
    """A run as it will be: whether it fails, when it ends (inf = never), and the cost that it measures."""

    is_failing: bool
    duration_ms: float
    cost: float = 1.0

    def read(self, number: int, started_at: int, key: str, is_new: bool, age: int) -> RunOutcome:
        """Return its outcome at the age at which it counts."""
        state = RunState.FAILED if self.is_failing else RunState.SUCCEEDED
        has_ended = self.duration_ms < math.inf
        settled_at = started_at + round(self.duration_ms) if has_ended else None
        kind = read_kind(state, settled_at, started_at + age)
        assert kind is not None
        duration_ms = round(self.duration_ms) if has_ended else None
        return RunOutcome(f"r{number:06}", key, started_at, is_new, kind, duration_ms, {"cost": self.cost})


Result = TypeVar("Result")
MakeRun = Callable[[random.Random, int, bool], SimulatedRun]
"""Makes run `number` of a side, in the order of starts."""


def make_run(
    rng: random.Random,
    *,
    rate: float = BASE_RATE,
    success_ms: float = MEDIAN_MS,
    failure_ms: float = MEDIAN_MS / 2,
    cost: float = 1.0,
) -> SimulatedRun:
    """Make a run whose duration and cost are log-normal."""
    is_failing = rng.random() < rate
    duration_ms = rng.lognormvariate(math.log(failure_ms if is_failing else success_ms), SIGMA)
    return SimulatedRun(is_failing, duration_ms, rng.lognormvariate(math.log(cost), SIGMA))


def measure_age(rng: random.Random, make: MakeRun) -> int:
    """Return the default age: from durations of the old version."""
    durations = (make(rng, 0, False).duration_ms for _ in range(500))
    return choose_age(round(duration) for duration in durations) or 0


def start_runs(rng: random.Random, make: MakeRun, share: int, number: int) -> Iterator[RunOutcome]:
    """Yield the outcomes of a step in which each run has a key of its own."""
    age = measure_age(rng, make)
    for n in range(number):
        is_new = rng.random() * SHARE_UNITS < share
        yield make(rng, n, is_new).read(n, n * 1000, f"k{n}", is_new, age)


@dataclass(frozen=True)
class Rollback:
    """The decision that rolled back, and the runs of the new version until then."""

    decision: GuardDecision
    new_runs: int


def find_rollback(outcomes: Iterable[RunOutcome], share: int, settings: GuardSettings = SETTINGS) -> Rollback | None:
    """Evaluate the guard after each run of a step that could roll back, until it does."""
    evidence, safe, pending = Evidence(), 0, []
    for outcome in outcomes:
        pending.append(outcome)
        if len(pending) <= safe:
            continue
        evidence, pending = add_outcomes(evidence, pending, share, settings), []
        decision = evaluate_step(evidence, settings)
        if decision.verdict is GuardVerdict.WORSE:
            return Rollback(decision, evidence.comparisons[FAILED].new_runs)
        safe = count_safe_runs(decision, share)
    return None


def decide_step(outcomes: Iterable[RunOutcome], share: int) -> GuardDecision:
    """Return the decision at the end of a step."""
    return evaluate_step(add_outcomes(Evidence(), outcomes, share, SETTINGS), SETTINGS)


@dataclass
class Simulation:
    """Rollouts by number: as many as fit into the CPU time, or 1,000 in the long form. Fails below the minimum.

    Each rollout has a seed of its own, so a slow machine simulates the same ones, only fewer.
    """

    number: int
    minimum: int
    seconds: float
    seed: str = "guard"

    def play(self, rollout: Callable[[random.Random], Result]) -> list[Result]:
        """Return the results of all rollouts."""
        started_at, results = time.process_time(), []
        for n in range(1000 if IS_LONG else self.number):
            if not IS_LONG and time.process_time() - started_at > self.seconds:
                break
            results.append(rollout(random.Random(f"{self.seed}-{n}")))
        assert len(results) >= self.minimum, f"only {len(results)} rollouts in {self.seconds} s"
        return results


def limit_count(number: int, rate: float) -> int:
    """Return how often something with this probability may happen in a number of rollouts.

    In the long form it is the share itself. In a sample it is the count that a true rate exceeds once in 1,000 times.
    """
    if IS_LONG:
        return math.floor(number * rate)
    count, rest = -1, 1.0
    while rest > 0.001:
        count += 1
        rest -= math.comb(number, count) * rate**count * (1 - rate) ** (number - count)
    return count
