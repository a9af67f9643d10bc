"""Acceptance: which commands accept something that would be lost with their commit. Any process can make the other ones again."""

from collections.abc import Iterable
from typing import Any, Final

from mainspring.store.commands.alerts import LeaseChannels, SettleAlerts
from mainspring.store.commands.automations import (
    AcquireLock,
    AnnounceDefinitions,
    ApplyRetention,
    AuditedCommand,
    MakeSlot,
    PullBackSchedule,
    RecordRunConditions,
    ReleaseLock,
    SetMeta,
    SetQueue,
)
from mainspring.store.commands.bulk_operations import LeaseBulkBatch
from mainspring.store.commands.incidents import AcknowledgeIncident, RecordEvaluation, RecordStoreOutage, SnoozeIncident
from mainspring.store.commands.journal import RecordProcessGroup
from mainspring.store.commands.logs import PruneLogs, SaveLogs
from mainspring.store.commands.outbox import LeaseQueues
from mainspring.store.commands.people import (
    CreateStartLink,
    EndWebSession,
    EndWebSessions,
    OpenWebSession,
    RecordFailedSignIn,
    RecordVisit,
)
from mainspring.store.commands.runs import ClaimRuns
from mainspring.store.commands.sessions import (
    CloseSession,
    ConfirmClockStep,
    DeclareSessionDead,
    DrainSession,
    EndProbation,
    OpenSession,
    RecordBlockedLoop,
    RecordHeartbeat,
    RecordProcessFindings,
    WakeWorkers,
)
from mainspring.store.commands.triggers import (
    AcceptDelivery,
    DecideDelivery,
    RecordFilterCall,
    RejectDelivery,
    ReleaseHeldDeliveries,
    ReportConsumer,
)

_NO_WORD: Final = (
    *(AcknowledgeIncident, SnoozeIncident, DrainSession),
    *(OpenWebSession, RecordFailedSignIn, EndWebSession, EndWebSessions),
    *(CreateStartLink, RecordVisit),
)
"""What a person does beside the work."""
_BOOKKEEPING: Final = (
    *_NO_WORD,
    *(OpenSession, RecordHeartbeat, CloseSession, DeclareSessionDead),
    *(RecordBlockedLoop, RecordProcessFindings, ConfirmClockStep, WakeWorkers, EndProbation),
    RecordProcessGroup,
    *(AnnounceDefinitions, RecordRunConditions, SetMeta, ApplyRetention),
    *(SetQueue, AcquireLock, ReleaseLock),
    *(MakeSlot, PullBackSchedule),  # the due times of a store that is put back are made by it
    *(LeaseChannels, SettleAlerts, RecordEvaluation, RecordStoreOutage),
    *(ClaimRuns, LeaseBulkBatch, LeaseQueues),  # of a store on hold they get nothing
    *(RejectDelivery, RecordFilterCall, ReportConsumer, DecideDelivery, ReleaseHeldDeliveries),
    *(SaveLogs, PruneLogs),
)


def accepts_input(commands: Iterable[Any]) -> bool:
    """Tell whether one of these commands accepts something from outside, or what a person says: a run, a delivery, a decision."""
    return any(_accepts(command) for command in commands)


def _accepts(command: Any) -> bool:
    if isinstance(command, AuditedCommand):
        return not isinstance(command.inner, _NO_WORD)
    if isinstance(command, AcceptDelivery):
        return not command.stays
    return not isinstance(command, _BOOKKEEPING)
