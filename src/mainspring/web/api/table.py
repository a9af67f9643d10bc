"""The route table of the API: all routes, and the lookup by path. A route that is not listed does not exist."""

from typing import Final, NamedTuple

from mainspring.web.api.endpoints import (
    audit_log,
    automation_health,
    automations,
    bulk,
    bulk_operations,
    channels,
    effects,
    events,
    handover,
    incidents,
    locks,
    monitors,
    outbox,
    overview,
    people,
    queues,
    restore,
    schedule,
    schedules,
    search,
    secrets,
    settings,
    status,
    targets,
    triggers,
    workers,
)
from mainspring.web.api.endpoints.flags import flag_operations, flag_reads
from mainspring.web.api.endpoints.rollouts import rollout_operations, rollout_reads
from mainspring.web.api.endpoints.runs import (
    failed_runs,
    logs,
    queries,
    run_files,
    run_operations,
    runs,
    streams,
    updates,
)
from mainspring.web.api.route import BASE, ApiRoute
from mainspring.web.server.path_table import PathTable

ROUTES: Final[tuple[ApiRoute, ...]] = (
    *runs.ROUTES,
    *run_operations.ROUTES,
    *updates.ROUTES,
    *queries.ROUTES,
    *bulk.ROUTES,
    *bulk_operations.ROUTES,
    *failed_runs.ROUTES,
    *logs.ROUTES,
    *streams.ROUTES,
    *run_files.ROUTES,
    *automations.ROUTES,
    *automation_health.ROUTES,
    *schedule.ROUTES,
    *schedules.ROUTES,
    *incidents.ROUTES,
    *triggers.ROUTES,
    *events.ROUTES,
    *queues.ROUTES,
    *outbox.ROUTES,
    *workers.ROUTES,
    *locks.ROUTES,
    *flag_reads.ROUTES,
    *flag_operations.ROUTES,
    *rollout_reads.ROUTES,
    *rollout_operations.ROUTES,
    *effects.ROUTES,
    *secrets.ROUTES,
    *targets.ROUTES,
    *status.ROUTES,
    *overview.ROUTES,
    *handover.ROUTES,
    *monitors.ROUTES,
    *audit_log.ROUTES,
    *search.ROUTES,
    *channels.ROUTES,
    *settings.ROUTES,
    *people.ROUTES,
    *restore.ROUTES,
)


class RouteMatch(NamedTuple):
    """The routes at a path by their methods, and the names in it. No routes = nothing is at the path."""

    routes: dict[str, ApiRoute]
    names: dict[str, str]


def find_route(raw_path: bytes) -> RouteMatch:
    """Return the routes at a path as it was sent."""
    match = _PATHS.find(raw_path)
    if match is None:
        return RouteMatch({}, {})
    path, names = match
    return RouteMatch({route.method: route for route in ROUTES if route.path == path}, names)


_PATHS: Final = PathTable({route.path for route in ROUTES}, BASE)
