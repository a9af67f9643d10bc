"""THE table of the API: every route there is, and finding the one that a path and a method mean. What is not in it is not there."""

from typing import Final, NamedTuple

from mainspring.web.api import (
    audit_log,
    automations,
    bulk,
    bulk_acts,
    channels,
    events,
    failed,
    handover,
    incidents,
    locks,
    logs,
    monitors,
    now,
    outbox,
    people,
    queues,
    run_acts,
    runs,
    schedule,
    search,
    settings,
    standings,
    status,
    triggers,
    undecided,
    workers,
)
from mainspring.web.api.route import BASE, ApiRoute
from mainspring.web.paths import Paths

ROUTES: Final[tuple[ApiRoute, ...]] = (
    *runs.ROUTES,
    *run_acts.ROUTES,
    *bulk.ROUTES,
    *bulk_acts.ROUTES,
    *failed.ROUTES,
    *logs.ROUTES,
    *automations.ROUTES,
    *standings.ROUTES,
    *schedule.ROUTES,
    *incidents.ROUTES,
    *triggers.ROUTES,
    *events.ROUTES,
    *queues.ROUTES,
    *outbox.ROUTES,
    *workers.ROUTES,
    *locks.ROUTES,
    *status.ROUTES,
    *now.ROUTES,
    *handover.ROUTES,
    *monitors.ROUTES,
    *audit_log.ROUTES,
    *search.ROUTES,
    *channels.ROUTES,
    *settings.ROUTES,
    *people.ROUTES,
    *undecided.ROUTES,
)


class Match(NamedTuple):
    """The routes at a path by their methods, and the names in it. None at all = nothing is there."""

    routes: dict[str, ApiRoute]
    names: dict[str, str]


def find(raw_path: bytes) -> Match:
    """Return what is at a path as it came over the wire."""
    found = _PATHS.find(raw_path)
    if found is None:
        return Match({}, {})
    path, names = found
    return Match({route.method: route for route in ROUTES if route.path == path}, names)


_PATHS: Final = Paths({route.path for route in ROUTES}, BASE)
