"""Facts about rollouts for monitors."""

from mainspring.domain.monitors.rollout_inputs import WatchedRollout
from mainspring.domain.rollouts.bad_runs import list_bad_runs
from mainspring.domain.rollouts.guard_settings import FAILED
from mainspring.domain.rollouts.rollout import Rollout
from mainspring.domain.states import ACTIVE_ROLLOUT_STATES, RolloutState
from mainspring.store.base import StoreReader
from mainspring.store.read import rollouts

_MOST_BAD = 3
_MOST_READ = 200
_WATCHED_STATES = ACTIVE_ROLLOUT_STATES | {RolloutState.ROLLED_BACK}


def list_watched_rollouts(reader: StoreReader) -> list[WatchedRollout]:
    """Return the last rollout of each automation, if it divides new runs or was rolled back."""
    return [
        _read_rollout(reader, rollout)
        for rollout in rollouts.list_last_rollouts(reader)
        if rollout.state in _WATCHED_STATES
    ]


def _read_rollout(reader: StoreReader, rollout: Rollout) -> WatchedRollout:
    state = rollouts.read_guard_state(reader, rollout.id)
    comparison = state.evidence.comparisons.get(FAILED)
    bad_runs: list[str] = []
    if rollout.state is RolloutState.ROLLED_BACK:
        counted = rollouts.list_counted_runs_of_version(reader, rollout, rollout.new_version, _MOST_READ)
        outcomes = [run.to_outcome(rollout) for run in counted]
        bad_runs = list_bad_runs(outcomes, state.decision.worse or FAILED, rollout.watched, _MOST_BAD)
    return WatchedRollout(
        rollout, state.decision.verdict, 0 if comparison is None else comparison.new_runs, tuple(bad_runs)
    )
