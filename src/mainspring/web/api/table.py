"""THE table of the API: every route there is, and finding the one that a path and a method mean. What is not in it is not there."""

from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from mainspring.web.api import (
    audit_log,
    automations,
    bulk,
    events,
    incidents,
    locks,
    logs,
    monitors,
    outbox,
    queues,
    run_acts,
    runs,
    status,
    triggers,
    workers,
)
from mainspring.web.api.route import BASE, ApiRoute

ROUTES: Final[tuple[ApiRoute, ...]] = (
    *runs.ROUTES,
    *run_acts.ROUTES,
    *bulk.ROUTES,
    *logs.ROUTES,
    *automations.ROUTES,
    *incidents.ROUTES,
    *triggers.ROUTES,
    *events.ROUTES,
    *queues.ROUTES,
    *outbox.ROUTES,
    *workers.ROUTES,
    *locks.ROUTES,
    *status.ROUTES,
    *monitors.ROUTES,
    *audit_log.ROUTES,
)


class Match(NamedTuple):
    """The routes at a path by their methods, and the names in it. None at all = nothing is there."""

    routes: dict[str, ApiRoute]
    names: dict[str, str]


def find(raw_path: bytes) -> Match:
    """Return what is at a path as it came over the wire: a name in it may hold an escaped slash; a word goes before a name."""
    given = raw_path.split(b"/")
    for path in _BY_NAMES:
        names = _names(_PARTS[path], given)
        if names is not None:
            return Match({route.method: route for route in ROUTES if route.path == path}, names)
    return Match({}, {})


def _names(wanted: list[str], given: list[bytes]) -> dict[str, str] | None:
    """Return the names that a path gives to a route's; None if it is not that route's."""
    if len(wanted) != len(given):
        return None
    found: dict[str, str] = {}
    for part, raw in zip(wanted, given, strict=True):
        if not part.startswith("{"):
            if part.encode() != raw:
                return None
            continue
        name = _text(raw)
        if name is None:
            return None
        found[part[1:-1]] = name
    return found


def _text(raw: bytes) -> str | None:
    """Return a name of a path, None if nothing can be called so."""
    try:
        text = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return None
    return text if text and "\x00" not in text else None


_PARTS: Final = {route.path: f"{BASE}{route.path}".split("/") for route in ROUTES}
_BY_NAMES: Final = sorted(_PARTS, key=lambda path: path.count("{"))
