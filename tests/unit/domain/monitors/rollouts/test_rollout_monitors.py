"""Findings about rollouts: rolled back by the guard, and a step that is over without enough evidence."""

import msgspec

from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.monitors.inputs import MonitorInputs
from mainspring.domain.monitors.registry import DEFAULT_TUNINGS, MONITORS, evaluate_monitor
from mainspring.domain.monitors.rollout_inputs import WatchedRollout
from mainspring.domain.rollouts.guard import GuardVerdict
from mainspring.domain.rollouts.rollout import InFlightPolicy, Rollout
from mainspring.domain.states import RolloutState
from tests.unit.domain.monitors.monitor_inputs import HOUR, T0, watched

MINUTE = 60_000
ROLLED_BACK, UNDECIDED = IncidentKind.ROLLOUT_ROLLED_BACK, IncidentKind.ROLLOUT_UNDECIDED
ROLLOUT = Rollout(
    *(1, "order", 1, 2, "f", (50_000, 1_000_000), 0, HOUR, InFlightPolicy.FINISH, MINUTE, 50_000),
    *(RolloutState.RUNNING, T0, T0),
)


def find(kind, now_at, rollout, verdict=GuardVerdict.NOT_ENOUGH, new_runs=7, failed=(), **options):
    """Return the findings of one monitor."""
    known = WatchedRollout(rollout, verdict, new_runs, failed)
    inputs = MonitorInputs(automations=(watched("order", **options),), rollouts=(known,))
    evaluations = evaluate_monitor(MONITORS[kind], inputs, DEFAULT_TUNINGS, now_at)
    return [evaluation.finding for evaluation in evaluations if evaluation.finding is not None]


def change(**fields):
    return msgspec.structs.replace(ROLLOUT, **fields)


def test_rollback_is_a_finding_with_its_evidence():
    """It names the metric, the rates, the first of the runs that it means, and the way on."""
    over = change(
        state=RolloutState.ROLLED_BACK, ended_at=T0 + 5, reason="version 2 is worse: its runs fail more often"
    )
    (finding,) = find(ROLLED_BACK, T0 + 6, over, failed=("r_1", "r_2"))
    assert finding.text == "rolled back: version 2 is worse: its runs fail more often; first of them: r_1, r_2"
    assert "mainspring rollout start order --to VERSION" in finding.hint
    assert (finding.since_at, finding.severity) == (T0 + 5, Severity.NOTIFY)
    for state in (RolloutState.RUNNING, RolloutState.PAUSED, RolloutState.ABORTED, RolloutState.FINISHED):
        assert find(ROLLED_BACK, T0 + 6, change(state=state)) == []
    assert find(ROLLED_BACK, T0 + 6, over, retired_at=T0) == []


def test_step_that_is_over_without_enough_evidence_is_a_finding():
    """A minute after its end; not in the time before, nor while it is paused, nor with one side."""
    assert find(UNDECIDED, T0 + HOUR + MINUTE - 1, ROLLOUT) == []
    (finding,) = find(UNDECIDED, T0 + HOUR + MINUTE, ROLLOUT)
    assert finding.text == (
        "step 1 of the rollout to version 2 (5 %) is over, and 7 of its runs are not enough to say whether it is worse"
    )
    assert (finding.since_at, finding.severity) == (T0 + HOUR, Severity.NOTIFY)
    assert find(UNDECIDED, T0 + 2 * HOUR, ROLLOUT, GuardVerdict.NOT_WORSE) == []
    assert find(UNDECIDED, T0 + 2 * HOUR, change(state=RolloutState.PAUSED)) == []
    assert find(UNDECIDED, T0 + 2 * HOUR, change(step=1)) == []
    assert find(UNDECIDED, T0 + 2 * HOUR, ROLLOUT, retired_at=T0) == []
