"""Commands on automations: definitions, schedules, queues, locks and the audit log."""

from collections.abc import Mapping
from typing import Final, Generic

import msgspec

from mainspring.domain.runs.run_conditions import ConditionSnapshot
from mainspring.store.commands.base import Answer_co, BookkeepingCommand, PersonalCommand, StoreCommand
from mainspring.store.commands.results import CommandDone, LockGranted, NumberAnswer, Refused, StartAnswer
from mainspring.store.commands.runs import CancelRun, StartRun
from mainspring.store.commands.triggers import TriggerRow


class ScheduleRow(msgspec.Struct, frozen=True):
    """A schedule as data. `spec` is the input of domain.time.schedule; the announcer computes `next_slot_at` for a new
    or changed spec.
    """

    name: str
    automation: str
    spec: bytes
    next_slot_at: int | None
    key: str = ""
    """Equal while the schedule is the same; looked-up parts of `spec` (dates of holidays) may differ."""
    input: bytes | None = None
    """The sealed input of its runs: with it and the definition any process can make a slot, without the code."""
    first_slot_at: int | None = None
    """The first slot of an interval that is added to a store in use: it starts at once. In a new store no slot lies in
    the past.
    """
    version: int = 1
    """The version of the automation that has it."""


class AutomationRow(msgspec.Struct, frozen=True):
    """A definition as data, or the problem that kept it from loading (definition None keeps the last good one). `was` =
    its earlier name. `is_candidate` = it is declared with rollout=True, so it is not in force before a rollout.
    """

    name: str
    kind: str
    version: int
    fingerprint: str
    definition: bytes | None
    was: str | None = None
    problem: str | None = None
    is_candidate: bool = False


class AnnounceDefinitions(BookkeepingCommand[NumberAnswer], frozen=True):
    """Write the definitions that this process can run. Answer: NumberAnswer(deployment number).

    Each version is recorded; schedules, triggers and options count for the one in force (docs/adr/0035-rollouts.md).
    Sets what this session may claim: (name, version) of each automation without a problem.
    """

    fingerprint: str
    automations: tuple[AutomationRow, ...]
    schedules: tuple[ScheduleRow, ...]
    triggers: tuple[TriggerRow, ...] = ()


class RecordRunConditions(BookkeepingCommand[NumberAnswer], frozen=True):
    """Record the run conditions of this process; a difference from the record is a change. Answer:
    NumberAnswer(changes).
    """

    found: tuple[ConditionSnapshot, ...]


class PauseAutomation(StoreCommand[CommandDone | Refused], frozen=True):
    """Start and create no runs of this automation until it is resumed or until `until_at`. Answer: CommandDone, Refused
    not_found.
    """

    name: str
    until_at: int | None
    by: str
    reason: str | None


class ResumeAutomation(StoreCommand[CommandDone | Refused], frozen=True):
    """End a pause or a retirement. Answer: CommandDone, Refused not_found | not_paused."""

    name: str


class RetireAutomation(StoreCommand[CommandDone | Refused], frozen=True):
    """Retire an automation: its schedules end, and monitoring does not expect it. Answer: CommandDone, Refused
    not_found.
    """

    name: str


class MakeSlot(BookkeepingCommand[StartAnswer | CommandDone | Refused], frozen=True):
    """Serve one due time: the slot's row, its run (if any), the cancel of the runs that it replaces and the next due
    time in one commit. Answer: StartAnswer, CommandDone, Refused taken | stale_plan.

    `verdict` = a SlotVerdict. `version` = that of the schedule for which it was planned; None = any.
    """

    schedule: str
    slot_at: int
    next_slot_at: int | None
    verdict: str
    start: StartRun | None = None
    note: str | None = None
    version: int | None = None
    cancels: tuple[CancelRun, ...] = ()


class PullBackSchedule(BookkeepingCommand[CommandDone], frozen=True):
    """Continue a schedule from now on if its slots lie ahead because a clock was ahead: it would wait for those to
    pass.

    A slot with a run keeps it, and is skipped when it is due. A schedule that is not ahead stays unchanged. Answer:
    CommandDone.
    """

    schedule: str
    next_slot_at: int | None


BACKFILL: Final = "backfill of "
"""Prefix of the trigger of runs that a backfill created: no due slot waits for such a run before it has started."""


class BackfillSlot(StoreCommand[StartAnswer | Refused], frozen=True):
    """Create the run of a past slot without one: below low water, missed or skipped. For people, as an operation. `again` = also a
    new run for a slot whose run has ended: the newest run counts.

    Answer: StartAnswer, Refused has_run | not_past (its schedule will serve it) | not_found, or as StartRun.
    """

    schedule: str
    slot_at: int
    start: StartRun
    note: str
    again: bool = False


class DismissSlot(StoreCommand[CommandDone | Refused], frozen=True):
    """Decide that a due time of the lost interval gets no run. Answer: CommandDone, Refused not_found (it needs no
    decision).
    """

    schedule: str
    slot_at: int
    note: str


class SetQueue(BookkeepingCommand[CommandDone], frozen=True):
    """Create a queue, or change its limits (None = no limit). Answer: CommandDone."""

    name: str
    concurrency: int | None = None
    rate_count: int | None = None
    rate_per_ms: int | None = None
    max_backlog: int | None = None


class PauseQueue(StoreCommand[CommandDone | Refused], frozen=True):
    """Pause a queue, so that nothing is claimed from it, or resume it. Answer: CommandDone, Refused not_found."""

    name: str
    paused: bool
    by: str
    reason: str | None = None


class AcquireLock(BookkeepingCommand[LockGranted | Refused], frozen=True):
    """Acquire one of the `slots` of a lock for an owner in the sending session. Answer: LockGranted, Refused held (text
    names the holders) or slots (others use another number).

    If it is held and `wait_ms` is not 0, the owner waits in line: send the command again after each change of the store.
    With `wait_ms` 0 the owner leaves the line.
    """

    name: str
    owner: str
    note: str | None = None
    slots: int = 1
    wait_ms: int = 0


class CancelLockWait(BookkeepingCommand[CommandDone], frozen=True):
    """Leave the line of a lock; what was granted before is released. Answer: CommandDone."""

    name: str
    owner: str


class ReleaseLock(BookkeepingCommand[CommandDone | Refused], frozen=True):
    """Release a lock; the next waiter gets it. Answer: CommandDone, Refused not_held."""

    name: str
    token: int


class BreakLock(StoreCommand[CommandDone | Refused], frozen=True):
    """Take a lock from its holder, or from all; `slot` = only that one. Answer: CommandDone, Refused not_found."""

    name: str
    slot: int | None = None


class SetMeta(BookkeepingCommand[CommandDone], frozen=True):
    """Write or delete (value None) one entry of `meta`, e.g. `held`. Answer: CommandDone."""

    key: str
    value: str | None


class ApplyRetention(BookkeepingCommand[NumberAnswer], frozen=True):
    """Delete what is older than its retention, at most `limit` runs, and give free slots to runs in line. Answer: NumberAnswer(runs
    deleted).

    Each instant is the newest finish to delete; None keeps all. What an unfinished run can still read stays.
    """

    succeeded_before: int | None
    failed_before: int | None
    cancelled_before: int | None
    events_before: int | None
    rollups_before: int | None
    limit: int = 500


class AuditedCommand(StoreCommand[Answer_co | Refused], Generic[Answer_co], frozen=True):
    """An operation of a person or program: the inner command and its audit row are one commit; the same command id gets
    the same answer. Answer: that of the inner command, Refused command_used.
    """

    command: str
    actor: str
    verb: str
    subject: str
    inner: StoreCommand[Answer_co]
    reason: str | None = None
    detail: Mapping[str, object] | None = None

    def accepts_input(self) -> bool:
        """Whether a person decided something about runs."""
        return not isinstance(self.inner, PersonalCommand)
