"""Acceptance: the commands whose input would be lost with their commit. Any process can recreate the others."""

from collections.abc import Iterable
from typing import Final

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
from mainspring.store.commands.base import StoreCommand
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

_PERSONAL: Final = (
    *(AcknowledgeIncident, SnoozeIncident, DrainSession),
    *(OpenWebSession, RecordFailedSignIn, EndWebSession, EndWebSessions),
    *(CreateStartLink, RecordVisit),
)
"""Commands of people that decide nothing about runs."""
_BOOKKEEPING: Final = (
    *_PERSONAL,
    *(OpenSession, RecordHeartbeat, CloseSession, DeclareSessionDead),
    *(RecordBlockedLoop, RecordProcessFindings, ConfirmClockStep, WakeWorkers, EndProbation),
    RecordProcessGroup,
    *(AnnounceDefinitions, RecordRunConditions, SetMeta, ApplyRetention),
    *(SetQueue, AcquireLock, ReleaseLock),
    *(MakeSlot, PullBackSchedule),  # a store that is put back creates its due times again
    *(LeaseChannels, SettleAlerts, RecordEvaluation, RecordStoreOutage),
    *(ClaimRuns, LeaseBulkBatch, LeaseQueues),  # on hold they get nothing
    *(RejectDelivery, RecordFilterCall, ReportConsumer, DecideDelivery, ReleaseHeldDeliveries),
    *(SaveLogs, PruneLogs),
)


def accepts_input(commands: Iterable[StoreCommand[object]]) -> bool:
    """Tell whether one of these commands accepts input from outside or a decision: a run, a delivery, a person's
    choice.
    """
    return any(_accepts(command) for command in commands)


def _accepts(command: StoreCommand[object]) -> bool:
    if isinstance(command, AuditedCommand):
        return not isinstance(command.inner, _PERSONAL)
    if isinstance(command, AcceptDelivery):
        return not command.stays
    return not isinstance(command, _BOOKKEEPING)
