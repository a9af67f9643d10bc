"""Who is told of an incident, and when: a pure function of the incident, the routes and the time.

All routes that fit count, and a channel that several name is told once, at the earliest of their times. What no route is for is told to
every channel, and where no channel is configured the terminal is the only one: nothing is told to nobody.
Invariants: quiet hours, digests and maintenance windows put off and never drop; a page is told at once, whatever they say.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from mainspring.domain.channel import TERMINAL
from mainspring.domain.digest_time import DAILY, looks_back_ms, next_digest, read_digest
from mainspring.domain.errors import OptionError, UnknownNameError
from mainspring.domain.incident import IncidentKind, Severity
from mainspring.domain.maintenance import Maintenance
from mainspring.domain.match import Match, Told, read_match, texts_of
from mainspring.domain.notice import About
from mainspring.domain.quiet import put_off, read_hours

_KEYS = ("match", "to", "quiet", "digest", "escalate")
_GROUPED = frozenset({About.OPENED, About.REOPENED})
"""What waits a moment, so that what is over at once is told to nobody."""


class Route(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One `[[notify.route]]`; `quiet` and `digest` in the zone of the project, None = what `[notify]` says."""

    to: tuple[str, ...]
    match: Match = Match()
    quiet: str | None = None
    digest: str | None = None
    escalate: tuple[str, ...] = ()


class Target(msgspec.Struct, frozen=True, order=True):
    """A channel that is to be told, and when (ms UTC)."""

    due_at: int
    channel: str


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """All that `[notify]` says; `channels` = the names of those that are configured."""

    channels: tuple[str, ...] = ()
    routes: tuple[Route, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    zone: ZoneInfo = ZoneInfo("UTC")
    digest: str = DAILY
    group_wait_ms: int = 30_000
    repeat_ms: int = 4 * 3_600_000
    escalate_after_ms: int = 15 * 60_000

    def targets(self, told: Told, about: About, now: int) -> tuple[Target, ...]:
        """Return who is told what is known from `now` on, the first to be told first.

        An escalation goes to the channels that the routes name for it: to nobody where they name none.
        """
        due: dict[str, int] = {}
        for route in self._routes_of(told):
            at = self._due_at(told, about, route, now)
            for channel in route.escalate if about is About.ESCALATED else route.to:
                due[channel] = min(at, due.get(channel, at))
        return tuple(sorted(Target(at, channel) for channel, at in due.items()))

    def digests(self, now: int, within_ms: int, ahead_ms: int) -> tuple[tuple[int, Target], ...]:
        """Return the digests of early signs whose time was within so long before `now`, or comes within `ahead_ms`: with that time.

        They go where routes lead that look at nothing but the severity, and where there is none for this one to every channel. Quiet
        hours put them off.
        """
        found = [one for one in self.routes if _is_for_digests(one.match)]
        due: dict[str, tuple[int, Target]] = {}
        for route in found or [Route(to=self.channels or (TERMINAL,))]:
            at = next_digest(route.digest or self.digest, self.zone, now - within_ms)
            if at <= now + ahead_ms:
                told_at = at if route.quiet is None else put_off(route.quiet, self.zone, at)
                due |= {channel: (at, Target(told_at, channel)) for channel in route.to if channel not in due}
        return tuple(due[channel] for channel in sorted(due))

    def looks_back_ms(self, now: int) -> int:
        """Return over how long the digest of an instant looks back."""
        return looks_back_ms((self.digest, *(one.digest for one in self.routes if one.digest)), self.zone, now)

    def fitting(self, told: Told) -> tuple[Route, ...]:
        """Return the routes that are for an incident."""
        return tuple(route for route in self.routes if route.match.fits(told))

    def _routes_of(self, told: Told) -> Iterable[Route]:
        """Return the routes that fit without the channel that the incident is of: it cannot tell of itself."""
        channels = tuple(name for name in self.channels if not _is_of(told, name))
        found = [_without(route, told) for route in self.fitting(told)]
        if not any(route.to for route in found):
            found.append(Route(to=channels or (TERMINAL,)))
        return found

    def _due_at(self, told: Told, about: About, route: Route, now: int) -> int:
        if told.severity is Severity.PAGE:
            return now
        at = now
        if told.severity is Severity.DIGEST:
            at = next_digest(route.digest or self.digest, self.zone, now)
        elif about in _GROUPED:
            at = now + self.group_wait_ms
        return self._allowed_at(told, route, at)

    def _allowed_at(self, told: Told, route: Route, at: int) -> int:
        """Return the first instant from `at` on that is neither in a maintenance window nor in a quiet hour."""
        while True:
            ends = [end for window in self.maintenance if (end := window.ends_at(told, self.zone, at)) is not None]
            later = max(ends, default=at)
            if route.quiet is not None:
                later = put_off(route.quiet, self.zone, later)
            if later == at:
                return at
            at = later


def read_route(value: Any) -> Route:
    """Return the route that was written.

    Raises:
        OptionError: a value cannot be used.
        UnknownNameError: no such key.
    """
    if not isinstance(value, Mapping):
        raise OptionError("a route is a table", hint="Write [[notify.route]] and its keys below.")
    for key in value:
        if key not in _KEYS:
            raise UnknownNameError("key of a route", key, _KEYS)
    if "to" not in value:
        raise OptionError("a route does not say to which channels it leads", hint='Write to = ["ops"].')
    return Route(
        to=texts_of(value["to"], "to of a route"),
        match=read_match(value.get("match", {}), "a route"),
        quiet=None if value.get("quiet") is None else read_hours(value["quiet"]),
        digest=None if value.get("digest") is None else read_digest(value["digest"]),
        escalate=() if not value.get("escalate") else texts_of(value["escalate"], "escalate of a route"),
    )


def check_routes(routes: Iterable[Route], channels: Iterable[str]) -> None:
    """Do nothing if every route leads to a channel that there is. Raises UnknownNameError."""
    known = {*channels, TERMINAL}
    for route in routes:
        for name in (*route.to, *route.escalate):
            if name not in known:
                raise UnknownNameError("channel", name, known)


def _is_for_digests(match: Match) -> bool:
    return match in (Match(), Match(severity=match.severity)) and (
        not match.severity or Severity.DIGEST in match.severity
    )


def _is_of(told: Told, channel: str) -> bool:
    return told.subject.kind is IncidentKind.NOTIFIER_BROKEN and told.subject.fingerprint == channel


def _without(route: Route, told: Told) -> Route:
    to, escalate = (tuple(name for name in names if not _is_of(told, name)) for names in (route.to, route.escalate))
    return msgspec.structs.replace(route, to=to, escalate=escalate)
