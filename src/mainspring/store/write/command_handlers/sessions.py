"""Handlers of the commands in `store/commands/sessions.py`."""

from typing import Final

from mainspring.store.commands.sessions import (
    ClearProbation,
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
from mainspring.store.transaction import HandlerTable
from mainspring.store.write import clock_steps, sessions

HANDLERS: Final[HandlerTable] = dict(
    (
        OpenSession.answered_by(sessions.open_session),
        RecordHeartbeat.answered_by(sessions.record_heartbeat),
        ConfirmClockStep.answered_by(clock_steps.confirm_clock_step),
        RecordBlockedLoop.answered_by(sessions.record_blocked_loop),
        RecordProcessFindings.answered_by(sessions.record_process_findings),
        DrainSession.answered_by(sessions.drain_session),
        CloseSession.answered_by(sessions.close_session),
        DeclareSessionDead.answered_by(sessions.declare_session_dead),
        EndProbation.answered_by(sessions.end_probation),
        WakeWorkers.answered_by(sessions.wake_workers),
        ClearProbation.answered_by(sessions.clear_probation),
    )
)
