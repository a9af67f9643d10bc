"""Outcomes of runs, as a store has them."""

import random

from mainspring.domain.rollouts.run_outcome import RunOutcome, RunOutcomeKind

KINDS = {"s": RunOutcomeKind.SUCCEEDED, "f": RunOutcomeKind.FAILED, "n": RunOutcomeKind.NOT_ENDED}


def make_outcome(number, side, kind="s", duration_ms=1000, key=None):
    """Return an outcome; side = old or new, kind = the first letter."""
    duration = None if kind == "n" else duration_ms
    return RunOutcome(f"r{number:04}", key or f"k{number}", number, side == "new", KINDS[kind], duration)


def make_outcomes(seed, number, new_rate=0.05):
    """Return outcomes of a step with a share of 20 %, in the order of starts; some start at the same instant."""
    rng = random.Random(seed)
    outcomes = []
    for n in range(number):
        side = "new" if rng.random() < 0.2 else "old"
        draw = rng.random()
        kind = "f" if draw < (new_rate if side == "new" else 0.05) else "n" if draw > 0.95 else "s"
        outcomes.append(make_outcome(n, side, kind, rng.randrange(500, 2000)))
    return outcomes


def select_first_of_keys(outcomes):
    """Return the first outcome of each key in the order of starts, as a store counts them."""
    first = {}
    for outcome in sorted(outcomes, key=lambda outcome: (outcome.started_at, outcome.run_id)):
        first.setdefault(outcome.key, outcome)
    return list(first.values())
