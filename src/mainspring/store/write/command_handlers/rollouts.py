"""Handlers of the commands in `store/commands/rollouts.py`."""

from typing import Final

from mainspring.store.commands.rollouts import (
    CountRolloutRuns,
    MoveRollout,
    MoveRun,
    RecordRolloutEvidence,
    StartRollout,
)
from mainspring.store.transaction import HandlerTable
from mainspring.store.write import rollouts

HANDLERS: Final[HandlerTable] = dict(
    (
        StartRollout.answered_by(rollouts.start_rollout),
        MoveRollout.answered_by(rollouts.move_rollout),
        MoveRun.answered_by(rollouts.move_run),
        CountRolloutRuns.answered_by(rollouts.count_rollout_runs),
        RecordRolloutEvidence.answered_by(rollouts.record_rollout_evidence),
    )
)
