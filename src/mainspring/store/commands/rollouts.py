"""Commands on rollouts: one is started, and then moved until it has ended."""

from mainspring.domain.rollouts.rollout import InFlightPolicy
from mainspring.domain.rollouts.watched_measurement import WatchedMeasurement
from mainspring.domain.states import RolloutMove
from mainspring.store.commands.base import BookkeepingCommand, StoreCommand
from mainspring.store.commands.bulk_operations import BeginBulkOperation
from mainspring.store.commands.results import CommandDone, NumberAnswer, Refused, RolloutMoved


class StartRollout(StoreCommand[RolloutMoved | Refused], frozen=True, kw_only=True):
    """Divide the new runs of an automation between the version in force and another one. `steps` are shares in millionths.

    `again` = also if a rollout of this version, with the same code, was rolled back or aborted. The other fields are those of `Rollout`.
    Answer: RolloutMoved, Refused not_found | only_candidate | retired | no_version | in_force | no_worker | rollout_active |
    same_code.
    """

    automation: str
    new_version: int
    steps: tuple[int, ...]
    hold_ms: int
    in_flight: InFlightPolicy
    age_ms: int
    margin: int
    watched: tuple[WatchedMeasurement, ...] = ()
    again: bool = False


class MoveRollout(StoreCommand[RolloutMoved | Refused], frozen=True, kw_only=True):
    """Move the last rollout of an automation. Answer: RolloutMoved, Refused no_rollout | no_version | no_worker | rollout_state |
    rollout_finished | stale.

    `rollout` and `step` = the rollout and the step that the sender saw: if they do not count any more, the move is refused. None = any.
    `stop` = the bulk operation that cancels the unfinished runs of the new version, if the rollout is to stop them. The commit sets its
    parts, so no process can die between the move and the operation.
    """

    automation: str
    move: RolloutMove
    reason: str | None = None
    rollout: int | None = None
    step: int | None = None
    stop: BeginBulkOperation | None = None


class MoveRun(StoreCommand[CommandDone | Refused], frozen=True):
    """Give an unfinished run that no session owns another version. Answer: CommandDone, Refused stale (it was claimed or ended since).

    `claim` = its claim number when the other code replayed its journal.
    """

    run: str
    claim: int
    from_version: int
    to_version: int


class CountRolloutRuns(BookkeepingCommand[NumberAnswer], frozen=True):
    """Record the outcomes of up to `limit` runs that count now, in the order of their starts. Answer: NumberAnswer(runs that were read).

    A run counts once, by what it was at the age of the rollout. Of the runs of one key in one step, the first one counts.
    """

    rollout: int
    limit: int


class RecordRolloutEvidence(BookkeepingCommand[CommandDone], frozen=True):
    """Record the evidence of a step (domain.rollouts.guard_state.GuardState as JSON), unless the step is over. Answer: CommandDone."""

    rollout: int
    step: int
    evidence: str
