"""THE table of the API: every route there is, and finding the one that a path and a method mean. What is not in it is not there."""

from typing import Final, NamedTuple

from mainspring.web.api.endpoints import (
    audit_log,
    automation_health,
    automations,
    bulk,
    bulk_operations,
    channels,
    events,
    failed_runs,
    handover,
    incidents,
    locks,
    logs,
    monitors,
    outbox,
    overview,
    people,
    queues,
    restore,
    run_operations,
    runs,
    schedule,
    search,
    settings,
    status,
    triggers,
    workers,
)
from mainspring.web.api.route import BASE, ApiRoute
from mainspring.web.server.path_table import PathTable

ROUTES: Final[tuple[ApiRoute, ...]] = (
    *runs.ROUTES,
    *run_operations.ROUTES,
    *bulk.ROUTES,
    *bulk_operations.ROUTES,
    *failed_runs.ROUTES,
    *logs.ROUTES,
    *automations.ROUTES,
    *automation_health.ROUTES,
    *schedule.ROUTES,
    *incidents.ROUTES,
    *triggers.ROUTES,
    *events.ROUTES,
    *queues.ROUTES,
    *outbox.ROUTES,
    *workers.ROUTES,
    *locks.ROUTES,
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
    """The routes at a path by their methods, and the names in it. None at all = nothing is there."""

    routes: dict[str, ApiRoute]
    names: dict[str, str]


def find_route(raw_path: bytes) -> RouteMatch:
    """Return what is at a path as it came over the wire."""
    found = _PATHS.find(raw_path)
    if found is None:
        return RouteMatch({}, {})
    path, names = found
    return RouteMatch({route.method: route for route in ROUTES if route.path == path}, names)


_PATHS: Final = PathTable({route.path for route in ROUTES}, BASE)
