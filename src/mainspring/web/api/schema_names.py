"""Schema names: the name of a class in the API document, if it differs from the name in the code.

Clients are generated from the document, so a name in it stays when a class is renamed. A class that is not listed has one name.
"""

from typing import Any, Final

from mainspring.domain.access.permissions import SignInMethod
from mainspring.domain.failures.verdict import FailureKind
from mainspring.domain.monitors.monitor import Evaluation
from mainspring.domain.notifications.notification import NotificationEvent, NotificationField
from mainspring.domain.processes.process_finding import ProcessFindingKind
from mainspring.domain.processes.worker_loss import LossDetection
from mainspring.insight.automations.due_times import PastDueTime
from mainspring.insight.automations.trust import TrustStats
from mainspring.insight.runs.dead_letters import DeadLetterGroup
from mainspring.insight.runs.run_relations import BlockedAutomation
from mainspring.insight.runs.suggested_commands import SuggestedCommand
from mainspring.insight.status.component_health import ComponentHealth
from mainspring.insight.status.handover import (
    HandoverRemainder,
    IncidentChange,
    PausedAutomation,
    PersonOperation,
    ShiftHandover,
)
from mainspring.insight.status.search import SearchHit, SearchHitKind
from mainspring.insight.status.upcoming import AutomationRuns, RunProgress, SilentAutomation, UpcomingDueTime
from mainspring.insight.triggers.joined_runs import JoinedRunsView
from mainspring.service.restore_hold import RestoreDecision
from mainspring.store.session_views import WorkerView
from mainspring.store.trigger_views import HeldGroup
from mainspring.store.views import Capped, GivenRun, RunHistory
from mainspring.web.api.bodies import OperationRequest, OperationResponse
from mainspring.web.api.endpoints.automation_health import DueTimesDetail, HourlyStats, HourStats
from mainspring.web.api.endpoints.automations import (
    AutomationDetail,
    BackfillRequest,
    BackfillResponse,
    PauseRequest,
    StartRunResponse,
)
from mainspring.web.api.endpoints.bulk import BulkCancelRequest, BulkRequest, BulkResponse, BulkRetryRequest
from mainspring.web.api.endpoints.bulk_operations import BulkOperationResponse, BulkReplayRequest
from mainspring.web.api.endpoints.channels import ChannelDetail, ChannelTestResult
from mainspring.web.api.endpoints.events import EventDetail, PublishEventRequest, PublishEventResponse
from mainspring.web.api.endpoints.incidents import AcknowledgeRequest, IncidentDetail, RunbookDetail, SnoozeRequest
from mainspring.web.api.endpoints.monitors import MonitorDetail
from mainspring.web.api.endpoints.outbox import OutboxRequest
from mainspring.web.api.endpoints.overview import ProjectOverview
from mainspring.web.api.endpoints.people import (
    AddPersonRequest,
    EndSessionsResponse,
    MakeTokenRequest,
    MakeTokenResponse,
    PersonDetail,
    RightsRequest,
    SetPasswordRequest,
    TokenDetail,
    WebSessionDetail,
)
from mainspring.web.api.endpoints.restore import DecideRequest
from mainspring.web.api.endpoints.runs.run_operations import (
    AnswerRequest,
    CancelRequest,
    GiveResultRequest,
    MarkDoneRequest,
    RetryRequest,
    SignalRequest,
)
from mainspring.web.api.endpoints.runs.runs import RunComparison
from mainspring.web.api.endpoints.schedule import AgendaPage
from mainspring.web.api.endpoints.settings import SettingDetail
from mainspring.web.api.endpoints.status import StatusCounts
from mainspring.web.api.endpoints.triggers import ReplayResponse, TriggerStatus
from mainspring.web.api.endpoints.workers import QuarantineResponse

SCHEMA_NAMES: Final[dict[type, str]] = {
    NotificationEvent: "About",
    AcknowledgeRequest: "Acknowledge",
    AgendaPage: "AgendaShown",
    AnswerRequest: "Answer",
    BulkResponse: "Answered",
    BulkReplayRequest: "AskedReplay",
    HourlyStats: "AutomationFigures",
    HourStats: "HourFigures",
    StatusCounts: "StatusFigures",
    AutomationDetail: "AutomationShown",
    BackfillRequest: "Backfill",
    BackfillResponse: "Backfilled",
    OperationRequest: "Because",
    BulkOperationResponse: "Begun",
    SuggestedCommand: "Can",
    CancelRequest: "Cancel",
    BulkCancelRequest: "CancelWhich",
    Capped: "Capped",
    ChannelDetail: "ChannelShown",
    ChannelTestResult: "ChannelTried",
    DeadLetterGroup: "DeadLetters",
    DecideRequest: "Decided",
    RestoreDecision: "Decision",
    RunComparison: "Differences",
    OperationResponse: "Done",
    UpcomingDueTime: "Due",
    DueTimesDetail: "DueShown",
    PublishEventRequest: "Event",
    PublishEventResponse: "EventPublished",
    EventDetail: "EventShown",
    NotificationField: "Field",
    ProcessFindingKind: "FindingKind",
    QuarantineResponse: "Freed",
    JoinedRunsView: "Gathering",
    GiveResultRequest: "GivenResult",
    GivenRun: "GivenRun",
    ShiftHandover: "Handover",
    HeldGroup: "HeldGroup",
    BlockedAutomation: "HeldUp",
    SearchHit: "Hit",
    SearchHitKind: "HitKind",
    IncidentDetail: "IncidentShown",
    Evaluation: "Judged",
    FailureKind: "Kind",
    HandoverRemainder: "Left",
    MarkDoneRequest: "MarkDone",
    OutboxRequest: "Messages",
    MonitorDetail: "MonitorShown",
    RunProgress: "Moving",
    SetPasswordRequest: "NewPassword",
    AddPersonRequest: "NewPerson",
    MakeTokenRequest: "NewToken",
    LossDetection: "Noticed",
    ProjectOverview: "Now",
    ComponentHealth: "Organ",
    PastDueTime: "PastDue",
    PauseRequest: "Pause",
    PausedAutomation: "Paused",
    PersonDetail: "PersonShown",
    PersonOperation: "PersonsAct",
    ReplayResponse: "Replayed",
    RetryRequest: "Retry",
    BulkRetryRequest: "RetryWhich",
    RightsRequest: "Rights",
    StartRunResponse: "RunStarted",
    RunHistory: "RunStory",
    RunbookDetail: "RunbookShown",
    WebSessionDetail: "SessionShown",
    EndSessionsResponse: "SessionsEnded",
    SettingDetail: "SettingShown",
    SignalRequest: "Signal",
    SilentAutomation: "Silent",
    SnoozeRequest: "Snooze",
    SignInMethod: "Source",
    AutomationRuns: "Strip",
    MakeTokenResponse: "TokenMade",
    TokenDetail: "TokenShown",
    IncidentChange: "Told",
    TriggerStatus: "TriggerShown",
    TrustStats: "TrustFigures",
    BulkRequest: "Which",
    WorkerView: "Worker",
}


def rename_schemas(schema: Any) -> Any:
    """Return a schema, or several of them by class, with the names of the document instead of those of the classes."""
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
