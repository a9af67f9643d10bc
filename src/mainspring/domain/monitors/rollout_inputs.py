"""Inputs of the monitors of rollouts."""

from msgspec import Struct

from mainspring.domain.rollouts.guard import GuardVerdict
from mainspring.domain.rollouts.rollout import Rollout


class WatchedRollout(Struct, frozen=True):
    """The last rollout of an automation: the verdict of its guard, and the runs of the new version that count in its step.

    `bad_runs` = after a rollback, those of them that are bad in its metric: the first ones, or those with the worst numbers.
    """

    rollout: Rollout
    verdict: GuardVerdict
    new_runs: int
    bad_runs: tuple[str, ...] = ()
