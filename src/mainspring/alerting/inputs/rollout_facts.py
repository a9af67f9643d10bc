"""Facts about rollouts for monitors."""

from mainspring.domain.monitors.rollout_inputs import WatchedRollout
from mainspring.domain.rollouts.guard_settings import FAILED
from mainspring.domain.rollouts.rollout import Rollout
from mainspring.domain.rollouts.run_outcome import RunOutcomeKind
from mainspring.domain.states import ACTIVE_ROLLOUT_STATES, RolloutState
from mainspring.store.base import StoreReader
from mainspring.store.read import rollouts

_MOST_BAD = 3
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
    outcome = RunOutcomeKind.FAILED if state.decision.worse in (None, FAILED) else RunOutcomeKind.NOT_ENDED
    bad_runs = rollouts.list_bad_runs(reader, rollout, outcome, _MOST_BAD)
    return WatchedRollout(
        rollout, state.decision.verdict, 0 if comparison is None else comparison.new_runs, tuple(bad_runs)
    )
