"""Handlers of the commands in `store/commands/automations.py`."""

from typing import Final

from mainspring.store.commands.automations import (
    AcquireLock,
    AnnounceDefinitions,
    ApplyRetention,
    AuditedCommand,
    BackfillSlot,
    BreakLock,
    CancelLockWait,
    DismissSlot,
    MakeSlot,
    PauseAutomation,
    PauseQueue,
    PullBackSchedule,
    RecordRunConditions,
    ReleaseLock,
    ResumeAutomation,
    RetireAutomation,
    SetMeta,
    SetQueue,
)
from mainspring.store.commands.base import Answer
from mainspring.store.commands.results import Refused
from mainspring.store.transaction import HandlerTable, Transaction
from mainspring.store.write import audit_log, automations, held_store, locks, queues, retention, run_conditions
from mainspring.store.write.command_handlers import HANDLERS as ALL_HANDLERS
from mainspring.store.write.triggers import schedules


def _run_audited(tx: Transaction, command: AuditedCommand[Answer]) -> Answer | Refused:
    return audit_log.run_audited(tx, command, ALL_HANDLERS)


HANDLERS: Final[HandlerTable] = dict(
    (
        SetQueue.answered_by(queues.set_queue),
        PauseQueue.answered_by(queues.pause_queue),
        AnnounceDefinitions.answered_by(automations.announce_definitions),
        RecordRunConditions.answered_by(run_conditions.record_run_conditions),
        PauseAutomation.answered_by(automations.pause_automation),
        ResumeAutomation.answered_by(automations.resume_automation),
        RetireAutomation.answered_by(automations.retire_automation),
        MakeSlot.answered_by(schedules.make_slot),
        BackfillSlot.answered_by(schedules.backfill_slot),
        DismissSlot.answered_by(held_store.dismiss_slot),
        PullBackSchedule.answered_by(schedules.pull_back_schedule),
        AcquireLock.answered_by(locks.acquire_lock),
        CancelLockWait.answered_by(locks.cancel_lock_wait),
        ReleaseLock.answered_by(locks.release_lock),
        BreakLock.answered_by(locks.break_lock),
        SetMeta.answered_by(locks.set_meta),
        ApplyRetention.answered_by(retention.apply_retention),
        AuditedCommand.answered_by(_run_audited),
    )
)
