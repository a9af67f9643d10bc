"""Routing of notifications: which channels get an incident, and when. A pure function of the incident, the routes and the time.

All routes that match count, and a channel that several name is notified once, at the earliest of their times. An incident that matches no
route goes to every channel; without a configured channel the terminal is the only one, so every incident is notified. Invariants: quiet
hours, digests and maintenance windows put off and never drop; a page is sent at once in any case.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.incidents.incident import IncidentKind, Severity
from mainspring.domain.incidents.incident_filter import (
    IncidentAttributes,
    IncidentFilter,
    read_incident_filter,
    read_texts,
)
from mainspring.domain.notifications.channel_name import TERMINAL
from mainspring.domain.notifications.digest_schedule import (
    DEFAULT_DIGEST,
    digest_window_ms,
    next_digest_at,
    read_digest_schedule,
)
from mainspring.domain.notifications.maintenance_window import MaintenanceWindow
from mainspring.domain.notifications.notification import NotificationEvent
from mainspring.domain.time.quiet_hours import postpone, read_quiet_hours

_KEYS = ("match", "to", "quiet", "digest", "escalate")
_DELAYED_EVENTS = frozenset({NotificationEvent.OPENED, NotificationEvent.REOPENED})
"""Events that wait a moment, so that no notification is sent of a problem that ends at once."""


class NotificationRoute(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One `[[notify.route]]`; `quiet` and `digest` in the zone of the project, None = as in `[notify]`."""

    to: tuple[str, ...]
    match: IncidentFilter = IncidentFilter()
    quiet: str | None = None
    digest: str | None = None
    escalate: tuple[str, ...] = ()


class NotificationTarget(msgspec.Struct, frozen=True, order=True):
    """A channel to notify, and when (ms UTC)."""

    due_at: int
    channel: str


class NotificationRouting(msgspec.Struct, frozen=True, kw_only=True):
    """All of `[notify]`; `channels` = the names of the configured ones."""

    channels: tuple[str, ...] = ()
    routes: tuple[NotificationRoute, ...] = ()
    maintenance: tuple[MaintenanceWindow, ...] = ()
    zone: ZoneInfo = ZoneInfo("UTC")
    digest: str = DEFAULT_DIGEST
    group_wait_ms: int = 30_000
    repeat_ms: int = 4 * 3_600_000
    escalate_after_ms: int = 15 * 60_000

    def targets(
        self, attributes: IncidentAttributes, about: NotificationEvent, now: int
    ) -> tuple[NotificationTarget, ...]:
        """Return the channels that are notified of an event known from `now` on, the earliest first.

        An escalation goes to the channels that the routes name for it: to none if they name none.
        """
        due: dict[str, int] = {}
        for route in self._routes_of(attributes):
            at = self._due_at(attributes, about, route, now)
            for channel in route.escalate if about is NotificationEvent.ESCALATED else route.to:
                due[channel] = min(at, due.get(channel, at))
        return tuple(sorted(NotificationTarget(at, channel) for channel, at in due.items()))

    def digests(self, now: int, within_ms: int, ahead_ms: int) -> tuple[tuple[int, NotificationTarget], ...]:
        """Return the digests of early warnings whose time was within this long before `now`, or comes within `ahead_ms`: with that time.

        They go where routes lead that filter by nothing but the severity, and to every channel if there is none for this one. Quiet hours
        put them off.
        """
        routes = [route for route in self.routes if _is_for_digests(route.match)]
        due: dict[str, tuple[int, NotificationTarget]] = {}
        for route in routes or [NotificationRoute(to=self.channels or (TERMINAL,))]:
            at = next_digest_at(route.digest or self.digest, self.zone, now - within_ms)
            if at <= now + ahead_ms:
                sent_at = at if route.quiet is None else postpone(route.quiet, self.zone, at)
                due |= {
                    channel: (at, NotificationTarget(sent_at, channel)) for channel in route.to if channel not in due
                }
        return tuple(due[channel] for channel in sorted(due))

    def digest_window_ms(self, now: int) -> int:
        """Return the period that the digest of an instant covers."""
        return digest_window_ms((self.digest, *(route.digest for route in self.routes if route.digest)), self.zone, now)

    def fitting(self, attributes: IncidentAttributes) -> tuple[NotificationRoute, ...]:
        """Return the routes that match an incident."""
        return tuple(route for route in self.routes if route.match.fits(attributes))

    def _routes_of(self, attributes: IncidentAttributes) -> Iterable[NotificationRoute]:
        """Return the matching routes without the channel that the incident is about: it cannot report itself."""
        channels = tuple(name for name in self.channels if not _is_about_channel(attributes, name))
        routes = [_without_own_channel(route, attributes) for route in self.fitting(attributes)]
        if not any(route.to for route in routes):
            routes.append(NotificationRoute(to=channels or (TERMINAL,)))
        return routes

    def _due_at(
        self, attributes: IncidentAttributes, about: NotificationEvent, route: NotificationRoute, now: int
    ) -> int:
        if attributes.severity is Severity.PAGE:
            return now
        at = now
        if attributes.severity is Severity.DIGEST:
            at = next_digest_at(route.digest or self.digest, self.zone, now)
        elif about in _DELAYED_EVENTS:
            at = now + self.group_wait_ms
        return self._allowed_at(attributes, route, at)

    def _allowed_at(self, attributes: IncidentAttributes, route: NotificationRoute, at: int) -> int:
        """Return the first instant from `at` on that is neither in a maintenance window nor in a quiet hour."""
        while True:
            window_ends = [
                end for window in self.maintenance if (end := window.ends_at(attributes, self.zone, at)) is not None
            ]
            later = max(window_ends, default=at)
            if route.quiet is not None:
                later = postpone(route.quiet, self.zone, later)
            if later == at:
                return at
            at = later


def read_route(value: Any) -> NotificationRoute:
    """Return the route that is written.

    Raises:
        OptionError: a value cannot be used.
        UnknownNameError: no such key.
    """
    if not isinstance(value, Mapping):
        raise OptionError("a route must be a table", hint="Write [[notify.route]] and its keys below.")
    for key in value:
        if key not in _KEYS:
            raise UnknownNameError("key of a route", key, _KEYS)
    if "to" not in value:
        raise OptionError("a route names no channel", hint='Write to = ["ops"].')
    return NotificationRoute(
        to=read_texts(value["to"], "to of a route"),
        match=read_incident_filter(value.get("match", {}), "a route"),
        quiet=None if value.get("quiet") is None else read_quiet_hours(value["quiet"]),
        digest=None if value.get("digest") is None else read_digest_schedule(value["digest"]),
        escalate=() if not value.get("escalate") else read_texts(value["escalate"], "escalate of a route"),
    )


def check_routes(routes: Iterable[NotificationRoute], channels: Iterable[str]) -> None:
    """Do nothing if every route leads to a known channel. Raises UnknownNameError."""
    known = {*channels, TERMINAL}
    for route in routes:
        for name in (*route.to, *route.escalate):
            if name not in known:
                raise UnknownNameError("channel", name, known)


def _is_for_digests(match: IncidentFilter) -> bool:
    return match in (IncidentFilter(), IncidentFilter(severity=match.severity)) and (
        not match.severity or Severity.DIGEST in match.severity
    )


def _is_about_channel(attributes: IncidentAttributes, channel: str) -> bool:
    return attributes.subject.kind is IncidentKind.NOTIFIER_BROKEN and attributes.subject.fingerprint == channel


def _without_own_channel(route: NotificationRoute, attributes: IncidentAttributes) -> NotificationRoute:
    to, escalate = (
        tuple(name for name in names if not _is_about_channel(attributes, name)) for names in (route.to, route.escalate)
    )
    return msgspec.structs.replace(route, to=to, escalate=escalate)
