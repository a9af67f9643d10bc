"""Acceptance: which commands accept something that would be lost with their commit. Any process can make the other ones again."""

from collections.abc import Iterable
from typing import Any, Final

from mainspring.store.commands.alerts import SettleAlerts, TakeAlerts
from mainspring.store.commands.automations import (
    Announce,
    Audited,
    MakeSlot,
    NoteCircumstances,
    Prune,
    PullBackSchedule,
    ReleaseLock,
    SetMeta,
    SetQueue,
    TakeLock,
)
from mainspring.store.commands.bulk import TakePiece
from mainspring.store.commands.incidents import Acknowledge, Observe, RecordLost, Snooze
from mainspring.store.commands.journal import RecordProcess
from mainspring.store.commands.logs import PruneLines, SaveLines
from mainspring.store.commands.outbox import TakeQueues
from mainspring.store.commands.people import (
    EndWebSession,
    EndWebSessions,
    NoteVisit,
    OfferLink,
    OpenWebSession,
    RefuseSignIn,
)
from mainspring.store.commands.runs import Claim
from mainspring.store.commands.sessions import (
    Beat,
    Bury,
    CloseSession,
    DrainSession,
    MeetClockStep,
    NoteBlocked,
    NoteFindings,
    OpenSession,
    Pardon,
    WakeWorkers,
)
from mainspring.store.commands.triggers import Decide, LetGo, NoteAsked, RefuseArrival, ReportDesk, TakeIn

_NO_WORD: Final = (
    *(Acknowledge, Snooze, DrainSession),
    *(OpenWebSession, RefuseSignIn, EndWebSession, EndWebSessions),
    *(OfferLink, NoteVisit),
)
"""What a person does beside the work."""
_BOOKKEEPING: Final = (
    *_NO_WORD,
    *(OpenSession, Beat, CloseSession, Bury),
    *(NoteBlocked, NoteFindings, MeetClockStep, WakeWorkers, Pardon),
    RecordProcess,
    *(Announce, NoteCircumstances, SetMeta, Prune),
    *(SetQueue, TakeLock, ReleaseLock),
    *(MakeSlot, PullBackSchedule),  # the due times of a store that is put back are made by it
    *(TakeAlerts, SettleAlerts, Observe, RecordLost),
    *(Claim, TakePiece, TakeQueues),  # of a store on hold they get nothing
    *(RefuseArrival, NoteAsked, ReportDesk, Decide, LetGo),
    *(SaveLines, PruneLines),
)


def accept_something(commands: Iterable[Any]) -> bool:
    """Tell whether one of these commands accepts something from outside, or what a person says: a run, a delivery, a decision."""
    return any(_accepts(command) for command in commands)


def _accepts(command: Any) -> bool:
    if isinstance(command, Audited):
        return not isinstance(command.inner, _NO_WORD)
    if isinstance(command, TakeIn):
        return not command.stays
    return not isinstance(command, _BOOKKEEPING)
