"""`/settings`: channels with what they took last, each to be tried; whom routes lead to; the log of what was told; the configuration."""

from collections.abc import Iterator
from typing import Any

import msgspec

from mainspring.domain.access.permissions import Role
from mainspring.domain.duration import format_duration
from mainspring.domain.errors import ConflictError
from mainspring.domain.incidents.incident import IncidentKind
from mainspring.domain.notifications.routing import NotificationRoute
from mainspring.domain.states import AlertState
from mainspring.insight.option_rows import option_text
from mainspring.insight.routes import RouteLine
from mainspring.store.reads.incidents import AlertView
from mainspring.web.api import channels, incidents, settings, undecided
from mainspring.web.api.bodies import Because, Numbered, Word
from mainspring.web.api.call import AnyCall, Call
from mainspring.web.api.channels import ChannelShown, RoutesQuery
from mainspring.web.api.incidents import AlertsQuery
from mainspring.web.api.settings import SettingShown
from mainspring.web.api.shape import Page
from mainspring.web.dashboard.exports import pages_of
from mainspring.web.dashboard.moments import SPANS, Since, past_moment
from mainspring.web.dashboard.page import Button, Form, PageRoute, View, looked, press

AT = "/settings"


class AlertsLooking(Numbered, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which alerts: to this channel, in this state, written so long ago at most."""

    channel: Word | None = None
    state: AlertState | None = None
    since: Since | None = None


class ConfigurationLooking(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which settings: those whose name holds this text; `stated` = without those that nobody set."""

    name: Word | None = None
    stated: bool = False


def show(call: AnyCall) -> View:
    """Show channels and routing."""
    notify = call.site.settings.notify
    times = {
        "repeats after": format_duration(notify.repeat),
        "escalates after": format_duration(notify.escalate_after),
        "groups for": format_duration(notify.group_wait),
        "digest": notify.digest,
    }
    values = {
        "channels": channels.listed(looked(call)).items,
        "routes": [_route(one) for one in notify.route],
        "windows": len(notify.maintenance),
        "times": times,
        "is_held": undecided.is_held(call),
        "environment_name": call.site.settings.project.environment,
    }
    return View("Settings", values)


def rows(call: AnyCall) -> list[ChannelShown]:
    """Give the channels."""
    return channels.listed(looked(call)).items


def routes(call: AnyCall) -> tuple[NotificationRoute, ...]:
    """Give the routes of the configuration."""
    return call.site.settings.notify.route


def test(call: Call[Any, Form]) -> None:
    """Tell a channel that this is a test. Raises ConflictError where it does not take it, with what it answered."""
    name = call.body.get("channel", "")
    answer = press(call, channels.test, Because(), channel=name)
    if answer.fault is not None:
        raise ConflictError(f"{name} did not take the test: {answer.fault}", hint="It is on record.")


def show_routes(call: Call[RoutesQuery, Form | None]) -> View:
    """Show who would be told if something went wrong with each automation now."""
    found = channels.routes(looked(call))
    values = {"routes": found.items, "next": found.next, "query": call.query, "kinds": list(IncidentKind)}
    return View("Who is told", values | {"now": call.site.clock.now()})


def rows_of_routes(call: Call[RoutesQuery, None]) -> Iterator[RouteLine]:
    """Give who would be told."""
    return pages_of(call, channels.routes)


def show_alerts(call: Call[AlertsLooking, Form | None]) -> View:
    """Show what was told to whom, and what waits to be told."""
    found = _alerts(looked(call))
    values = {"alerts": found.items, "next": found.next, "query": call.query, "states": list(AlertState)}
    names = [one.name for one in channels.listed(looked(call)).items]
    return View("Alerts", values | {"channels": names, "spans": SPANS})


def rows_of_alerts(call: Call[AlertsLooking, None]) -> Iterator[AlertView]:
    """Give all alerts."""
    return pages_of(call, _alerts)


def show_configuration(call: Call[ConfigurationLooking, Form | None]) -> View:
    """Show the settings in force in the web process, with their sources."""
    found = [(one, option_text(one.value)) for one in rows_of_configuration(looked(call))]
    return View("Configuration", {"settings": found, "query": call.query, "file": call.site.settings.file})


def rows_of_configuration(call: Call[ConfigurationLooking, None]) -> list[SettingShown]:
    """Give the settings that are meant."""
    query = call.query
    return [
        one
        for one in settings.listed(call).items
        if (query.name is None or query.name in one.setting) and not (query.stated and one.source == "default")
    ]


def _alerts(call: Call[AlertsLooking, None]) -> Page[AlertView]:
    query = call.query
    asked = AlertsQuery(
        channel=query.channel,
        state=query.state,
        since=past_moment(call, query.since),
        limit=query.limit,
        cursor=query.cursor,
    )
    return incidents.alerts(call.asking(asked))


def _route(route: NotificationRoute) -> dict[str, Any]:
    match = msgspec.to_builtins(route.match)
    texts = (
        f"{name}: {', '.join(map(str, value)) if isinstance(value, list | tuple) else value}"
        for name, value in match.items()
    )
    return {
        "match": list(texts),
        "to": route.to,
        "quiet": route.quiet,
        "digest": route.digest,
        "escalate": route.escalate,
    }


PAGES = (
    PageRoute(
        path=AT,
        template="settings.html",
        show=show,
        rows=rows,
        tables={"routes": routes},
        whole=True,
        nouns=("incidents", "audit-log"),
        buttons={"test": Button(Role.OPERATOR, test)},
    ),
    PageRoute(
        path="/settings/routes",
        template="settings_routes.html",
        show=show_routes,
        rows=rows_of_routes,
        query=RoutesQuery,
        whole=True,
        nouns=("automations",),
        at=AT,
    ),
    PageRoute(
        path="/settings/alerts",
        template="settings_alerts.html",
        show=show_alerts,
        rows=rows_of_alerts,
        query=AlertsLooking,
        whole=True,
        nouns=("incidents",),
        at=AT,
    ),
    PageRoute(
        path="/settings/configuration",
        template="settings_configuration.html",
        show=show_configuration,
        rows=rows_of_configuration,
        query=ConfigurationLooking,
        role=Role.OPERATOR,
        whole=True,
        at=AT,
    ),
)
