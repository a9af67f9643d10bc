"""Weeks of outputs, day by day, and what did_nothing says of each run."""

import math
import random
from collections.abc import Callable, Iterator

from mainspring.domain.incidents.incident import IncidentKind, Subject
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.domain.monitors.outcomes.output_sizes import SIZE_HISTORY_MS, summarize_sizes
from mainspring.domain.runs.output_size import bucket_minimum, size_bucket
from tests.unit.domain.monitors.looking import DAY, T0, end, look, watched

KIND = IncidentKind.DID_NOTHING
Draw = Callable[[int, random.Random], float]
"""The bytes of a run of this day."""

SERIES: dict[str, Draw] = {
    "constant": lambda day, chance: 1_000,
    "growing": lambda day, chance: 1_000 * 1.05**day,
    "shrinking": lambda day, chance: 10**6 * 0.97**day,
    "log-normal": lambda day, chance: 10**5 * math.exp(chance.gauss(0, 1)),
    "weekends empty": lambda day, chance: 0 if day % 7 >= 5 else 5_000,
    "mondays large": lambda day, chance: 10**6 if day % 7 == 0 else 500,
    "every other empty": lambda day, chance: 500 * (chance.random() < 0.5),
    "always empty": lambda day, chance: 0,
}
"""What outputs plausibly look like, of which none is wrong."""


def of_runs(sizes: list[list[int]]) -> Iterator[Evaluation]:
    """What is said of each run, day by day, by one who tells and remembers what he told."""
    open_now: frozenset[Subject] = frozenset()
    counted: list[tuple[int, int, int]] = []
    for day, those in enumerate(sizes):
        at = T0 + day * DAY
        known = summarize_sizes([row for row in counted if row[0] >= at - SIZE_HISTORY_MS], at)
        for size in those:
            facts = MonitorInputs(automations=(watched(ends=(end(at, size=size),), sizes=known),), open=open_now)
            (judged,) = look(KIND, facts, at)
            open_now = frozenset() if judged.finding is None else frozenset({judged.subject})
            yield judged
        counted += [(at, bucket_minimum(size_bucket(size)), 1) for size in those]


def drawn(draw: Draw, days: int, a_day: int, seed: int) -> list[list[int]]:
    """Days of runs of one series."""
    chance = random.Random(seed)
    return [[round(draw(day, chance)) for _ in range(a_day)] for day in range(days)]
