"""The guard of a rollout in simulated rollouts: how soon a worse version is rolled back, and how seldom one that is not worse.

Each test simulates a sample; `make torture` simulates 1,000 rollouts for each (TESTS_LONG=1).
With `pytest -rP` each prints what it measured.
"""

import math
import os
from statistics import median

import pytest

from mainspring.domain.flags.flag import is_in_share
from mainspring.domain.rollouts.guard import GuardVerdict
from mainspring.domain.rollouts.guard_settings import NOT_ENDED
from mainspring.domain.rollouts.sample_size import compute_not_worse_size, compute_worse_size
from tests.simulation.simulated_rollouts import (
    BASE_RATE,
    MEDIAN_MS,
    SETTINGS,
    SimulatedRun,
    Simulation,
    decide_step,
    find_rollback,
    limit_count,
    make_run,
    start_runs,
)
from tests.unit.domain.rollouts.outcomes import select_first_of_keys

pytestmark = pytest.mark.slow

LONG = os.environ.get("TESTS_LONG") == "1"
SHARES = [10_000, 50_000, 100_000, 200_000] if LONG else [50_000]
"""Splits of 99:1, 19:1, 9:1 and 4:1, in millionths."""
STEPS = [50_000, 200_000, 500_000]
STEP_RUNS = 400
NEVER = 1_000_000


def percentile(values, share):
    """Return the smallest value that has at least this share of all at or below it."""
    return sorted(values)[math.ceil(len(values) * share) - 1]


def measure_detection(make, share, simulation, most_new_runs):
    """Return the new version's runs until its rollback, for each rollout, and the metrics that found it."""

    def play(rng):
        found = find_rollback(start_runs(rng, make, share, round(most_new_runs * 1e6 / share)), share)
        return (found.new_runs, found.decision.worse) if found else (NEVER, None)

    rollbacks = simulation.play(play)
    new_runs = [row[0] for row in rollbacks]
    metrics = {name: sum(row[1] == name for row in rollbacks) for name in {row[1] for row in rollbacks}}
    print(f"{len(new_runs)} rollouts: median {median(new_runs)}, p90 {percentile(new_runs, 0.9)}, by {metrics}")
    return new_runs, metrics


@pytest.mark.parametrize("share", SHARES)
def test_guard_finds_twenty_points_more_failures(share):
    """25 % instead of 5 %, with all metrics watched: a median of 55 runs of the new version, and 110 in nine of ten rollouts."""
    new_runs, _ = measure_detection(
        lambda rng, n, is_new: make_run(rng, rate=0.25 if is_new else BASE_RATE),
        share,
        Simulation(number=40, minimum=30, seconds=10),
        300,
    )
    assert median(new_runs) <= 55
    assert percentile(new_runs, 0.9) <= 110


@pytest.mark.parametrize("share", SHARES)
def test_guard_finds_a_version_that_always_fails(share):
    """A median of 5 runs of the new version, and 7 in nine of ten rollouts."""
    new_runs, _ = measure_detection(
        lambda rng, n, is_new: make_run(rng, rate=1 if is_new else BASE_RATE),
        share,
        Simulation(number=100, minimum=100, seconds=4),
        30,
    )
    assert median(new_runs) <= 5
    assert percentile(new_runs, 0.9) <= 7


@pytest.mark.parametrize("share", [50_000, 200_000] if LONG else [200_000])
def test_guard_finds_a_slower_version(share):
    """Runs that take 30 % longer: found within 300 runs of the new version in nine of ten rollouts."""
    new_runs, _ = measure_detection(
        lambda rng, n, is_new: make_run(rng, success_ms=MEDIAN_MS * (1.3 if is_new else 1)),
        share,
        Simulation(number=25, minimum=10, seconds=6),
        300,
    )
    assert percentile(new_runs, 0.9) <= 300


def test_guard_finds_a_version_that_costs_more():
    """Runs that measure a cost 30 % higher, and are as fast: found within 300 runs of the new version in nine of ten rollouts."""
    new_runs, metrics = measure_detection(
        lambda rng, n, is_new: make_run(rng, cost=1.3 if is_new else 1.0),
        200_000,
        Simulation(number=25, minimum=10, seconds=6),
        300,
    )
    assert percentile(new_runs, 0.9) <= 300
    assert {"measure.cost.p50", "measure.cost.p95"} & metrics.keys()


def test_guard_finds_a_version_that_hangs():
    """Runs that never end are a metric: they neither fail nor have a duration."""
    new_runs, metrics = measure_detection(
        lambda rng, n, is_new: SimulatedRun(False, math.inf) if is_new else make_run(rng),
        200_000,
        Simulation(number=50, minimum=50, seconds=4),
        50,
    )
    assert percentile(new_runs, 0.9) <= 10
    assert metrics[NOT_ENDED] >= 0.9 * len(new_runs)


def make_plain(rng, n, is_new):
    return make_run(rng)


def make_long_successes(rng, n, is_new):
    return make_run(rng, success_ms=300_000, failure_ms=1000)


def make_outage_and_load(rng, n, is_new):
    """An outage of a tenth of the step; around it the load makes all runs up to four times as long."""
    load = 1 + 3 * math.sin(math.pi * n / STEP_RUNS)
    return make_run(rng, rate=0.9 if 180 <= n < 220 else BASE_RATE, success_ms=MEDIAN_MS * load)


@pytest.mark.parametrize("make", [make_plain, make_long_successes, make_outage_and_load])
def test_guard_rolls_back_no_equal_version(make):
    """Two equal versions: at most 1 % of all rollouts are rolled back, over all their steps and metrics."""
    rollbacks = Simulation(number=45, minimum=40, seconds=6, seed=make.__name__).play(
        lambda rng: any(find_rollback(start_runs(rng, make, share, STEP_RUNS), share) for share in STEPS)
    )
    print(f"{len(rollbacks)} rollouts: {sum(rollbacks)} false rollbacks")
    assert sum(rollbacks) <= limit_count(len(rollbacks), 0.01)


def draw_keys(rng, number):
    """Return a heavy-tailed list of keys, and the failure rate of each: a tenth of them nearly always fails."""
    keys = [f"k{int(rng.paretovariate(0.4))}" for _ in range(number)]
    return keys, {key: 0.9 if rng.random() < 0.1 else 0.02 for key in dict.fromkeys(keys)}


def start_runs_of_keys(rng, keys, rates, rollout, share):
    """Yield the outcomes of runs whose key decides the side and the failure rate."""
    for n, key in enumerate(keys):
        yield make_run(rng, rate=rates[key]).read(n, n * 1000, key, is_in_share(rollout, key, share), 20_000)


def play_keys(rng, count):
    """Return whether one of three steps with the same keys and failure rates rolls back; the share of keys grows."""
    rollout = f"rollout-{rng.random()}"
    keys, rates = draw_keys(rng, 3 * STEP_RUNS)
    for step, share in enumerate(STEPS):
        part = keys[step * STEP_RUNS : (step + 1) * STEP_RUNS]
        if find_rollback(count(start_runs_of_keys(rng, part, rates, rollout, share)), share):
            return True
    return False


def test_guard_counts_keys_and_not_runs():
    """Some keys have most of the runs, and each key its own failure rate: one outcome a key rolls back at most 1 %.

    Each run of a key as an outcome would roll back far more.
    """
    rollbacks = Simulation(number=45, minimum=40, seconds=6).play(lambda rng: play_keys(rng, select_first_of_keys))
    by_run = Simulation(number=25, minimum=20, seconds=6).play(lambda rng: play_keys(rng, list))
    print(f"{len(rollbacks)} rollouts: {sum(rollbacks)} false rollbacks; {sum(by_run)} of {len(by_run)} if runs count")
    assert sum(rollbacks) <= limit_count(len(rollbacks), 0.01)
    assert sum(by_run) >= 0.1 * len(by_run)


def start_runs_around(rng, make, share, number):
    """Return runs that end after the start of a step, in the order of their ends, also those that started before it."""
    started_at = 300_000
    runs = []
    for n in range(number):
        at = n * 100
        is_new = at >= started_at and rng.random() * 1e6 < share
        run = make(rng, n, is_new)
        if at + run.duration_ms > started_at:
            runs.append((at + run.duration_ms, run.read(n, at, f"k{n}", is_new, 10**9)))
    return [outcome for _, outcome in sorted(runs, key=lambda pair: pair[0])]


def test_guard_counts_runs_at_a_fixed_age():
    """Two equal versions whose successes take long: a count of runs as they end, or of older runs, would roll back."""
    naive = Simulation(number=20, minimum=20, seconds=5).play(
        lambda rng: find_rollback(start_runs_around(rng, make_long_successes, 200_000, 7000), 200_000)
    )
    print(f"{sum(row is not None for row in naive)} of {len(naive)} rolled back")
    assert sum(row is not None for row in naive) >= 0.9 * len(naive)


@pytest.mark.parametrize("base_rate", [0.0, BASE_RATE, 0.3])
def test_guard_seldom_misses_a_version_that_is_worse_by_the_margin(base_rate):
    """Failures more frequent by exactly the margin: "not worse" in at most 5 % of all steps, whenever the step ends."""

    def play(rng):
        make = lambda rng, n, is_new: make_run(rng, rate=base_rate + SETTINGS.margin * is_new)  # noqa: E731
        outcomes = list(start_runs(rng, make, 200_000, 1200))
        ends = range(150, 1201, 150)
        verdicts = [decide_step(outcomes[:end], 200_000).verdict for end in ends]
        return GuardVerdict.NOT_WORSE in verdicts

    missed = Simulation(number=20, minimum=10, seconds=4).play(play)
    print(f"{len(missed)} steps: {sum(missed)} missed")
    assert sum(missed) <= limit_count(len(missed), 0.05)


@pytest.mark.parametrize("share", [50_000, 200_000] if LONG else [200_000])
def test_sample_size_is_enough_in_four_of_five_steps(share):
    """The runs that `rollout start` prints are enough for both verdicts, and they are no waste."""
    not_worse = compute_not_worse_size(share, BASE_RATE, SETTINGS)
    worse = compute_worse_size(share, BASE_RATE, SETTINGS)

    def play(rng, size, rate, verdict):
        make = lambda rng, n, is_new: make_run(rng, rate=rate if is_new else BASE_RATE)  # noqa: E731
        outcomes = start_runs(rng, make, share, size.old_runs + size.new_runs)
        return decide_step(outcomes, share).verdict is verdict

    for size, rate, verdict in [(not_worse, BASE_RATE, GuardVerdict.NOT_WORSE), (worse, 0.25, GuardVerdict.WORSE)]:
        found = Simulation(number=26, minimum=25, seconds=16).play(lambda rng: play(rng, size, rate, verdict))  # noqa: B023
        print(f"{verdict}: {sum(found)} of {len(found)} with {size.new_runs} runs of the new version")
        assert 0.65 <= sum(found) / len(found) <= 0.95
