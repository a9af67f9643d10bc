"""Plan of a rollout's steps: how many runs each step needs before the next one, and how long that takes at today's traffic."""

import math

import msgspec

from mainspring.domain.flags.flag import SHARE_UNITS
from mainspring.domain.flags.flag_text import to_percent
from mainspring.domain.rollouts.guard_state import make_guard_settings
from mainspring.domain.rollouts.rollout import Rollout
from mainspring.domain.rollouts.sample_size import compute_not_worse_size, compute_worse_size
from mainspring.store.base import StoreReader
from mainspring.store.read.automations.automation_stats import counted_between

_DAY_MS, _MINUTE_MS = 86_400_000, 60_000
_BASE_RATE = 0.01
"""Share of runs that fail, for an automation without runs in the last day."""


class RolloutStepPlan(msgspec.Struct, frozen=True):
    """A step that divides the keys. `runs` = runs of both versions until the next step may follow, if both are equally good.

    `new_runs` = those of the new version. `worse_runs` = its runs until a rollback, if 20 points more of them fail. `duration_ms` =
    the time for `runs` at the traffic of the last day, at least the hold; None = no traffic.
    """

    percent: float
    runs: int
    new_runs: int
    worse_runs: int | None
    duration_ms: int | None


def plan_steps(reader: StoreReader, rollout: Rollout, now: int) -> list[RolloutStepPlan]:
    """Return the plan of each step that divides the keys. It is an estimate, with the failures and the traffic of the last day."""
    counts = counted_between(reader, rollout.automation, now - _DAY_MS, now + _MINUTE_MS)
    ended = counts.succeeded + counts.failed
    rate = counts.failed / ended if ended else _BASE_RATE
    settings = make_guard_settings(rollout)
    plans = []
    for share in rollout.steps:
        size = compute_not_worse_size(share, rate, settings) if share < SHARE_UNITS else None
        if size is None:
            continue
        worse = compute_worse_size(share, rate, settings)
        runs = size.old_runs + size.new_runs
        duration_ms = max(rollout.hold_ms, math.ceil(runs * _DAY_MS / ended) + rollout.age_ms) if ended else None
        plans.append(
            RolloutStepPlan(
                to_percent(share), runs, size.new_runs, None if worse is None else worse.new_runs, duration_ms
            )
        )
    return plans
