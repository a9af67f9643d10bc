"""Commands on definitions, schedules, queues, locks and the audit log."""

from typing import Any, Final

import msgspec

from mainspring.domain.runs.run_conditions import ConditionSnapshot
from mainspring.store.commands.runs import StartRun
from mainspring.store.commands.triggers import TriggerRow


class ScheduleRow(msgspec.Struct, frozen=True):
    """A schedule as data. `spec` is what time.schedule parses; `next_slot_at` is computed by the announcer for a new or changed spec."""

    name: str
    automation: str
    spec: bytes
    next_slot_at: int | None
    key: str = ""
    """Equal while the schedule is the same one; `spec` may differ meanwhile by what is looked up (dates of holidays)."""
    input: bytes | None = None
    """What its runs are given, sealed: with it and the definition anybody can make a slot, without the code."""
    first_slot_at: int | None = None
    """The first slot of an interval that is added to a store in use: it begins at once. In a new store no slot is of the past."""


class AutomationRow(msgspec.Struct, frozen=True):
    """A definition as data, or the problem that kept it from loading (definition None keeps the last good one), or that this is over."""

    name: str
    kind: str
    version: int
    fingerprint: str
    definition: bytes | None
    was: str | None = None
    problem: str | None = None


class AnnounceDefinitions(msgspec.Struct, frozen=True):
    """Write the definitions this process can run. Answer: Numbered(deployment number).

    Sets what this session may claim: (name, version) of each automation without problem.
    """

    fingerprint: str
    automations: tuple[AutomationRow, ...]
    schedules: tuple[ScheduleRow, ...]
    triggers: tuple[TriggerRow, ...] = ()


class RecordRunConditions(msgspec.Struct, frozen=True):
    """What this process runs under; what differs from what is on record is a change. Answer: Numbered(changes)."""

    found: tuple[ConditionSnapshot, ...]


class PauseAutomation(msgspec.Struct, frozen=True):
    """Start and make nothing of this automation until resumed or `until_at`. Answer: Done, Refused not_found."""

    name: str
    until_at: int | None
    by: str
    reason: str | None


class ResumeAutomation(msgspec.Struct, frozen=True):
    """Undo a pause. Answer: Done, Refused not_found | not_paused."""

    name: str


class RetireAutomation(msgspec.Struct, frozen=True):
    """It is meant to be gone: its schedules end, nobody misses it. Answer: Done, Refused not_found."""

    name: str


class MakeSlot(msgspec.Struct, frozen=True):
    """Serve one due time: the slot's row, its run (if any) and the next due time in one commit. Answer: Started, Done, Refused taken.

    `verdict` = a SlotVerdict.
    """

    schedule: str
    slot_at: int
    next_slot_at: int | None
    verdict: str
    start: StartRun | None = None
    note: str | None = None


class PullBackSchedule(msgspec.Struct, frozen=True):
    """Let a schedule go on from now whose slots were made by a clock that has been put back since: it would wait for those to pass.

    A slot that has its run keeps it, and is passed over when it comes. Nothing happens to one that is not ahead. Answer: Done.
    """

    schedule: str
    next_slot_at: int | None


BACKFILL: Final = "backfill of "
"""How the trigger of a run begins that a backfill made: until it has begun no due slot waits for it."""


class BackfillSlot(msgspec.Struct, frozen=True):
    """Make the run of a slot of the past that has none: below low water, missed or skipped. For people, as an act.

    Answer: Started, Refused has_run | not_past (its schedule will come to it) | not_found, or as StartRun.
    """

    schedule: str
    slot_at: int
    start: StartRun
    note: str


class DismissSlot(msgspec.Struct, frozen=True):
    """Decide that a due time of the lost interval gets no run. Answer: Done, Refused not_found (it needs no decision)."""

    schedule: str
    slot_at: int
    note: str


class SetQueue(msgspec.Struct, frozen=True):
    """Make or change a queue's limits (None = no limit). Answer: Done."""

    name: str
    concurrency: int | None = None
    rate_count: int | None = None
    rate_per_ms: int | None = None
    max_backlog: int | None = None


class PauseQueue(msgspec.Struct, frozen=True):
    """Claim nothing from a queue, or go on. Answer: Done, Refused not_found."""

    name: str
    paused: bool
    by: str
    reason: str | None = None


class AcquireLock(msgspec.Struct, frozen=True):
    """Take a lock for the sending session. Answer: Numbered(fencing token), Refused held (text names the holder)."""

    name: str
    owner: str
    note: str | None = None


class ReleaseLock(msgspec.Struct, frozen=True):
    """Let a lock go. Answer: Done, Refused not_held."""

    name: str
    token: int


class BreakLock(msgspec.Struct, frozen=True):
    """Take a lock away from whoever holds it. Answer: Done, Refused not_found."""

    name: str


class SetMeta(msgspec.Struct, frozen=True):
    """Write or delete (value None) one entry of `meta`, e.g. `held`. Answer: Done."""

    key: str
    value: str | None


class ApplyRetention(msgspec.Struct, frozen=True):
    """Delete what is older than its retention, at most `limit` runs. Answer: Numbered(runs deleted).

    Each instant is the newest finish that goes; None keeps all. Whatever an unfinished run can still ask for stays.
    """

    succeeded_before: int | None
    failed_before: int | None
    cancelled_before: int | None
    events_before: int | None
    rollups_before: int | None
    limit: int = 500


class AuditedCommand(msgspec.Struct, frozen=True):
    """An act of a person or program: the inner command and its audit row are one commit; the same command id answers as before."""

    command: str
    actor: str
    verb: str
    subject: str
    inner: Any
    reason: str | None = None
    detail: dict[str, Any] | None = None
