"""The status of the project in numbers."""

from collections import Counter

import msgspec

from mainspring.domain.states import RunState, SessionState
from mainspring.insight.runs.unresolved_failures import count_undecided_runs
from mainspring.store.read import incidents
from mainspring.store.read.runs import run_views
from mainspring.store.read.status import status
from mainspring.store.restore_hold import HOLD_KEY
from mainspring.store.views import Capped
from mainspring.version import __version__
from mainspring.web.api.call import AnyApiCall
from mainspring.web.api.route import get_route

_MOST = 1_000


class StatusCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of the moment, each up to 1,000. `held` = the store is on hold; `undecided_failures` as in `Now`.

    `incidents` = unresolved ones, by severity; one that is part of another counts there.
    """

    version: str
    project: str | None
    environment: str
    held: bool
    automations: int
    running: int
    waiting: int
    retrying: int
    paused: int
    needs_attention: int
    undecided_failures: Capped
    questions: int
    incidents: dict[str, int]
    processes: dict[str, int]


def show_status(call: AnyApiCall) -> StatusCounts:
    """Show the status: automations, runs, incidents, processes."""
    reader, project = call.site.reader, call.site.settings.project
    incident_counts = Counter(incident.severity.value for incident in incidents.open_incidents(reader, _MOST))
    processes: dict[str, int] = {}
    for session in status.sessions(reader, limit=_MOST):
        if session.state == SessionState.ALIVE:
            processes[session.role] = processes.get(session.role, 0) + 1
    return StatusCounts(
        version=__version__,
        project=project.name,
        environment=project.environment,
        held=status.meta(reader, HOLD_KEY) is not None,
        automations=sum(view.retired_at is None for view in status.automations(reader)),
        running=sum(queue.running for queue in status.queue_views(reader)),
        waiting=status.count_in(reader, RunState.WAITING).number,
        retrying=status.count_in(reader, RunState.RETRYING).number,
        paused=status.count_in(reader, RunState.PAUSED).number,
        needs_attention=status.count_in(reader, RunState.NEEDS_ATTENTION).number,
        undecided_failures=count_undecided_runs(reader),
        questions=len(run_views.questions(reader, _MOST)),
        incidents=dict(incident_counts),
        processes=processes,
    )


ROUTES = (get_route("status.standing", "/status", show_status, StatusCounts, whole=True),)
