"""Commands of `mainspring exec`: what it wraps, and runs whose story is told after their end."""

import msgspec

from mainspring.domain.failures.failure import Failure
from mainspring.domain.runs.journal import AttemptRecord, Outcome
from mainspring.domain.states import FailureReason, RunState
from mainspring.store.commands.automations import AutomationRow, ScheduleRow
from mainspring.store.commands.runs import RunKey


class DescribeExecAutomation(msgspec.Struct, frozen=True):
    """Write what a wrapped command is and when it is expected. Answer: Done, Refused taken | retired.

    No deployment is numbered and nothing becomes claimable. Schedules that are given replace those on record; none given leaves them. They
    have no next slot: the caller starts it, we only expect it. A name that a script, task or workflow has is left to it.
    """

    automation: AutomationRow
    schedules: tuple[ScheduleRow, ...] = ()


class RecordExecRun(msgspec.Struct, frozen=True):
    """Write down a run that has ended, with its own instants. Answer: Started(created False = its end was on record), Refused owned.

    The same id again changes nothing. If the run is on record without its end, or as lost with its process, it gets the end told here: the
    word of its owner (`session` and `claim`). `state` is succeeded, failed or cancelled; `output_size` = bytes of what a
    success put out.
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
