"""Which commands accept something that would be lost with their commit. The others keep the books: any process makes them again."""

from collections.abc import Iterable
from typing import Any, Final

from mainspring.store.commands import (
    alerts,
    automations,
    bulk,
    incidents,
    journal,
    logs,
    outbox,
    people,
    runs,
    sessions,
    triggers,
)

_NO_WORD: Final = (
    *(incidents.Acknowledge, incidents.Snooze, sessions.DrainSession),
    *(people.OpenWebSession, people.RefuseSignIn, people.EndWebSession, people.EndWebSessions),
    *(people.OfferLink, people.NoteVisit),
)
"""What a person does beside the work."""
_BOOKKEEPING: Final = (
    *_NO_WORD,
    *(sessions.OpenSession, sessions.Beat, sessions.CloseSession, sessions.Bury),
    *(sessions.NoteBlocked, sessions.NoteFindings, sessions.MeetClockStep, sessions.WakeWorkers, sessions.Pardon),
    journal.RecordProcess,
    *(automations.Announce, automations.NoteCircumstances, automations.SetMeta, automations.Prune),
    *(automations.SetQueue, automations.TakeLock, automations.ReleaseLock),
    *(automations.MakeSlot, automations.PullBackSchedule),  # the due times of a store that is put back are made by it
    *(alerts.TakeAlerts, alerts.SettleAlerts, incidents.Observe, incidents.RecordLost),
    *(runs.Claim, bulk.TakePiece, outbox.TakeQueues),  # of a store on hold they get nothing
    *(triggers.RefuseArrival, triggers.NoteAsked, triggers.ReportDesk, triggers.Decide, triggers.LetGo),
    *(logs.SaveLines, logs.PruneLines),
)


def accept_something(commands: Iterable[Any]) -> bool:
    """Tell whether one of these commands accepts something from outside, or what a person says: a run, a delivery, a decision."""
    return any(_accepts(command) for command in commands)


def _accepts(command: Any) -> bool:
    if isinstance(command, automations.Audited):
        return not isinstance(command.inner, _NO_WORD)
    if isinstance(command, triggers.TakeIn):
        return not command.stays
    return not isinstance(command, _BOOKKEEPING)
