"""Overview of a project: its status, open incidents, questions and running runs, and what is due, as far as a visitor sees."""

import msgspec

from mainspring.app.alerting.channels import channel_addresses
from mainspring.domain.incidents.incident import Incident
from mainspring.domain.states import RunState
from mainspring.insight.incidents.channel_list import list_channel_lines
from mainspring.insight.incidents.visible_incidents import is_visible
from mainspring.insight.status import component_health, upcoming
from mainspring.insight.status.component_health import ComponentHealth
from mainspring.insight.status.upcoming import (
    AutomationRuns,
    OpenQuestion,
    RunProgress,
    SilentAutomation,
    UpcomingDueTime,
)
from mainspring.store.read.runs.run_views import questions
from mainspring.store.read.status.status import sessions
from mainspring.store.views import Capped, RunRow
from mainspring.web.api.call import AnyApiCall
from mainspring.web.api.endpoints.runs import runs
from mainspring.web.api.response_types import Page
from mainspring.web.api.route import get_route

_RUNNING = 10
_QUESTIONS = 100
_SESSIONS = 1_000
_INCIDENTS = 1_000


class ProjectOverview(msgspec.Struct, frozen=True, kw_only=True):
    """One sentence about the project, and the facts behind it. `head` = its start; `count` = problems that need a person; `untold` = those
    that no incident reports.

    `notes` = facts that need no person, such as that the clock was set.

    `put_off` = acknowledged or snoozed incidents of severity page: while there is one, the project is not healthy; `undecided_failures` =
    runs that failed within a week by an error that is over, without a decision.

    `incidents` = unresolved ones, open ones of high severity first; `running` = the newest 10, `has_more_running` = there are others;
    `strips` = the newest runs of at most 30 automations, failing ones first; `health` = of Mainspring itself.
    """

    sentence: str
    head: str
    count: int
    untold: list[str]
    notes: list[str]
    put_off: int
    undecided_failures: Capped
    incidents: list[Incident]
    silent: list[SilentAutomation]
    questions: list[OpenQuestion]
    running: list[RunProgress]
    has_more_running: bool
    automations: int
    strips: list[AutomationRuns]
    due: list[UpcomingDueTime]
    health: list[ComponentHealth]


def show_overview(call: AnyApiCall) -> ProjectOverview:
    """Show the present state: open incidents, silent automations, questions, running runs, next due times."""
    site, visitor, reader, now = call.site, call.visitor, call.site.reader, call.site.clock.now()
    snapshot = site.project_status.of(site)
    listed, folded = (
        list_unresolved_incidents(call),
        [incident for incident in snapshot.incidents.grouped if is_visible(incident, visitor.may_view)],
    )
    views = [view for view in snapshot.views if visitor.may_view(view.name) and view.retired_at is None]
    waits = [site.opening.wait(wait) for wait in questions(reader, _QUESTIONS, call.automations())]
    project_status = snapshot.of(visitor, len(waits))
    running = _list_running(call)
    return ProjectOverview(
        sentence=project_status.sentence,
        head=project_status.head,
        count=project_status.count,
        untold=project_status.untold,
        notes=project_status.notes,
        put_off=project_status.put_off,
        undecided_failures=project_status.undecided_failures,
        incidents=listed,
        silent=upcoming.list_silent(listed),
        questions=upcoming.list_open_questions(reader, waits, now),
        running=upcoming.list_running(reader, running.items, now),
        has_more_running=running.next is not None,
        automations=len(views),
        strips=upcoming.list_run_histories(reader, views, [*listed, *folded], now),
        due=upcoming.list_upcoming(reader, call.automations()),
        health=_read_health(call, snapshot.free) if visitor.is_for_all else [],
    )


def list_unresolved_incidents(call: AnyApiCall) -> list[Incident]:
    """Return the unresolved incidents that the visitor sees, open and severe ones first."""
    site = call.site
    return site.project_status.of(site).visible_incidents(call.visitor)[:_INCIDENTS]


def _list_running(call: AnyApiCall) -> Page[RunRow]:
    query = runs.RunsQuery(state=(RunState.RUNNING,), limit=_RUNNING)
    return runs.list_runs(call.with_query(query))


def _read_health(call: AnyApiCall, free: int | None) -> list[ComponentHealth]:
    reader, now = call.site.reader, call.site.clock.now()
    return [
        *component_health.list_process_health(sessions(reader, limit=_SESSIONS), now),
        component_health.read_store_health(call.site.settings.store.location, free),
        *component_health.list_channel_health(list_channel_lines(reader, channel_addresses(call.site.settings)), now),
    ]


ROUTES = (get_route("now.shown", "/now", show_overview, ProjectOverview),)
