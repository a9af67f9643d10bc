"""Commands of `mainspring exec`: the automation that it wraps, and runs that are recorded after their end."""

from mainspring.domain.failures.failure import Failure
from mainspring.domain.incidents.incident_members import WHOLE_AUTOMATION, HealthRule
from mainspring.domain.runs.journal import AttemptRecord, Outcome
from mainspring.domain.states import FailureReason, RunState
from mainspring.store.commands.automations import AutomationRow, ScheduleRow
from mainspring.store.commands.base import StoreCommand
from mainspring.store.commands.results import CommandDone, Refused, StartAnswer
from mainspring.store.commands.runs import RunKey


class DescribeExecAutomation(StoreCommand[CommandDone | Refused], frozen=True):
    """Describe a wrapped command and when it is expected. Answer: CommandDone, Refused taken | retired.

    No deployment is numbered and nothing becomes claimable. Given schedules replace those on record; none given leaves
    them. They have no next slot: the caller starts the command, Mainspring only expects it. The name of a script, task
    or workflow is left to it.
    """

    automation: AutomationRow
    schedules: tuple[ScheduleRow, ...] = ()


class RecordExecRun(StoreCommand[StartAnswer | Refused], frozen=True):
    """Record a run that has ended, with its own instants. Answer: StartAnswer(created False = its end was on record),
    Refused owned.

    The same id again changes nothing. If the run is on record without its end, or as lost with its process, it gets
    this end, because its owner reports it (`session` and `claim`). `state` is succeeded, failed or cancelled;
    `output_size` = bytes of the output of a success. `healthy`, `item` are those of StartRun.
    """

    id: str
    automation: str
    kind: str
    version: int
    title: str | None
    trigger: str
    codec: str
    input: bytes
    state: RunState
    started_at: int
    finished_at: int
    result: bytes | None = None
    failure: Failure | None = None
    reason: FailureReason | None = None
    run_key: RunKey | None = None
    outcome: Outcome | None = None
    attempts: tuple[AttemptRecord, ...] = ()
    session: int | None = None
    claim: int = 1
    output_size: int | None = None
    healthy: HealthRule = HealthRule.AUTOMATION
    item: str | None = WHOLE_AUTOMATION
