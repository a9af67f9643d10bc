"""Weeks of outputs, day by day, and what did_nothing says of each run."""

import math
import random
from collections.abc import Callable, Iterator

from mainspring.domain.incidents.incident import IncidentKind, Subject
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.domain.monitors.outcomes.output_sizes import SIZE_HISTORY_MS, summarize_sizes
from mainspring.domain.runs.output_size import bucket_minimum, size_bucket
from tests.unit.domain.monitors.monitor_inputs import DAY, T0, end, evaluate, watched

KIND = IncidentKind.DID_NOTHING
Draw = Callable[[int, random.Random], float]
"""The bytes of a run of this day."""

SERIES: dict[str, Draw] = {
    "constant": lambda day, rng: 1_000,
    "growing": lambda day, rng: 1_000 * 1.05**day,
    "shrinking": lambda day, rng: 10**6 * 0.97**day,
    "log-normal": lambda day, rng: 10**5 * math.exp(rng.gauss(0, 1)),
    "weekends empty": lambda day, rng: 0 if day % 7 >= 5 else 5_000,
    "mondays large": lambda day, rng: 10**6 if day % 7 == 0 else 500,
    "every other empty": lambda day, rng: 500 * (rng.random() < 0.5),
    "always empty": lambda day, rng: 0,
}
"""Plausible outputs; none is a finding."""


def of_runs(sizes: list[list[int]]) -> Iterator[Evaluation]:
    """What is said of each run, day by day, by one who tells and remembers what he told."""
    open_now: frozenset[Subject] = frozenset()
    counted: list[tuple[int, int, int]] = []
    for day, sizes_of_day in enumerate(sizes):
        at = T0 + day * DAY
        known = summarize_sizes([row for row in counted if row[0] >= at - SIZE_HISTORY_MS], at)
        for size in sizes_of_day:
            facts = MonitorInputs(automations=(watched(ends=(end(at, size=size),), sizes=known),), open=open_now)
            (evaluation,) = evaluate(KIND, facts, at)
            open_now = frozenset() if evaluation.finding is None else frozenset({evaluation.subject})
            yield evaluation
        counted += [(at, bucket_minimum(size_bucket(size)), 1) for size in sizes_of_day]


def draw_sample(draw: Draw, days: int, a_day: int, seed: int) -> list[list[int]]:
    """Days of runs of one series."""
    rng = random.Random(seed)
    return [[round(draw(day, rng)) for _ in range(a_day)] for day in range(days)]
