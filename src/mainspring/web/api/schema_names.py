"""Schema names: what a class is called in the API document, where its name in the code is another one.

Clients are generated from the document, so a name in it stays when a class is renamed. A class that is not listed has one name.
"""

from typing import Any, Final

from mainspring.domain.access.permissions import SignInMethod
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.domain.notifications.notification import NotificationEvent, NotificationField
from mainspring.domain.processes.process_finding import ProcessFindingKind
from mainspring.domain.processes.worker_loss import LossDetection
from mainspring.insight.dead_letters import DeadLetters
from mainspring.insight.due_times import PastDue
from mainspring.insight.gatherings import Gathering
from mainspring.insight.handover import Handover, Left, Paused, PersonsAct, Told
from mainspring.insight.health import Organ
from mainspring.insight.origins import HeldUp
from mainspring.insight.remedies import Can
from mainspring.insight.search import Hit, HitKind
from mainspring.insight.soon import Due, Moving, Silent, Strip
from mainspring.service.hold import Decision
from mainspring.store.trigger_views import HeldGroup
from mainspring.store.views import Capped, GivenRun
from mainspring.web.api.automations import AutomationShown, Backfill, Backfilled, Pause, RunStarted
from mainspring.web.api.bodies import Because, Done
from mainspring.web.api.bulk import Answered, CancelWhich, RetryWhich, Which
from mainspring.web.api.bulk_acts import AskedReplay, Begun
from mainspring.web.api.channels import ChannelShown, ChannelTried
from mainspring.web.api.events import Event, EventPublished, EventShown
from mainspring.web.api.incidents import Acknowledge, IncidentShown, RunbookShown, Snooze
from mainspring.web.api.monitors import MonitorShown
from mainspring.web.api.now import Now
from mainspring.web.api.outbox import Messages
from mainspring.web.api.people import (
    NewPassword,
    NewPerson,
    NewToken,
    PersonShown,
    Rights,
    SessionsEnded,
    SessionShown,
    TokenMade,
    TokenShown,
)
from mainspring.web.api.run_acts import Answer, Cancel, GivenResult, MarkDone, Retry, Signal
from mainspring.web.api.runs import Differences
from mainspring.web.api.schedule import AgendaShown
from mainspring.web.api.settings import SettingShown
from mainspring.web.api.standings import AutomationFigures, DueShown
from mainspring.web.api.triggers import Replayed, TriggerShown
from mainspring.web.api.undecided import Decided
from mainspring.web.api.workers import Freed

SCHEMA_NAMES: Final[dict[type, str]] = {
    NotificationEvent: "About",
    Acknowledge: "Acknowledge",
    AgendaShown: "AgendaShown",
    Answer: "Answer",
    Answered: "Answered",
    AskedReplay: "AskedReplay",
    AutomationFigures: "AutomationFigures",
    AutomationShown: "AutomationShown",
    Backfill: "Backfill",
    Backfilled: "Backfilled",
    Because: "Because",
    Begun: "Begun",
    Can: "Can",
    Cancel: "Cancel",
    CancelWhich: "CancelWhich",
    Capped: "Capped",
    ChannelShown: "ChannelShown",
    ChannelTried: "ChannelTried",
    DeadLetters: "DeadLetters",
    Decided: "Decided",
    Decision: "Decision",
    Differences: "Differences",
    Done: "Done",
    Due: "Due",
    DueShown: "DueShown",
    Event: "Event",
    EventPublished: "EventPublished",
    EventShown: "EventShown",
    NotificationField: "Field",
    ProcessFindingKind: "FindingKind",
    Freed: "Freed",
    Gathering: "Gathering",
    GivenResult: "GivenResult",
    GivenRun: "GivenRun",
    Handover: "Handover",
    HeldGroup: "HeldGroup",
    HeldUp: "HeldUp",
    Hit: "Hit",
    HitKind: "HitKind",
    IncidentShown: "IncidentShown",
    Evaluation: "Judged",
    FailureKind: "Kind",
    Left: "Left",
    MarkDone: "MarkDone",
    Messages: "Messages",
    MonitorShown: "MonitorShown",
    Moving: "Moving",
    NewPassword: "NewPassword",
    NewPerson: "NewPerson",
    NewToken: "NewToken",
    LossDetection: "Noticed",
    Now: "Now",
    Organ: "Organ",
    PastDue: "PastDue",
    Pause: "Pause",
    Paused: "Paused",
    PersonShown: "PersonShown",
    PersonsAct: "PersonsAct",
    Replayed: "Replayed",
    Retry: "Retry",
    RetryWhich: "RetryWhich",
    Rights: "Rights",
    RunStarted: "RunStarted",
    RunbookShown: "RunbookShown",
    SessionShown: "SessionShown",
    SessionsEnded: "SessionsEnded",
    SettingShown: "SettingShown",
    Signal: "Signal",
    Silent: "Silent",
    Snooze: "Snooze",
    SignInMethod: "Source",
    Strip: "Strip",
    TokenMade: "TokenMade",
    TokenShown: "TokenShown",
    Told: "Told",
    TriggerShown: "TriggerShown",
    Which: "Which",
}


def rename_schemas(schema: Any) -> Any:
    """Return a schema, or several of them by class, with the names of the document in place of those of classes."""
    if isinstance(schema, list):
        return [rename_schemas(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {_NAMES.get(key, key): _rename_value(key, value) for key, value in schema.items()}


def _rename_value(key: str, value: Any) -> Any:
    if key == "title" and isinstance(value, str):
        return _NAMES.get(value, value)
    if key == "$ref":
        before, slash, name = value.rpartition("/")
        return f"{before}{slash}{_NAMES.get(name, name)}"
    return rename_schemas(value)


_NAMES: Final = {
    f"{kind.__name__}{ending}": f"{name}{ending}" for kind, name in SCHEMA_NAMES.items() for ending in ("", "Page")
}
